"""eval_kid on sets as users have them: any layout, lists, copies, files that cannot be opened, hostile ones."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from paddle_ugatit.cli import eval_kid
from paddle_ugatit.data.images import write_image
from paddle_ugatit.metrics import evaluate
from tests.cli.test_eval_kid import folders, refused, report, run, write_set  # noqa: F401  (folders is a fixture)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (9, 20, 22, 3)).astype(np.uint8)
GREY = IMAGES[..., 0]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "real.npy"
    np.save(path, np.random.default_rng(1).integers(0, 200, (12, 20, 22, 3)).astype(np.uint8))
    return path


def kid_of(path, real):
    found = evaluate(path, real, features="pixels", permutations=0).report
    return found["kid"]["all_pairs"], found["sets"]["fake"]["taken_as"]


@pytest.mark.parametrize(
    ("array", "same", "note"),
    [
        (IMAGES.transpose(0, 3, 1, 2), IMAGES, "channels first, 3x20x22"),
        (IMAGES.astype(np.float32) / 255, IMAGES, "floats from 0 to 1"),
        (IMAGES.astype(np.float64) / 127.5 - 1, IMAGES, "floats from -1 to 1"),
        (IMAGES.astype(np.int64), IMAGES, "int64 from 0 to 255"),
        (IMAGES.astype(np.float32), IMAGES, "float32 from 0 to 255"),
        (IMAGES.transpose(0, 3, 1, 2).astype(np.float32) / 255, IMAGES, "channels first, 3x20x22, floats from 0 to 1"),
        (np.concatenate([IMAGES, IMAGES[..., :1]], 3), IMAGES, ""),
        (GREY, np.repeat(GREY[..., None], 3, 3), "grey images"),
        (GREY[..., None], np.repeat(GREY[..., None], 3, 3), "grey images"),
        (GREY[:, None] / 255, np.repeat(GREY[..., None], 3, 3), "grey images, floats from 0 to 1"),
    ],
    ids=["CHW", "0 to 1", "-1 to 1", "int64", "0.0 to 255.0", "CHW 0 to 1", "RGBA", "grey", "grey HW1", "grey 1HW"],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_images_of_any_usual_layout(tmp_path, real, array, same, note, suffix):
    (np.save if suffix == ".npy" else np.savez_compressed)(tmp_path / f"fake{suffix}", array)
    np.save(tmp_path / "same.npy", same)
    found, said = kid_of(tmp_path / f"fake{suffix}", real)
    assert found == kid_of(tmp_path / "same.npy", real)[0] and said == note


def test_what_was_assumed_is_said(tmp_path, real, capsys):
    np.save(tmp_path / "fake.npy", IMAGES / 255)
    assert run(tmp_path, fake="fake.npy", real=real) == 0
    assert "note: fake: taken as floats from 0 to 1" in capsys.readouterr().out


def test_features_as_the_last_pooling_leaves_them(tmp_path):
    features = RNG.random((8, 5)).astype(np.float32)
    np.save(tmp_path / "a.npy", features[:, :, None, None])
    np.save(tmp_path / "b.npy", features)
    np.save(tmp_path / "c.npy", features + 1)
    assert kid_of(tmp_path / "a.npy", tmp_path / "c.npy") == kid_of(tmp_path / "b.npy", tmp_path / "c.npy")


def test_a_list_of_files(tmp_path, folders, capsys):  # noqa: F811
    names = sorted(path.name for path in (folders / "fake").iterdir())
    wanted = evaluate(folders / "fake", folders / "real", features="pixels", permutations=50).report["kid"]
    (folders / "fake.lst").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([f"fake/{name}" for name in names]).encode())
    (tmp_path / "absolute.txt").write_text("\n\n".join(str(folders / "fake" / name) for name in names))
    assert report(folders, tmp_path, fake="fake.lst")["kid"] == wanted
    assert report(folders, tmp_path, fake=tmp_path / "absolute.txt")["kid"] == wanted
    capsys.readouterr()
    (folders / "one.txt").write_text("\n".join(["fake/absent.png", *(f"fake/{name}" for name in names)]))
    refused(capsys, run(folders, fake="one.txt"), "1 of 25 images", "absent.png", "--skip-bad")
    assert report(folders, tmp_path, "--skip-bad", fake="one.txt")["kid"] == wanted
    capsys.readouterr()
    for text in ("", "no such file\nnor this"):
        (folders / "one.txt").write_text(text)
        refused(capsys, run(folders, fake="one.txt"), "one.txt: none of the")


# Kind by kind: what cannot be opened, absurd files and numbers, the cache, copies.


def test_what_cannot_be_opened_is_left_out_on_demand(folders, tmp_path, capsys):  # noqa: F811
    fake = write_set(tmp_path / "fake", 8, 4, 90)
    wanted = report(folders, tmp_path, fake=fake)["kid"]
    os.symlink("nowhere.png", fake / "a-dangling.png")
    os.mkfifo(fake / "b-pipe.png")
    (fake / "notes.txt").write_text("words")
    capsys.readouterr()
    code = run(folders, fake=fake)
    lines = capsys.readouterr().err.splitlines()
    assert code == 1 and "left out 1 .txt (not pictures)" in lines[0] and "2 of 10 images" in lines[1]
    found = report(folders, tmp_path, "--skip-bad", "--cache", tmp_path / "cache", fake=fake)
    assert found["kid"] == wanted and found["sets"]["fake"]["left_out"] == ["a-dangling.png", "b-pipe.png"]


def test_a_file_without_permission_is_left_out_on_demand(folders, tmp_path, monkeypatch, capsys):  # noqa: F811
    fake = write_set(tmp_path / "fake", 8, 4, 90)
    opened = open

    def closed(path, *more, **options):
        if str(path).endswith("003.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *more, **options)

    monkeypatch.setattr("builtins.open", closed)
    refused(capsys, run(folders, fake=fake), "1 of 8 images", "003.png: cannot be read: Permission denied")
    assert report(folders, tmp_path, "--skip-bad", fake=fake)["sets"]["fake"]["left_out"] == ["003.png"]


def header(shape, dtype="<f4"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(path, content, damage=lambda data: data):
    """An .npz file of one member, damaged afterwards."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images.npy", content)
    path.write_bytes(damage(path.read_bytes()))


