"""The inputs of a command line: files, folders and patterns, resolved to images with a unique name each."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import image_files, is_image_name


def collect(values: Iterable[Path | str], outs: Iterable[Path | str] = ()) -> list[tuple[Path, str]]:
    """Resolve files, folders and glob patterns to images: a list of (file, name of its result), each file once.

    A folder stands for all images below it. Names keep the path below the folder, or below the part of a pattern that
    has no wildcards. Files in a folder of `outs` are ignored if it lies inside a searched folder: they are results of
    an earlier run. Raises InputError if a value matches no image.
    """
    found, seen = [], set()
    for value in values:
        for path, name in _meant(value, outs):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                found.append((path, name))
    return _distinct(found)


def _meant(value: Path | str, outs: Iterable[Path | str]) -> list[tuple[Path, str]]:
    path = Path(value)
    if path.is_dir():
        return _searched(image_files(path), path, outs, value)
    if path.exists():
        return [(path, path.name)]
    if not glob.has_magic(str(value)):
        raise InputError(f"{value}: there is no such file or folder")
    files = sorted(Path(name) for name in glob.glob(str(value), recursive=True))
    files = [file for file in files if file.is_file() and is_image_name(file.name)]
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
    """Make the names unique, with a suffix that can be written: a second a.png becomes a_2.png."""
    taken: set[str] = set()
    result = []
    for path, text in pairs:
        name = PurePosixPath(text)
        if Image.registered_extensions().get(name.suffix.lower(), "") not in Image.SAVE:
            name = name.with_name(f"{name.name}.png")
        unique, count = name, 1
        while str(unique) in taken:
            count += 1
            unique = name.with_name(f"{name.stem}_{count}{name.suffix}")
        taken.add(str(unique))
        result.append((path, str(unique)))
    return result
