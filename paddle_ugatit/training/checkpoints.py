"""The checkpoints of a run: a folder for each, which appears whole or not at all.

checkpoints/0005000/weights.pdparams     the networks, a file for every tool of the project
checkpoints/0005000/state.safetensors    what else the run needs to go on: optimisers, running means
checkpoints/0005000/manifest.json        iteration, configuration, size and SHA-256 of each file
checkpoints/latest -> 0005000            for people; resuming looks at the folders themselves
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

from paddle_ugatit import formats
from paddle_ugatit.formats import CheckpointError, atomic

MANIFEST, BEST = "manifest.json", "best"


class Checkpoints:
    """The folder they are in; keeps the newest `keep`, and those whose iteration `keep_every` divides."""

    def __init__(self, folder, keep=2, keep_every=100_000):
        self.folder, self.keep, self.keep_every = Path(folder), keep, keep_every

    def steps(self):
        """The iterations of the checkpoints that are there, in order; damaged ones too."""
        if not self.folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in self.folder.iterdir() if entry.name.isdecimal() and entry.is_dir())

    def path(self, step):
        """The folder of one checkpoint."""
        return self.folder / f"{step:07}"

    def save(self, step, files, about):
        """Write a checkpoint: `files` is name -> function that makes its formats.Checkpoint, called one by one.

        `about` goes into the manifest. Raises CheckpointError, the disk being full, say; what was there is then as
        before.
        """
        self._put(self.path(step), files, {"iteration": step, **about})
        self._point_to(step)
        self._prune()

    def save_best(self, step, files, score, about):
        """The same under the name `best`, with the `score` it is best by."""
        self._put(self.folder / BEST, files, {"iteration": step, "score": score, **about})

    def best_score(self):
        """The score of `best`; infinite where there is none."""
        try:
            return float(json.loads((self.folder / BEST / MANIFEST).read_text(encoding="utf-8"))["score"])
        except (OSError, ValueError, KeyError, TypeError):
            return float("inf")

    def _put(self, folder, files, about):
        unfinished = self.folder / f".{folder.name}.unfinished"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.clean()
            unfinished.mkdir()
            for name, make in files.items():
                formats.write(unfinished / name, make())
            written = {path.name: _described(path) for path in sorted(unfinished.iterdir())}  # with their side files
            with atomic.replacing(unfinished / MANIFEST, "w") as file:
                json.dump({**about, "files": written}, file, indent=1)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(unfinished, folder)
            atomic.sync_folder(self.folder)
        except OSError as error:
            raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def clean(self):
        """Remove what a run that was killed while it wrote has left."""
        for entry in self.folder.glob(".*.unfinished"):
            shutil.rmtree(entry, ignore_errors=True)

    def manifest(self, step):
        """What the manifest of a checkpoint says, once every file is what it was when written. CheckpointError."""
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

    def _point_to(self, step):
        temporary = self.folder / ".latest.unfinished"
        with contextlib.suppress(OSError):  # a file system without symbolic links: nothing depends on it
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path(step).name)
            os.replace(temporary, self.folder / "latest")

    def _prune(self):
        for step in self.steps()[: -self.keep]:
            if step % self.keep_every or step == 0:
                shutil.rmtree(self.path(step), ignore_errors=True)


def _described(path):
    return {"size": path.stat().st_size, "sha256": formats.sha256(path)}
