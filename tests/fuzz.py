"""Fuzz what is read: whatever a damaged file holds, reading it gives a value or one line, quickly and within memory.

    python tests/fuzz.py [--minutes N] [--only pictures|configs|manifests|npz|checkpoints] [--seed K]

Sound files of every format are damaged at random: bits flipped, bytes replaced by extreme ones, parts cut out, doubled
or exchanged. The first input that breaks the rule is kept in the folder fuzz-found, and its exception is printed. The
tests run each target for a few hundred inputs (tests/test_fuzz.py). Exit code: 0 nothing found, 1 found, 2 bad usage.
"""

import argparse
import io
import itertools
import random
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paddle_ugatit  # noqa: E402, F401  first: it sets the process up before Paddle
from paddle_ugatit import formats  # noqa: E402
from paddle_ugatit.backend.errors import InputError  # noqa: E402
from paddle_ugatit.cli import configs  # noqa: E402
from paddle_ugatit.data.images import picture_size, read_image  # noqa: E402
from paddle_ugatit.formats import manifest  # noqa: E402
from paddle_ugatit.metrics.arrays import read_array  # noqa: E402
from paddle_ugatit.training import start  # noqa: E402

FOUND = Path("fuzz-found")
SLOWEST = 20  # seconds of one input, on a busy machine
EXTREME = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"nan",
    b"1e999",
    b"9" * 40,
)
WORDS = (
    b"nan",
    b"-1",
    b"!!float",
    b"&a",
    b"*a",
    b"[",
    b"{",
    b"'",
    b": ",
    b"2001-02-30",
    b"\xff",
    b"\0",
    b"~",
    b"yes",
    b"1e6",
)


def pictures() -> dict[str, bytes]:
    """A small picture in every format that Pillow writes, and those that OpenCV writes besides."""
    import cv2
    from PIL import Image

    Image.init()
    found, pixels = {}, np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)
    for suffix, kind in sorted(Image.registered_extensions().items()):
        for mode in ("RGB", "P", "L", "1", "RGBA"):
            buffer = io.BytesIO()
            try:
                Image.fromarray(pixels).convert(mode).save(buffer, kind)
            except Exception:  # not every format takes every mode, and some are only read
                continue
            found[f"{mode}{suffix}"] = buffer.getvalue()
    for suffix in (".hdr", ".pfm", ".exr", ".ras", ".pbm", ".pgm", ".tiff"):
        try:
            written, data = cv2.imencode(
                suffix, pixels.astype(np.float32) / 255 if suffix in (".hdr", ".pfm") else pixels
            )
        except cv2.error:
            continue
        if written:
            found[f"cv{suffix}"] = data.tobytes()
    return found


def options() -> dict[str, bytes]:
    """The configurations that ship."""
    return {path.name: path.read_bytes() for path in sorted(configs.folder().glob("*.yaml"))}


def manifests() -> dict[str, bytes]:
    """Manifests with and without a checksum."""
    files = {"weights.pdparams": {"size": 10, "sha256": "0" * 64}}
    plain = '{"iteration": 1, "processes": 2, "files": {"a": {"size": 1, "sha256": "00"}}}'
    return {"sealed": manifest.sealed({"iteration": 5, "files": files}).encode(), "plain": plain.encode()}


def arrays() -> dict[str, bytes]:
    """Array files of several dtypes, packed and not."""
    found = {}
    for dtype in ("uint8", "float32", "float64", "int16", "bool"):
        array = np.arange(4 * 6 * 6 * 3).reshape(4, 6, 6, 3).astype(dtype)
        for name, save in (("npy", np.save), ("npz", np.savez), ("packed.npz", np.savez_compressed)):
            buffer = io.BytesIO()
            save(buffer, array)
            found[f"{dtype}.{name}"] = buffer.getvalue()
    return found


def checkpoints() -> dict[str, bytes]:
    """A checkpoint in each format."""
    networks = {"a": {"weight": np.ones((3, 4), "f4"), "bias": np.ones(3, "f2")}, "b": {"weight": np.ones(4, "i8")}}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, framework in ((".pt", "torch"), (".pdparams", "paddle"), (".safetensors", "paddle")):
            path = Path(folder, f"x{suffix}")
            formats.write(path, formats.Checkpoint(networks, framework))
            found[path.name] = path.read_bytes()
    return found


