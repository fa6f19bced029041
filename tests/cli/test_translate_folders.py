"""translate on folders as users have them: one picture never ends the run, large photos fit, any name is printed."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.translate import generate
from tests.cli.test_translate import SCRIPT, expected, generator, light, listed, put, refusal, run, there  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


def test_one_picture_never_ends_a_folder(tmp_path, light, capsys):  # noqa: F811
    photos = put(tmp_path / "in", "a.png", "m.gif", "z.jpg")
    put(photos, "c_pixel.png", size=(1, 1))
    put(photos, "d_thin.png", size=(300, 3))
    put(photos, "x" * 250 + ".gif")  # "x...x.gif.png" is too long
    os.mkfifo(photos / "pipe.png")
    (photos / "junk.png").write_bytes(b"junk")
    os.symlink("nowhere.png", photos / "broken.png")
    (photos / "notes.txt").write_text("words")
    (tmp_path / "out" / "z.jpg").mkdir(parents=True)
    assert run(light, photos, tmp_path / "out") == 0
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert listed(tmp_path / "out") == ["a.png", "m.gif.png"] and "2 translated" in said.out
    assert "7 skipped: " in said.out and sum(line.startswith("skipped: ") for line in lines) == 7
    for name, reason in {
        "c_pixel.png": "1x1 pixels are too few",
        "d_thin.png": "3x300 pixels are too few",
        "x.gif.png": "File name too long",
        "pipe.png": "it is not a regular file",
        "junk.png": "is not an image",
        "broken.png": "No such file",
        "z.jpg": "it is a folder",
    }.items():
        assert any(name in line and reason in line for line in lines), (name, lines)
    assert any("left out 1 .txt (not pictures)" in line for line in lines)
    assert any("2 written as .png, as .gif would not keep" in line for line in lines)


def test_what_has_more_than_one_frame_is_said(tmp_path, light, capsys):  # noqa: F811
    photos = put(tmp_path / "in", "a.png")
    frames = [Image.fromarray(np.full((32, 32, 3), grey, np.uint8)) for grey in (0, 90, 200)]
    for name in ("film.gif", "film.webp", "pages.tif"):
        frames[0].save(photos / name, save_all=True, append_images=frames[1:])
    frames[0].save(photos / "phone.jpg", "MPO", save_all=True, append_images=frames[1:2])  # a photo with its preview
    assert run(light, photos, tmp_path / "out") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "frames" in line]
    assert said == [
        f"note: {photos / name}: the first of 3 frames is used" for name in ("film.gif", "film.webp", "pages.tif")
    ]


def test_strict_stops_at_the_first(tmp_path, light, capsys):  # noqa: F811
    photos = put(tmp_path / "in", "a.png", "b.png")
    put(photos, "a_pixel.png", size=(1, 1))
    code, line = refusal(capsys, light, photos, tmp_path / "out", "--strict")
    assert code == 1 and "a_pixel.png: 1x1 pixels are too few" in line


def test_a_truth_that_cannot_be_compared_is_a_line(tmp_path, light, capsys):  # noqa: F811
    photos = put(tmp_path / "in", "a.png", "b.png", "c.png", "d.gif", "e.png", size=(16, 16))
    truth = put(tmp_path / "truth", "a.png", "d.gif", size=(16, 16), seed=9)
    put(truth, "b.png", size=(20, 20))
    (truth / "c.png").write_bytes(b"junk")
    assert run(light, photos, tmp_path / "out", "--compare", truth) == 0
    said = capsys.readouterr()
    assert "5 translated" in said.out and "(2 pairs)" in said.out and "3 not compared: e.png, b.png, c.png" in said.out
    for words in ("no true image for e.png", "b.png: images of 16x16 and 20x20", "c.png: is not an image"):
        assert words in said.err


def test_what_memory_does_not_hold_is_done_singly_or_skipped(tmp_path, light, capsys, monkeypatch):  # noqa: F811
    photos = put(tmp_path / "in", "a.png", "b.png", "c.png", size=(16, 16))
    put(photos, "d.png", size=(8, 8))

    def scarce(network, images):
        if len(images) > 1 or images.shape[2] == 8:
            raise MemoryError("Fail to alloc memory")
        return generate(network, images)

    monkeypatch.setattr("paddle_ugatit.cli.translation.generate", scarce)
    assert run(light, photos, tmp_path / "out", "--batch", 4) == 0
    said = capsys.readouterr()
    assert listed(tmp_path / "out") == ["a.png", "b.png", "c.png"] and "1 skipped: d.png" in said.out
    assert said.err.splitlines() == ["skipped: d.png: there is not enough memory for it"]


def reduced(network, pixels, height, width):
    """The translation at a smaller size, enlarged again."""
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    result = Image.fromarray(expected(network, np.array(small)))
    return np.array(result.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))


def test_large_photos_are_translated_small_and_enlarged(tmp_path, light, there, capsys):  # noqa: F811
    photos = put(tmp_path / "in", "large.png", size=(40, 64))
    put(photos, "small.png", size=(12, 16))
    put(photos, "thin.png", size=(80, 6))
    assert run(light, photos, tmp_path / "out", "--max-side", 32, "--heatmap", "--sheet", "--batch", 2) == 0
    said = capsys.readouterr().out
    assert "2 translated at a smaller size and enlarged to their own again (bicubic): 2 at 32 px (--max-side 32" in said
    for name, size in {"large": (20, 32), "small": None, "thin": (32, 5)}.items():
        pixels = read_image(photos / f"{name}.png")
        wanted = expected(there, pixels) if size is None else reduced(there, pixels, *size)
        assert (read_image(tmp_path / "out" / f"{name}.png") == wanted).all()
        assert read_image(tmp_path / "out-heatmaps" / f"{name}.png.png").shape == pixels.shape
    assert read_image(tmp_path / "out-sheets" / "large.png.png").shape == (7 * 20, 32, 3)
    assert run(light, photos, tmp_path / "own", "--max-side", 0) == 0
    large = read_image(photos / "large.png")
    assert (read_image(tmp_path / "own" / "large.png") == expected(there, large)).all()
    assert "smaller" not in capsys.readouterr().out
    for value in (-1, 7):
        code, line = refusal(capsys, light, photos, tmp_path / "out", "--max-side", value)
        assert code == 2 and "--max-side must be 0" in line


def test_the_working_size_depends_on_the_free_memory(tmp_path, light, capsys, monkeypatch):  # noqa: F811
    photos = put(tmp_path / "in", "a.png", "b.png", size=(300, 400))
    put(photos, "small.png")
    monkeypatch.setattr(memory, "available", lambda: memory.needed(4, 192, 256) * 11 // 8)
    assert run(light, photos, tmp_path / "out", "--batch", 3) == 0
    assert "2 at 256 px (--max-side 2048; 0.1 GiB of memory were free)" in capsys.readouterr().out
    assert read_image(tmp_path / "out" / "a.png").shape == (300, 400, 3)
    assert run(light, photos, tmp_path / "none", "--max-side", 0) == 0
    said = capsys.readouterr()
    assert listed(tmp_path / "none") == ["small.png"] and "2 skipped: a.png, b.png" in said.out
    assert "a.png: 400x300 pixels need about 0.2 GiB of memory, 0.1 GiB are free: leave out --max-side 0" in said.err
    code, line = refusal(capsys, light, photos, tmp_path / "none", "--resize", 500)
    assert code == 1 and "--resize 500: 500x500 pixels need about 0.4 GiB of memory" in line
    monkeypatch.setattr(memory, "available", lambda: 1000)
    code, line = refusal(capsys, light, photos / "a.png", tmp_path / "none")
    assert code == 1 and "even at 256 px, 0.0 GiB are free" in line


def test_a_photo_of_12_megapixels_gets_a_sensible_size():
    network = generator(0)
    assert memory.working_size(network, 3000, 4000, memory.MAX_SIDE, None) == (1536, 2048)
    assert memory.working_size(network, 1080, 1920, memory.MAX_SIDE, None) == (1080, 1920)
    assert memory.working_size(network, 3000, 4000, 0, None) == (3000, 4000)
    for free in (2**29, 2**30, 2**32):
        height, width = memory.working_size(network, 3000, 4000, memory.MAX_SIDE, free)
        assert memory.needed(4, height, width) + 12 * 3000 * 4000 <= 0.8 * free and height * 4 == width * 3
    with pytest.raises(InputError, match=r"4000x3000 pixels need about 17.\d GiB of memory, 4.0 GiB are free"):
        memory.working_size(network, 3000, 4000, 0, 2**32)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_the_estimate_bounds_what_a_generator_takes():
    code = """