def encrypted(data):
    """Set the flag of encryption in both headers."""
    data = bytearray(data)
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def test_hostile_and_damaged_arrays_are_one_line(folders, tmp_path, capsys):  # noqa: F811
    whole = header((4, 9, 9, 3), "|u1") + bytes(4 * 9 * 9 * 3)
    archive(tmp_path / "encrypted.npz", whole, encrypted)
    archive(tmp_path / "huge.npz", header((10**6, 10**6)) + bytes(100))
    archive(tmp_path / "overflow.npz", header((2**62, 2**62)) + bytes(100))
    archive(tmp_path / "negative.npz", header((-3, 5)) + bytes(100))
    archive(tmp_path / "short.npz", header((10, 10)) + bytes(100))
    archive(tmp_path / "method.npz", whole, lambda data: data.replace(b"\x08\x00", b"\x63\x00"))
    archive(tmp_path / "flipped.npz", whole, lambda data: data[:80] + bytes([data[80] ^ 255]) + data[81:])
    (tmp_path / "huge.npy").write_bytes(header((10**6, 10**6)) + bytes(100))
    (tmp_path / "cut.npy").write_bytes(whole[:-10])
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    os.mkfifo(tmp_path / "pipe.npz")
    for path in sorted(tmp_path.glob("*.np?")):
        refused(capsys, run(folders, fake=path), f"{path}: ", "cannot be read")
    for name, array, words in [
        ("nan.npy", np.full((4, 5, 5, 3), np.nan), "float64 from nan to nan is no range of pixels"),
        ("wide.npy", np.full((4, 5, 5, 3), 900.0), "from 900 to 900 is no range of pixels"),
        ("negative.npy", np.full((4, 5, 5, 3), -9), "int64 from -9 to -9"),
        ("five.npy", np.zeros((4, 5, 5, 7, 3)), "neither images nor features"),
        ("complex.npy", np.zeros((4, 5, 5, 3), complex), "neither images nor features"),
    ]:
        np.save(tmp_path / name, array)
        refused(capsys, run(folders, fake=tmp_path / name), name, words)


@pytest.mark.parametrize("factor", [1e30, 1e200, 1e21])
def test_features_whose_kernel_overflows_are_one_line(tmp_path, capsys, factor):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", RNG.random((20, 8)) * factor)
    refused(capsys, run(tmp_path, fake="a.npy", real="b.npy"), "the kernel overflows", "a.npy")


def test_weights_beside_features_are_refused(tmp_path, capsys):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", RNG.random((20, 8)))
    (tmp_path / "w.pth").touch()
    code = run(tmp_path, "--weights", tmp_path / "w.pth", fake="a.npy", real="b.npy", features="inception")
    refused(capsys, code, "--weights", "holds features")


def test_large_features_are_computed_without_overflow(tmp_path):
    for count in (20, 600):  # 1200 samples of both sets would be computed in float32
        sets = [RNG.random((count, 8)).astype(np.float32) * 1e7 for _ in "ab"]
        for name, features in zip("ab", sets, strict=True):
            np.save(tmp_path / f"{name}.npy", features)
        found = evaluate(tmp_path / "a.npy", tmp_path / "b.npy", subsets=3, permutations=3).report["kid"]
        assert all(map(np.isfinite, (found["all_pairs"], found["mean"], *found["ci95"])))


@pytest.mark.parametrize(
    "words",
    [
        ("--permutations", "-1"),
        ("--permutations", 10**18),
        ("--subsets", "-5"),
        ("--subsets", 10**18),
        ("--subset-size", "-1"),
        ("--subset-size", 10**18),
        ("--seed", 2**32),
        ("--batch-size", 10**18),
        ("--workers", 0),
        ("--workers", 10**18),
    ],
    ids=lambda words: f"{words[0]} {float(words[1]):g}",
)
def test_absurd_numbers_are_one_line(folders, capsys, words):  # noqa: F811
    refused(capsys, run(folders, *words), "more" if words[0] != "--subset-size" else "subset")


