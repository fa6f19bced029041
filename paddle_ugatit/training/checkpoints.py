"""The checkpoints of a run, one folder each, which appears complete or not at all.

checkpoints/0005000/weights.pdparams     the networks, which every tool of the project reads
checkpoints/0005000/state.safetensors    what else a resumed run needs: the optimisers' state, a few numbers
checkpoints/0005000/ema.pdparams         the running means of the networks, if there are any
checkpoints/0005000/manifest.json        iteration, configuration, size and SHA-256 of each file
checkpoints/best                         the networks with the lowest KID, if it is measured
checkpoints/latest -> 0005000            for people; a resumed run looks at the folders themselves
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paddle_ugatit import formats
from paddle_ugatit.formats import Checkpoint, CheckpointError, atomic

MANIFEST, BEST = "manifest.json", "best"

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
        self._point_to(step)
        self._prune()

    def save_best(self, step: int, files: Files, score: float, about: dict[str, Any]) -> None:
        """Write a checkpoint under the name `best`, with the `score` that makes it so; see `save`."""
        self._put(self.folder / BEST, files, {"iteration": step, "score": score, **about})

    def best_score(self) -> float:
        """Return the score of `best`, infinity if there is none."""
        try:
            return float(json.loads((self.folder / BEST / MANIFEST).read_text(encoding="utf-8"))["score"])
        except (OSError, ValueError, KeyError, TypeError):
            return float("inf")

    def _put(self, folder: Path, files: Files, about: dict[str, Any]) -> None:
        unfinished = self.folder / f".{folder.name}.unfinished"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.clean()
            unfinished.mkdir()
            for name, make in files.items():
                formats.write(unfinished / name, make())
            written = {
                path.name: _described(path) for path in sorted(unfinished.iterdir())
            }  # including their side files
            with atomic.replacing(unfinished / MANIFEST, "w") as file:
                json.dump({**about, "files": written}, file, indent=1)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(unfinished, folder)
            atomic.sync_folder(self.folder)
        except OSError as error:
            raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def clean(self) -> None:
        """Remove what is left of checkpoints that were being written when a run was killed."""
        for entry in self.folder.glob(".*.unfinished"):
            shutil.rmtree(entry, ignore_errors=True)

    def manifest(self, step: int) -> dict[str, Any]:
        """Return the manifest of a checkpoint. Raises CheckpointError unless every file is as it was written."""
        folder = self.path(step)
        try:
            found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files = dict(found["files"])
            if found["iteration"] != step:
                raise CheckpointError(f"{folder}: its manifest is of iteration {found['iteration']}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder}: its manifest cannot be read: {error}") from error
        for name, described in files.items():
            if not (folder / name).is_file() or (folder / name).stat().st_size != described["size"]:
                raise CheckpointError(f"{folder / name}: is incomplete")
            if _described(folder / name) != described:
                raise CheckpointError(f"{folder / name}: is damaged: its SHA-256 is not the one it was written with")
        return found

    def _point_to(self, step: int) -> None:
        temporary = self.folder / ".latest.unfinished"
        with contextlib.suppress(OSError):  # nothing depends on it, and a file system may have no symbolic links
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path(step).name)
            os.replace(temporary, self.folder / "latest")

    def _prune(self) -> None:
        for step in self.steps()[: -self.keep]:
            if step % self.keep_every or step == 0:
                shutil.rmtree(self.path(step), ignore_errors=True)


def _described(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": formats.sha256(path)}
