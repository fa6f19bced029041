"""The batches of whole runs against a plain statement of the stream: processes, readers, framings, damaged files."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from align.compare import stream as plain
from align.compare.data import PUBLIC, write_pictures
from align.compare.stream import PlainStream
from align.compare.values import same, told
from align.compare.verdict import Row
from paddle_ugatit.data import folders, pictures, transforms
from paddle_ugatit.data.transforms import Framing

FILES, BATCH, STEPS = 4, 3, 4
FRAMINGS = {  # stage -> load_size, keep_aspect, middle, margin
    "augmented": (None, False, 0, 30),
    "with a margin": (None, False, 0, 4),
    "without a margin": (None, False, 0, 0),
    "loaded": (21, False, 0, 30),
    "kept aspect": (19, True, 0, 30),
    "middle": (23, False, 50, 30),
}
SOURCES = {
    "batches of a run": "paddle_ugatit/data/folders.py",
    "single folder": "paddle_ugatit/data/folders.py",
    "framing": "paddle_ugatit/data/transforms.py",
}


def batch_cases(size: int, seed: int):
    """Yield (name, rows, "") of each case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("trainA", "trainB", "testA"):
            (folder / part / "more").mkdir(parents=True)
            write_pictures(folder / part / "more", seed + sum(part.encode()), FILES)
            (folder / part / "2_damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")
        if sys.platform == "linux":  # where the name of a file may be any bytes
            (folder / "trainA/more/3_L.png").rename(folder / "trainA/more" / os.fsdecode(b"9\xff.png"))
        cases = (_batches(folder, size, seed), _single(folder, size, seed), _framing(folder, seed))
        for case, rows in zip(SOURCES, cases, strict=True):
            yield case, rows, ""


def _files(folder: Path, part: str) -> tuple[list[Path], list[Path]]:
    """All pictures of a part in order, and those that can be read."""
    readable = sorted((folder / part / "more").iterdir())
    return [folder / part / "2_damaged.png", *readable], readable


def _batches(folder: Path, size: int, seed: int) -> list[Row]:
    """Both processes of a run, with and without readers ahead, from the first step and from a later one."""
    rows = []
    for stage, (load_size, keep_aspect, middle, margin) in FRAMINGS.items():
        loaded = load_size and load_size + size
        options = {"load_size": loaded, "framing": Framing(keep_aspect, middle), "margin": margin}
        for rank, workers, domains in ((0, 0, ("A", "B")), (1, 2, ("B",))):
            cut = (loaded, keep_aspect, middle, margin)
            streams = [PlainStream(*_files(folder, f"train{d}"), size, seed, "AB".index(d), *cut) for d in domains]
            with folders.TrainingData(
                folder, size, BATCH, seed, workers, False, rank, 2, lambda line: None, domains, **options
            ) as data:
                for step, found in enumerate(data.iterate(2, STEPS), 2):
                    wanted = [stream.batch(step, BATCH, rank, 2) for stream in streams]
                    name = f"{stage}, process {rank}, step {step}"
                    rows += [same(name, array, right) for array, right in zip(found, wanted, strict=True)]
                rows.append(same(f"{stage}, process {rank}: steps", step, STEPS))
                bad = [str(_files(folder, f"train{d}")[0][0]) for d in domains]
                rows.append(same(f"{stage}, process {rank}: unreadable", data.bad_files, bad))
                rows.append(same(f"{stage}, process {rank}: fingerprint", data.fingerprint, _digest(folder, domains)))
    return [*rows, *_usual(folder, size, seed)]