def read_picture(path: Path) -> None:
    picture_size(path)
    read_image(path)


def read_manifest(path: Path) -> None:
    """Read it under its own name, in a folder of its own."""
    folder = path.parent / "checkpoint"
    folder.mkdir(exist_ok=True)
    (folder / manifest.NAME).write_bytes(path.read_bytes())
    manifest.is_ours(folder)
    found = manifest.read(folder)
    assert all(isinstance(entry["size"], int) and isinstance(entry["sha256"], str) for entry in found["files"].values())


TARGETS = {  # name -> (sound inputs, what reads a file)
    "pictures": (pictures, read_picture),
    "configs": (options, start.configuration),
    "manifests": (manifests, read_manifest),
    "npz": (arrays, read_array),
    "checkpoints": (checkpoints, formats.read),
}


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Damage bytes in one to four places; half of them near the start, where headers are."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(min(len(result), rng.choice((64, 1 << 30))) or 1)
        length = rng.randint(1, 16)
        how = rng.randrange(7)
        if how == 0 and result:
            result[min(place, len(result) - 1)] ^= 1 << rng.randrange(8)
        elif how == 1:
            extreme = rng.choice(EXTREME)
            result[place : place + len(extreme)] = extreme
        elif how == 2:
            del result[place : place + length]
        elif how == 3:
            result[place:place] = result[place : place + length] * rng.choice((1, 2, 50))
        elif how == 4:
            start_of = rng.randrange(len(other) or 1)
            result[place : place + length] = other[start_of : start_of + length]
        elif how == 5:
            result[place:place] = rng.choice(WORDS)
        elif rng.random() < 0.2:
            del result[place:]
    return bytes(result)


def repacked(data: bytes, rng: random.Random) -> bytes:
    """Damage one member of a zip archive and pack it anew, so that its checksum is right."""
    packed, kind = io.BytesIO(), rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(packed, "w", kind) as made:
        chosen = rng.choice(archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            made.writestr(name, mutated(content, content, rng) if name == chosen else content)
    return packed.getvalue()


def inputs(sound: dict[str, bytes], rng: random.Random):
    """Yield (name, damaged bytes) without end, each sound input in its turn."""
    for name in itertools.cycle(sound):
        data = sound[name]
        if data[:2] == b"PK" and rng.random() < 0.5:
            yield name, repacked(data, rng)
        else:
            yield name, mutated(data, rng.choice(list(sound.values())), rng)


def fault(read, path: Path) -> str:
    """What is wrong with how `path` is read; "" if it is read, or refused in one line that names it."""
    began = time.monotonic()
    try:
        read(path)
    except InputError as error:
        said = str(error)
        if "\n" in said or len(said) > 2000:
            return f"more than a line: {said[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    spent = time.monotonic() - began
    return f"took {spent:.0f} s" if spent > SLOWEST else ""


def fuzz(target: str, seed: int, count: float = float("inf"), until: float = float("inf")) -> tuple[int, str, bytes]:
    """Read damaged inputs; returns how many, and the first fault with its input ("" and b"" if there is none)."""
    make, read = TARGETS[target]
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data in inputs(make(), random.Random(seed)):
            if done >= count or time.monotonic() > until:
                return done, "", b""
            path = Path(folder, name)
            path.write_bytes(data)
            done += 1
            if told := fault(read, path):
                return done, f"{name}: {told}", data
    return done, "", b""


def main(argv=None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, metavar="N", help="of all targets together (2)")
    parser.add_argument("--only", choices=TARGETS, help="one target")
    parser.add_argument("--seed", type=int, metavar="K", help="repeats a run (default: another one each time)")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.minutes < float("inf"):
        parser.error(f"--minutes must be above 0, got {arguments.minutes}")
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 2**32
    targets, found = [arguments.only] if arguments.only else list(TARGETS), 0
    for target in targets:
        done, told, data = fuzz(target, seed, until=time.monotonic() + 60 * arguments.minutes / len(targets))
        print(f"{target}: {done} inputs, seed {seed}: {told or 'nothing found'}", flush=True)
        if told:
            found += 1
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"{seed}-{target}").write_bytes(data)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