import numpy, paddle_ugatit
from paddle_ugatit.inference.translate import generate
def peak():  # getrusage would count the process that started this one
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
network = paddle_ugatit.ResnetGenerator(3, 3, ngf=16, n_blocks=1, light=True)
before = peak()
generate(network, numpy.zeros((1, 3, 400, 500), numpy.float32))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    taken = int(done.stdout)
    assert taken <= memory.needed(16, 400, 500) <= 3 * taken


def test_free_memory_is_read_from_the_system_and_its_containers(tmp_path):
    def tell(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    tell("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:   4000 kB\n")
    assert memory.available(str(tmp_path)) == 4000 * 1024
    tell("sys/fs/cgroup/memory.max", "max\n")
    assert memory.available(str(tmp_path)) == 4000 * 1024
    tell("sys/fs/cgroup/memory.max", "3000000\n")
    tell("sys/fs/cgroup/memory.current", "2500000\n")
    tell("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 400000\n")
    assert memory.available(str(tmp_path)) == 900_000
    tell("sys/fs/cgroup/memory/memory.limit_in_bytes", "70000\n")
    tell("sys/fs/cgroup/memory/memory.usage_in_bytes", "20000\n")
    tell("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 0\n")
    assert memory.available(str(tmp_path)) == 50_000
    assert memory.available() > 2**20


def test_on_a_gpu_the_free_memory_is_that_of_the_device(monkeypatch):
    assert device.free_memory() is None
    monkeypatch.setattr("paddle.get_device", lambda: "gpu:1")
    monkeypatch.setattr("paddle.device.cuda.get_device_properties", lambda: SimpleNamespace(total_memory=16 << 30))
    monkeypatch.setattr("paddle.device.cuda.memory_allocated", lambda: 5 << 30)
    assert memory.available() == 11 << 30


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_any_name_in_an_ascii_console(tmp_path, light, locale):  # noqa: F811
    photos = put(tmp_path / "照片", "漫" * 80 + ".png", "a\nb.png", "bad.png")
    os.rename(photos / "bad.png", os.fsencode(photos) + b"/caf\xe9.png")
    (photos / "nichts ä.png").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(photos) + b"/no\xe9.png")).write_bytes(b"")
    (photos / "no\nthing.png").write_bytes(b"")
    command = [sys.executable, SCRIPT, "--weights", light, "--input", photos, "--out", tmp_path / "动漫"]
    environment = os.environ | locale | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "3 translated" in done.stdout and "3 skipped: " in done.stdout and len(done.stderr.splitlines()) == 3
    names = sorted(os.listdir(os.fsencode(tmp_path / "动漫")))
    assert names == sorted([b"a\nb.png", b"caf\xe9.png", ("漫" * 80 + ".png").encode()])


def test_heatmaps_of_padded_sizes_fit(tmp_path, light):  # noqa: F811
    photos = put(tmp_path / "in", "odd.png", size=(41, 67))
    assert run(light, photos, tmp_path / "out", "--max-side", 33, "--heatmap") == 0
    assert read_image(tmp_path / "out" / "odd.png").shape == (41, 67, 3)
    assert transforms.to_input(read_image(tmp_path / "out-heatmaps" / "odd.png.png")).shape == (3, 41, 67)