def _usual(folder: Path, size: int, seed: int) -> list[Row]:
    """One process with the defaults: both domains, augmented, and a line for pictures that are too small."""
    said: list[str] = []
    with folders.TrainingData(folder, size, 1, seed, say=said.append) as data:
        rows = []
        for number, stream in enumerate(_plain_streams(folder, size, seed)):
            rows += [
                same(f"defaults, step {n}", data.batch(n)[number], stream.batch(n, 1)) for n in (1, 2, 3, 4, 5, 40)
            ]
        rows.append(same("defaults: workers read ahead", data.workers > 0, True))
        rows.append(same("one process by default", data.streams[1].batch(2), data.batch(2)[1]))
    rows.append(same("unreadable files are told", sum("2_damaged" in line for line in said), 2))
    try:
        list(data.iterate(1, 1))
        rows.append(told("the readers have ended", "they read on"))
    except RuntimeError:
        rows.append(told("the readers have ended", ""))
    stream = folders.Stream(_files(folder, "trainB")[0], size, 1, seed, 1, say=said.append)
    rows.append(same("a stream of its own", stream.sample(2), _plain_streams(folder, size, seed)[1].sample(2)))
    rows += _kept(folder, size, seed)
    small = [folders.small_pictures(files, 48) != "" for files in _small(folder)]
    rows.append(same("pictures smaller than the crop", small, [True, False, False, True]))
    with folders.TrainingData(folder, 120, 1, seed, workers=0, say=said.append, domains=("A",)):
        rows.append(same("a line on small pictures", sum("smaller than the 120x120 crop" in line for line in said), 1))
    return rows


def _kept(folder: Path, size: int, seed: int) -> list[Row]:
    """Of resized pictures so many are kept as the budget has bytes for, and batches are the same."""
    one = 3 * (size + 2) ** 2
    options = {"workers": 0, "say": lambda line: None, "domains": ("B",), "margin": 2, "cache": 2 * one}
    with folders.TrainingData(str(folder), size, 1, seed, **options) as data:
        plain_stream = PlainStream(*_files(folder, "trainB"), size, seed, 1, margin=2)
        rows = [same(f"kept, step {n}", data.batch(n)[0], plain_stream.batch(n, 1)) for n in range(1, 4 * FILES)]
        return [*rows, same("bytes that are kept", (len(data.cache), data.cache.used), (2, 2 * one))]


def _plain_streams(folder: Path, size: int, seed: int) -> list[PlainStream]:
    return [PlainStream(*_files(folder, f"train{d}"), size, seed, n) for n, d in enumerate("AB")]


def _small(folder: Path) -> list[list[Path]]:
    """Files, of which one or none has less than 48 pixels: a narrow one, wide ones, a damaged one, one of many."""
    damaged, readable = _files(folder, "trainA")[0][0], _files(folder, "trainA")[1]
    narrow = [path for path in readable if min(PUBLIC.read(path).size) < 48]
    wide = [path for path in readable if path not in narrow]
    return [narrow[:1], wide, [damaged], [*wide * 150, narrow[0]] * 3]


def _digest(folder: Path, domains: tuple[str, ...]) -> str:
    """The fingerprint of the files: a digest of their names, each ended by a zero, and another after each domain."""
    text = b""
    for domain in domains:
        for path in _files(folder, f"train{domain}")[0]:
            text += path.relative_to(folder / f"train{domain}").as_posix().encode("utf-8", "surrogateescape") + b"\0"
        text += b"\0"
    return hashlib.sha256(text).hexdigest()[:16]


