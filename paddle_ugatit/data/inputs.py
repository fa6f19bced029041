"""The inputs of a command line: files, folders and patterns, resolved to images with a unique name each."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds
from paddle_ugatit.data.listing import LeftOut, Say, image_files, pictures_of


def collect(
    values: Iterable[Path | str], outs: Iterable[Path | str] = (), say: Say | None = None
) -> list[tuple[Path, str]]:
    """Resolve files, folders and glob patterns to images: a list of (file, name of its result), each file once.

    A folder stands for all images below it. Names keep the path below the folder, or below the part of a pattern that
    has no wildcards. Files in a folder of `outs` are ignored if it lies inside a searched folder: they are results of
    an earlier run. `say` is called with a line on files that are left out as they are no images. Raises InputError if a
    value matches no image.
    """
    found, seen = [], set()
    for value in values:
        for path, name in _meant(value, outs, say):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                found.append((path, name))
    return _distinct(found)


def _meant(value: Path | str, outs: Iterable[Path | str], say: Say | None) -> list[tuple[Path, str]]:
    if not str(value):
        raise InputError("the name of an input is empty")  # Path("") would be the current folder
    path = Path(value)
    if path.is_dir():
        return _searched(image_files(path, say), path, outs, value)
    if path.exists():
        return [(path, path.name)]
    if not glob.has_magic(str(value)):
        raise InputError(f"{value}: there is no such file or folder")
    left_out = LeftOut()
    matched = sorted(Path(name) for name in glob.glob(str(value), recursive=True))
    files = pictures_of((file for file in matched if not file.is_dir()), left_out)
    if left_out and not files:
        raise InputError(f"{value}: matches no images, left out {left_out}")
    if left_out and say:
        say(f"{value}: left out {left_out}")
    return _searched(files, _plain_part(path), outs, value)


def _searched(files: list[Path], base: Path, outs: Iterable[Path | str], value: Path | str) -> list[tuple[Path, str]]:
    """Files with their names below `base`, leaving out what lies in a folder of `outs` inside `base`."""
    place = os.path.realpath(base)
    for out in map(os.path.realpath, outs):
        if out != place and _below(out, place):
            files = [file for file in files if not _below(os.path.realpath(file), out)]
    if not files:
        raise InputError(f"{value}: matches no images")
    return [(file, file.relative_to(base).as_posix()) for file in files]


def _plain_part(pattern: Path) -> Path:
    """The leading folders of a pattern, up to the first wildcard."""
    base = Path(pattern.anchor)
    for part in pattern.parts[len(base.parts) : -1]:
        if glob.has_magic(part):
            break
        base = base / part
    return base


def _below(path: Path | str, folder: Path | str) -> bool:
    return Path(path).is_relative_to(folder)


def _distinct(pairs: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Make the names unique, with a suffix that keeps the image: a second a.png becomes a_2.png, a.gif a.gif.png."""
    taken: set[str] = set()
    result = []
    for path, text in pairs:
        name = PurePosixPath(text)
        if not kinds.keeps(name.suffix):
            name = name.with_name(f"{name.name}.png")
        unique, count = name, 1
        while str(unique) in taken:
            count += 1
            unique = name.with_name(f"{name.stem}_{count}{name.suffix}")
        taken.add(str(unique))
        result.append((path, str(unique)))
    return result


def renamed(pairs: Iterable[tuple[Path, str]]) -> str:
    """Return a line on the results of `collect` that are .png though their inputs are not; "" if there are none."""
    suffixes = [path.suffix or "no suffix" for path, name in pairs if not kinds.keeps(path.suffix)]
    if not suffixes:
        return ""
    shown = ", ".join(sorted(set(suffixes)))
    return f"{len(suffixes)} written as .png, as {shown} would not keep the image or cannot be written"
