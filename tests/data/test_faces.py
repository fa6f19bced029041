"""The procedural data set: deterministic, paired where it must be, varied, and written as a whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddle_ugatit.cli import make_dataset
from paddle_ugatit.data.faces import cartoon as face_cartoon
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.faces import folder as faces_folder
from paddle_ugatit.data.faces import photo as face_photo
from paddle_ugatit.data.faces import shapes
from paddle_ugatit.data.faces.canvas import Canvas
from paddle_ugatit.data.faces.latents import FRINGES, HAIR_STYLES, sample_face
from paddle_ugatit.data.images import read_image

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "make_dataset.py"
SPLITS = ("trainA", "trainB", "testA", "testB")


def run(*arguments):
    return make_dataset.main([*map(str, arguments), "--jobs", "1"])


def refusal(capsys, *arguments):
    capsys.readouterr()
    code = run(*arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("make_dataset: "), lines
    return code, lines[0]


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("size", [17, 64, 128, 160])
def test_a_picture_of_any_size(split, size):
    picture = faces.draw(split, 3, size, 0)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert picture.std() > 20


def test_a_picture_is_a_function_of_its_key():
    keys = [(split, index, seed) for split in SPLITS for index in (0, 1) for seed in (0, 5)]
    pictures = [faces.draw(split, index, 32, seed) for split, index, seed in keys]
    again = [faces.draw(split, index, 32, seed) for split, index, seed in reversed(keys)][::-1]
    assert all((first == second).all() for first, second in zip(pictures, again, strict=True))
    assert len({picture.tobytes() for picture in pictures}) == len(keys)


def test_test_sets_are_paired_and_train_sets_are_not(monkeypatch):
    seen = []
    monkeypatch.setattr(face_photo, "paint", lambda face, size, generator: seen.append(face))
    monkeypatch.setattr(face_cartoon, "paint", lambda face, size: seen.append(face))
    for split in SPLITS:
        faces.draw(split, 4, 32, 0)
    train_a, train_b, test_a, test_b = seen
    assert test_a == test_b and len({str(face) for face in (train_a, train_b, test_a)}) == 3


def test_people_are_varied():
    people = [sample_face(np.random.default_rng(seed)) for seed in range(120)]
    assert {face.style for face in people} == set(HAIR_STYLES) and {face.fringe for face in people} == set(FRINGES)
    assert {face.pattern for face in people} == {0, 1, 2, 3} and any(face.beard for face in people)
    for name in ("skin", "yaw", "tilt", "smile", "width", "scale"):
        values = np.array([getattr(face, name) for face in people])
        assert values.std() > 0.2 * np.ptp(values), name


def test_the_shape_changes_between_the_domains():
    """The same person has far larger eyes and a narrower jaw as a cartoon."""
    photo, cartoon = face_photo.PHOTO, face_cartoon.CARTOON
    assert cartoon.eye_width * cartoon.eye_height > 4 * photo.eye_width * photo.eye_height
    assert cartoon.taper > photo.taper + 0.3
    pairs = [(faces.draw("testA", i, 128, 0), faces.draw("testB", i, 128, 0)) for i in range(6)]
    flat = [[(np.abs(np.diff(picture.astype(int), axis=1)).max(2) <= 1).mean() for picture in pair] for pair in pairs]
    assert all(cartoon > photo + 0.4 for photo, cartoon in flat), flat


def test_slopes_are_those_of_numpy():
    field = np.random.default_rng(0).normal(size=(9, 13)).astype(np.float32)
    across, down = shapes.slopes(field, 0.25)
    wanted = np.gradient(field, 0.25)
    assert np.allclose(across, wanted[1], atol=1e-5) and np.allclose(down, wanted[0], atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (8, 8, 3)])
def test_a_colour_covers_where_the_mask_says_so(shape):
    generator = np.random.default_rng(0)
    pixels = generator.random((8, 8, 3), dtype=np.float32)
    mask = np.zeros((8, 8))
    mask[2:5, 1:7] = generator.random((3, 6))
    colour = generator.random(shape)
    canvas = Canvas(pixels.copy())
    canvas.cover(mask, colour)
    assert np.allclose(canvas.pixels, pixels + mask[..., None] * (colour - pixels), atol=2e-5)
    canvas = Canvas(pixels.copy())
    canvas.window((slice(1, 6), slice(0, 8))).tint(mask[1:6], (0.5, 1.0, 2.0))
    assert np.allclose(canvas.pixels, pixels * (1 + mask[..., None] * (np.array((0.5, 1.0, 2.0)) - 1)), atol=1e-6)


def test_drawing_leaves_the_number_of_opencv_threads(tmp_path):
    before = cv2.getNumThreads()
    faces_folder.make_dataset(tmp_path / "faces", 1, 1, 16, 0)
    assert cv2.getNumThreads() == before


def test_the_folder_is_what_was_drawn(tmp_path, capsys):
    out = tmp_path / "deep" / "faces"
    assert run("--out", out, "--train", 3, "--test", 2, "--size", 32, "--seed", 7) == 0
    assert "3 training and 2 test images of each domain, 32 px, seed 7: made" in capsys.readouterr().out
    names = [f"{split}/{i:05d}.png" for split in SPLITS for i in range(3 if "train" in split else 2)]
    assert sorted(snapshot(out)) == sorted([*names, "dataset.json"])
    assert json.loads((out / "dataset.json").read_text())["seed"] == 7
    for name in names:
        split, index = name[:-4].split("/")
        assert (read_image(out / name) == faces.draw(split, int(index), 32, 7)).all()
    assert [path.name for path in out.parent.iterdir()] == ["faces"]


def test_the_preview_shows_pairs(tmp_path):
    options = ("--train", 1, "--test", 1, "--size", 16, "--seed", 2, "--preview", tmp_path / "pairs.png")
    assert run("--out", tmp_path / "faces", *options) == 0
    cells = read_image(tmp_path / "pairs.png").reshape(4, 16, 8, 16, 3).swapaxes(1, 2)
    for row, column in ((0, 0), (1, 0), (2, 3), (3, 7)):
        split, index = ("testA", "testB")[row % 2], row // 2 * 8 + column
        assert (cells[row, column] == faces.draw(split, index, 16, 2)).all()


def test_more_pictures_and_more_processes_change_none(tmp_path):
    faces_folder.make_dataset(tmp_path / "few", 2, 1, 32, 0)
    faces_folder.make_dataset(tmp_path / "many", 4, 3, 32, 0, jobs=2)
    few, many = snapshot(tmp_path / "few"), snapshot(tmp_path / "many")
    assert {name: many[name] for name in few if name != "dataset.json"}.items() <= few.items()


def test_our_own_is_kept_or_replaced_and_others_are_left_alone(tmp_path, capsys):
    out, options = tmp_path / "faces", ("--train", 2, "--test", 1, "--size", 32)
    out.mkdir()
    assert run("--out", out, *options) == 0
    before = snapshot(out)
    (out / "trainA" / "00000.png").write_bytes(b"touched")
    assert run("--out", out, *options) == 0 and "already there" in capsys.readouterr().out
    assert (out / "trainA" / "00000.png").read_bytes() == b"touched"
    assert run("--out", out, *options, "--seed", 1) == 0
    assert snapshot(out).keys() == before.keys() and snapshot(out) != before
    (out / "notes.txt").write_text("mine")
    kept = snapshot(out)
    code, line = refusal(capsys, "--out", out, *options)
    assert code == 1 and "holds files that are not of such a data set" in line and snapshot(out) == kept
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(capsys, "--out", tmp_path / "file", *options)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "file"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--train", 0), "1 to 1000000"),
        (("--test", -1), "1 to 1000000"),
        (("--size", 8), "16 to 1024"),
        (("--seed", -1), "0 or more"),
        (("--out", "/proc/faces"), "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, capsys, options, reason):
    code, line = refusal(capsys, "--out", tmp_path / "faces", *options)
    assert code == 1 and reason in line and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [(OSError(28, "No space left on device"), 1, "faces: cannot be written: No space"), (KeyboardInterrupt(), 130, "")],
)
def test_trouble_on_the_way_leaves_what_was_there(tmp_path, capsys, monkeypatch, error, code, reason):
    out, options = tmp_path / "faces", ("--train", 2, "--test", 1, "--size", 32)
    assert run("--out", out, *options) == 0
    before = snapshot(tmp_path)
    written = []

    def fail(path, content):
        written.append(path)
        if len(written) > 3:
            raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    got, line = refusal(capsys, "--out", out, *options, "--seed", 2)
    assert got == code and reason in line and snapshot(tmp_path) == before


def test_terminated_it_leaves_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--out", "faces", "--train", "500", "--size", "32", "--jobs", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not any(tmp_path.rglob("*.png")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert process.stderr.read().strip().splitlines() == ["make_dataset: interrupted; nothing was written"]
    assert list(tmp_path.iterdir()) == []


def test_help_has_an_example():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "python tools/make_dataset.py --out" in done.stdout


def test_what_file_managers_and_jupyter_leave_is_no_stranger(tmp_path, capsys):
    out, options = tmp_path / "faces", ("--train", 1, "--test", 1, "--size", 32)
    out.mkdir()
    (out / ".DS_Store").write_bytes(b"x")
    assert run("--out", out, *options) == 0
    for name in (".DS_Store", "trainA/Thumbs.db", "testB/.ipynb_checkpoints/a-checkpoint.png", "desktop.ini"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(b"x")
    assert run("--out", out, *options) == 0 and "already there" in capsys.readouterr().out
    assert run("--out", out, *options, "--seed", 1) == 0
    assert not (out / "desktop.ini").exists() and len(list((out / "trainA").iterdir())) == 1