def _single(folder: Path, size: int, seed: int) -> list[Row]:
    """A folder for paddle.io.DataLoader, and test pictures."""
    files, readable = _files(folder, "testA")
    said: list[str] = []
    quiet = said.append
    plain_images = folders.ImageFolder(folder / "testA", size, say=quiet)
    varied = folders.ImageFolder(folder / "testA", size, seed, say=quiet)
    first = plain.augmented(readable[0], size, (seed, 0, plain.CHOICE, 1))
    rows = [same("number of items", len(plain_images), len(files)), same("before any epoch", varied[1], first)]
    for number in range(len(files)):
        path = readable[max(0, number - 1)]  # the first is damaged, so the next one stands for it
        rows.append(same(f"item {number}", plain_images[number], PUBLIC.scaled(PUBLIC.pixels(path, size))))
        for epoch in (0, 3):
            varied.set_epoch(epoch)
            wanted = plain.augmented(path, size, (seed, epoch, plain.CHOICE, number))
            rows.append(same(f"item {number}, epoch {epoch}", varied[number], wanted))
            rows.append(same(f"item {number - len(files)}, epoch {epoch}", varied[number - len(files)], wanted))
    rows += _tests(folder, readable, size)
    reader = pictures.Pictures(files, size, say=quiet)
    found = np.array(reader.read([1, 0, 2], 1))
    rows.append(same("unreadable files are told", sum("2_damaged" in line for line in said), 3))
    least = min(PUBLIC.read(readable[0]).size)
    small = [bool(pictures.small_pictures(readable[:1], side)) for side in (least, least + 1)]
    rows.append(same("pictures smaller than a crop", small, [False, True]))
    known = [reader.is_bad(index) for index in range(len(files))]
    rows.append(same("unreadable files are known", known, ["2_damaged" in str(path) for path in files]))
    return [*rows, same("the next readable one", found, np.array(PUBLIC.read(readable[1])))]


def _tests(folder: Path, readable: list[Path], size: int) -> list[Row]:
    """Test pictures by name, a damaged one left out, as many as asked for, stretched or cut."""
    rows, quiet = [], lambda line: None
    for stage, limit, options in (
        ("all", None, (False, 0)),
        ("first", 2, (False, 0)),
        ("kept aspect", None, (True, 0)),
        ("middle", 3, (False, 44)),
    ):
        found = folders.test_images(folder, "A", size, limit, False, quiet, Framing(*options))
        rows.append(
            same(f"test pictures, {stage}", [n for n, _ in found], [f"more/{p.name}" for p in readable[:limit]])
        )
        for (_, image), path in zip(found, readable, strict=False):
            wanted = plain.resized(plain.framed(PUBLIC.read(path), size, *options), size)
            rows.append(same(f"test picture {path.name}, {stage}", image, PUBLIC.scaled(np.array(wanted))))
    rows.append(same("no test picture", folders.test_images(folder, "A", size, 0, say=quiet), []))
    usual = folders.test_images(folder, "A", size, say=quiet)
    return [*rows, same("test pictures by default", len(usual), len(readable))]


def _framing(folder: Path, seed: int) -> list[Row]:
    """What is cut from pictures of several shapes, and the random numbers that everything is drawn from."""
    rows = []
    for path in _files(folder, "trainA")[1]:
        picture = PUBLIC.read(path)
        for options in ((False, 0), (True, 0), (False, 40), (True, 75), (False, 301)):
            found = Framing(*options)(picture, 33)
            wanted = plain.framed(picture, 33, *options)
            rows.append(same(f"{path.name}, {options}", np.array(found), np.array(wanted)))
    rows.append(same("bits", transforms.random_bits(seed, 2, count=4).tolist(), plain.bits(seed, 2, count=4)))
    rows.append(same("one number", transforms.random_bits(5).tolist(), plain.bits(5, count=1)))
    rows.append(same("normal numbers", transforms.random_normal(seed, 3, count=9), plain.normal(seed, 3, count=9)))
    rows.append(same("one normal number", transforms.random_normal(7), plain.normal(7, count=1)))
    outside = np.array([[[-3.0, -1.0, -0.5], [0.0, 1.0, 7.0]]] * 3)
    levels = np.array([[0, 0, 64], [128, 255, 255]], np.uint8)  # half to even: 63.75, 127.5
    rows.append(same("to pixels, clipped", transforms.to_pixels(outside), np.repeat(levels[..., None], 3, 2)))
    edges = ((np.arange(255) + 0.5) / 127.5 - 1).astype(np.float32)  # the float32 nearest to where a level ends
    edges = np.repeat(
        np.stack([np.nextafter(edges, np.float32(-2)), edges, np.nextafter(edges, np.float32(2))])[:, None], 3, 1
    )
    wanted = np.rint((edges.astype(np.float64) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 1)[:, None]
    rows.append(same("to pixels, between levels", transforms.to_pixels(edges[:, :, None]), wanted))
    return rows
