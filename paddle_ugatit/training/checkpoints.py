"""The checkpoints of a run, one folder each, which appears complete or not at all.

checkpoints/0005000/weights.pdparams     the networks, which every tool of the project reads
checkpoints/0005000/state.safetensors    what else a resumed run needs: the optimisers' state, a few numbers
checkpoints/0005000/ema.pdparams         the running means of the networks, if there are any
checkpoints/0005000/manifest.json        iteration, configuration, size and SHA-256 of each file, its own checksum
checkpoints/best                         the networks with the lowest KID, if it is measured
checkpoints/latest -> 0005000            for people; a resumed run looks at the folders themselves
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paddle_ugatit import formats
from paddle_ugatit.formats import Checkpoint, CheckpointError, atomic, manifest, verified

BEST, LATEST = "best", "latest"
WEIGHTS = "weights.pdparams"

Files = Mapping[str, Callable[[], Checkpoint]]  # name of a file -> function that makes its contents


class Checkpoints:
    """The folder of all checkpoints. Keeps the newest `keep`, and those of iterations that `keep_every` divides."""

    def __init__(self, folder: Path | str, keep: int = 2, keep_every: int = 100_000):
        self.folder, self.keep, self.keep_every = Path(folder), keep, keep_every

    def steps(self) -> list[int]:
        """Return the iterations of all checkpoints in order, including damaged ones."""
        if not self.folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in self.folder.iterdir() if entry.name.isdecimal() and entry.is_dir())

    def path(self, step: int) -> Path:
        """Return the folder of a checkpoint."""
        return self.folder / f"{step:07}"

    def save(self, step: int, files: Files, about: dict[str, Any]) -> None:
        """Write a checkpoint. `files` maps names to functions that make their contents, which are called one by one.

        `about` goes into the manifest. Raises CheckpointError if the files cannot be written, for example if the disk
        is full; earlier checkpoints are then unchanged.
        """
        self._put(self.path(step), files, {"iteration": step, **about})
        self.point_to(step)
        self._prune(step, self.keep)

    def save_best(self, step: int, files: Files, score: float, about: dict[str, Any]) -> None:
        """Write a checkpoint under the name `best`, with the `score` that makes it so; see `save`."""
        self._put(self.folder / BEST, files, {"iteration": step, "score": score, **about})

    def best_score(self) -> float:
        """Return the score of `best`, infinity if there is none."""
        try:
            return float(manifest.read(self.folder / BEST)["score"])
        except (CheckpointError, ValueError, KeyError, TypeError):
            return float("inf")

    def make_room(self, step: int) -> bool:
        """Delete what the next checkpoint would make superfluous, before it is written; return whether there was any.

        At least one whole checkpoint stays.
        """
        before = self.steps()
        self._prune(step, max(1, self.keep - 1))
        return self.steps() != before

    def _put(self, folder: Path, files: Files, about: dict[str, Any]) -> None:
        unfinished = atomic.unfinished(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.repair()
            unfinished.mkdir()
            for name, make in files.items():
                formats.write(unfinished / name, make())
            written = sorted(unfinished.iterdir())  # including their side files
            about = {**about, "files": {path.name: verified.described(path) for path in written}}
            with atomic.replacing(unfinished / manifest.NAME, "w") as file:
                file.write(manifest.sealed(about))
            atomic.replace_folder(folder)
        except OSError as error:
            raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def repair(self) -> None:
        """Put right what a killed run left: finish or undo what was being replaced, remove what was being written.

        `latest` is pointed to the newest whole checkpoint if it points to none.
        """
        if not self.folder.is_dir():
            return
        atomic.repair_folders(self.folder, _is_whole)
        latest = self.folder / LATEST
        if latest.is_symlink() and not latest.exists():
            step = next((step for step in reversed(self.steps()) if _is_whole(self.path(step))), None)
            if step is None:
                latest.unlink(missing_ok=True)
            else:
                self.point_to(step)

    def manifest(self, step: int) -> dict[str, Any]:
        """Return the manifest of a checkpoint. Raises CheckpointError unless every file is as it was written."""
        folder = self.path(step)
        found = _intact_manifest(folder)
        if found.get("iteration") != step:
            raise CheckpointError(f"{folder}: its manifest is of iteration {found.get('iteration')!r:.40}")
        return found

    def point_to(self, step: int) -> None:
        """Make `latest` a link to a checkpoint, where the file system has symbolic links."""
        temporary = self.folder / f".{LATEST}.unfinished"
        with contextlib.suppress(OSError):  # nothing depends on it
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path(step).name)
            os.replace(temporary, self.folder / LATEST)

    def _prune(self, newest: int, keep: int) -> None:
        """Keep `keep` whole checkpoints up to iteration `newest`, which is never removed; damaged ones do not count."""
        whole = 0
        for step in reversed([step for step in self.steps() if step <= newest]):
            if whole < keep:
                whole += _is_whole(self.path(step))
            elif step % self.keep_every or step == 0:
                atomic.remove_folder(self.path(step))


def _intact_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest in a folder. Raises CheckpointError unless it and every file are as they were written."""
    found = manifest.read(folder)
    for name, entry in found["files"].items():
        verified.require_as_described(folder / name, entry)
    return found


def _is_whole(folder: Path) -> bool:
    try:
        return bool(_intact_manifest(folder)["files"])
    except CheckpointError:
        return False