def test_a_file_that_cannot_be_written_is_refused_beforehand(folders, tmp_path, capsys):  # noqa: F811
    refused(capsys, run(folders, "--html", tmp_path), f"{tmp_path}: cannot be written: it is a folder")


def test_a_cache_with_one_flipped_byte_is_not_believed(folders, tmp_path, capsys):  # noqa: F811
    cache = ("--cache", tmp_path / "cache")
    first = report(folders, tmp_path, *cache)
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == 2 and "damaged" not in capsys.readouterr().out
    for file, place in zip(kept, (-40, 200), strict=True):  # in the last feature, and near the first
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        file.write_bytes(data)
    again = report(folders, tmp_path, *cache)
    assert again["kid"] == first["kid"] and sum("were damaged" in note for note in again["notes"]) == 2
    kept[0].write_bytes(kept[1].read_bytes())  # whole, but of another set
    assert report(folders, tmp_path, *cache)["kid"] == first["kid"]
    assert not any("damaged" in note for note in report(folders, tmp_path, *cache)["notes"])


@pytest.mark.parametrize("place", ["/proc/nothing/cache", "file"])
def test_a_cache_that_cannot_be_written_is_a_note_after_the_result(folders, tmp_path, capsys, place):  # noqa: F811
    (tmp_path / "file").write_text("no folder")
    cache = place if place.startswith("/") else tmp_path / place
    assert run(folders, "--cache", cache) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("KID") and any("note: features are not kept for the next time" in line for line in lines)


def test_the_same_set_twice_is_said(folders, tmp_path):  # noqa: F811
    found = report(folders, tmp_path, real="fake")
    assert found["kid"]["ci95"][1] < 0 and found["fake_also_in_real"] == 24
    assert any("fake and real are the same images" in note for note in found["notes"])
    assert any("with its whole interval, where no true KID is" in note for note in found["notes"])
    assert any("fake and source" in note for note in report(folders, tmp_path, "--source", folders / "fake")["notes"])
    other = report(folders, tmp_path)
    assert other["fake_also_in_real"] == 0 and not any("same images" in note for note in other["notes"])


def test_copies_in_a_set_and_between_sets_are_counted(folders, tmp_path):  # noqa: F811
    files = sorted((folders / "fake").iterdir())
    for name in ("fake", "real"):
        (tmp_path / name).mkdir()
    for i in range(10):
        (tmp_path / "fake" / f"{i}{files[i % 4].suffix}").write_bytes(files[i % 4].read_bytes())
        (tmp_path / "real" / f"x{i}{files[i + 3].suffix}").write_bytes(files[i + 3].read_bytes())
    notes = report(tmp_path, tmp_path)["notes"]
    assert any(note.startswith("2 of 10 images of fake are in real too") for note in notes)
    assert any(note.startswith("fake: 6 of 10 images are copies of others in it") for note in notes)
    assert not any(note.startswith("real: ") for note in notes)
    features = [RNG.random((8, 5)).astype(np.float32) for _ in range(2)]
    for name, rows in zip("ab", (features[0], np.concatenate([features[0][:3], features[1]])), strict=True):
        np.save(tmp_path / f"{name}.npy", rows)
    assert evaluate(tmp_path / "a.npy", tmp_path / "b.npy").report["fake_also_in_real"] == 3


def test_names_in_any_encoding_in_console_json_and_page(folders, tmp_path, capsys):  # noqa: F811
    fake = tmp_path / os.fsdecode(b"caf\xe9")
    fake.mkdir()
    for i in range(6):
        write_image(fake / os.fsdecode(b"\xe9%d.png" % i), IMAGES[i])
    (fake / os.fsdecode(b"\xe9bad\n.png")).write_bytes(b"junk")
    (fake / "漫.txt").write_text("words")
    page = tmp_path / "页.html"
    found = report(folders, tmp_path, "--skip-bad", "--html", page, fake=fake)
    assert found["sets"]["fake"]["path"] == str(fake)
    text, out = page.read_text(encoding="utf-8"), capsys.readouterr().out
    assert "caf\\udce9" in text and "\\udce90.png" in text and "left out: \\udce9bad\\n.png" in out


def test_the_json_of_a_set_with_odd_names_is_ascii(folders, tmp_path):  # noqa: F811
    fake = write_set(tmp_path / os.fsdecode(b"\xff"), 4, 0, 99)
    path = tmp_path / "kid.json"
    arguments = ["--fake", str(fake), "--real", str(folders / "real"), "--features", "pixels", "--no-cache"]
    assert eval_kid.main([*arguments, "--permutations", "0", "--json", str(path)]) == 0
    assert json.loads(path.read_bytes().decode("ascii"))["sets"]["fake"]["path"] == str(fake)
