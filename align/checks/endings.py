"""How runs end, and what they leave behind: a full disk, errors within and between iterations, interruptions, locks.

Each ending is brought about in a small run of AdaIN and compared with what docs/training.md promises, written here by
hand: what is raised, and of which iterations there are checkpoints.
"""

import contextlib
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle

from align.cases import TRAINING
from align.cases.training import batches
from align.compare.values import same
from align.compare.verdict import Row
from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import CheckpointError
from paddle_ugatit.training import loop
from paddle_ugatit.training.adain import Config
from paddle_ugatit.training.checkpoints import Checkpoints
from paddle_ugatit.training.diverged import DivergedError
from paddle_ugatit.training.records import Records

OPTIONS = {"ch": 1, "img_size": 16, "load_size": 16, "batch_size": 1, "iteration": 3, "keep": 9}


class Given:
    """What a run asks of its data; an error stands for a batch that cannot be read."""

    fingerprint, bad_files = "given", ()

    def __init__(self, arrays, rank: int = 0):
        self.arrays, self.rank = arrays, rank

    def iterate(self, first: int, last: int):
        """Yield a batch for each step, or raise in its place."""
        for array in self.arrays[first - 1 : last]:
            if isinstance(array, Exception):
                raise array
            yield array


class Noted(Records):
    """Keeps the lines that a run says."""

    def __init__(self, folder: Path):
        super().__init__(folder, silent=True)
        self.said: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line."""
        self.said.append(line)


@dataclass(frozen=True)
class Ending:
    """One ending: what brings it about, what is raised, and the iterations of the checkpoints that are left."""

    prepare: Callable[[loop.Run], object]  # changes the run, or returns a context
    raised: type[BaseException] | None
    left: list[int]
    every: int = 1  # save_freq
    said: str = ""  # a line, or a part of the error
    minutes: float | None = None


def _at(count: int, error: BaseException | None, call: Callable, after: bool = False) -> Callable:
    """A function that raises at its call `count`, counted from 1, before or after it does what `call` does."""
    calls = itertools.count(1)

    def called(*given, **options):
        now = next(calls) == count and error is not None
        if now and not after:
            raise error
        found = call(*given, **options)
        if now:
            raise error
        return found

    return called


def _set(owner: str, name: str, count: int, error: BaseException, after: bool = False) -> Callable:
    """Make a method of a part of the run raise: owner "system", say."""

    def prepare(run: loop.Run) -> None:
        part = getattr(run, owner)
        setattr(part, name, _at(count, error, getattr(part, name), after))

    return prepare


def _full(fails: Callable[[Checkpoints, int], bool], room: bool = False) -> Callable:
    """A disk on which the saves for which `fails(checkpoints, number of the call)` are refused."""

    def prepare(run: loop.Run):
        own, calls = Checkpoints.save, itertools.count(1)

        def save(self, *given):
            if fails(self, next(calls)):
                raise CheckpointError("no space")
            return own(self, *given)

        stack = contextlib.ExitStack()
        stack.enter_context(patch.object(Checkpoints, "save", save))
        stack.enter_context(patch.object(Checkpoints, "make_room", lambda self, step: room))
        return stack

    return prepare


def _stop(step: int) -> Callable:
    """An interruption during an iteration."""

    def prepare(run: loop.Run) -> None:
        own = run.system.step

        def stepped(*given):
            run._stopping.asked = run.system.iteration + 1 == step
            return own(*given)

        run.system.step = stepped

    return prepare


def _spoil(run: loop.Run) -> None:
    """A weight that is not finite after the second iteration."""
    own = run.system.step

    def stepped(*given):
        found = own(*given)
        if run.system.iteration == 2:
            weight = run.system.networks["decoder"].parameters()[0]
            weight.set_value(paddle.full_like(weight, float("nan")))
        return found

    run.system.step = stepped


def _no_batch(run: loop.Run) -> None:
    run.data.arrays[2] = ValueError("no batch")


def _second_process(run: loop.Run) -> None:
    run.data.rank = 1


_NOTHING = lambda run: None  # noqa: E731
_HOME = lambda checkpoints, call: checkpoints.folder.name == "checkpoints"  # noqa: E731
ENDINGS = {
    "as planned": Ending(_NOTHING, None, [1, 2, 3]),
    "rarely saved": Ending(_NOTHING, None, [2, 3], every=2),
    "saved at the end": Ending(_NOTHING, None, [3], every=100),
    "time is over": Ending(_NOTHING, None, [1], every=100, minutes=1e-9),
    "a save fails": Ending(_full(lambda _, call: call == 1), None, [2, 3], said="after iteration 2"),
    "a save fails, the next one is far": Ending(_full(lambda _, call: call == 1), None, [3], 2, "after iteration 4"),
    "the last fails, there is room": Ending(
        _full(lambda _, call: call == 3, True), None, [1, 2, 3], said="were removed"
    ),
    "the last fails twice": Ending(
        _full(lambda s, call: call in (3, 4), True), CheckpointError, [1, 2], said="instead"
    ),
    "a full disk": Ending(_full(_HOME), CheckpointError, [], said="instead"),
    "full everywhere": Ending(_full(lambda *_: True), CheckpointError, [], said="make room there"),
    "an error between": Ending(
        _set("records", "losses", 2, ValueError()), ValueError, [2], 100, "of iteration 2 is kept"
    ),
    "an error after the first": Ending(
        _set("records", "losses", 1, ValueError()), ValueError, [1], 100, "of iteration 1 is kept"
    ),
    "an error before any": Ending(_set("records", "picture", 1, ValueError()), ValueError, [], 100),
    "an error within": Ending(
        _set("system", "step", 3, ValueError()), ValueError, [2], 2, "iteration 2 was not finished"
    ),
    "an error within, unsaved": Ending(
        _set("system", "step", 2, ValueError(), True), ValueError, [], 100, "no checkpoint yet"
    ),
    "no batch": Ending(_no_batch, ValueError, [2], 100, "of iteration 2 is kept"),
    "no batch, and a full disk": Ending(
        lambda run: (_no_batch(run), _full(lambda *_: True)(run))[1], ValueError, [], 100, "could not be saved"
    ),
    "diverged": Ending(
        _set("system", "step", 2, DivergedError("x")), DivergedError, [1], said="of iteration 1 is kept"
    ),
    "weights diverged": Ending(_spoil, DivergedError, [1]),
    "interrupted": Ending(_stop(2), KeyboardInterrupt, [2], 100),
    "interrupted at the end": Ending(_stop(3), None, [3], 100),
    "the folder is lost": Ending(_set("lock", "require", 2, InputError("lost")), InputError, [1]),
    "another process": Ending(_second_process, None, []),
}


def ending_rows() -> list[Row]:
    """Return the rows of every ending, and of runs that cannot be resumed."""
    rows: list[Row] = []
    for name, ending in ENDINGS.items():
        with tempfile.TemporaryDirectory() as folder, patch.object(tempfile, "tempdir", folder):
            rows += _ended(name, ending, Path(folder))
    return rows + _not_resumed()


class _Lock:
    def require(self) -> None:
        """The lock is ours."""


def _new(folder: Path, every: int) -> loop.Run:
    return ending_run(folder, type(TRAINING["adain"].small)(**OPTIONS, save_freq=every, log_freq=1, print_freq=100))


def ending_run(folder: Path, config: Config) -> loop.Run:
    """Return a run of AdaIN on batches of random pixels, with its files below `folder`."""
    case = TRAINING["adain"]
    arrays = [batch for _, batch in zip(range(3), batches(config, 0), strict=False)]
    paddle.seed(0)
    tests = {domain: np.zeros((1, 3, config.img_size, config.img_size), np.float32) for domain in "AB"}
    return loop.Run(case.trainers[1](config), Given(arrays), tests, folder / "run", Noted(folder), None, _Lock())


def _ended(name: str, ending: Ending, folder: Path) -> list[Row]:
    run, raised = _new(folder, ending.every), None
    with ending.prepare(run) or contextlib.nullcontext():
        try:
            run.train(ending.minutes)
        except (Exception, KeyboardInterrupt) as error:
            raised = error
    rows = [same(f"{name}: raised", type(raised) if raised else None, ending.raised)]
    rows.append(same(f"{name}: checkpoints", run.checkpoints.steps(), ending.left))
    lines = [*run.records.said, str(raised)]
    rows.append(same(f"{name}: told", any(ending.said in line for line in lines), True))
    elsewhere = sorted(folder.glob("paddle_ugatit_*/0*/weights.pdparams"))
    rows.append(same(f"{name}: kept elsewhere", len(elsewhere), int(ending.said == "instead")))
    rows.append(same(f"{name}: nothing else", len(list(folder.glob("paddle_ugatit_*"))), len(elsewhere)))
    for file in elsewhere:
        found = formats.read(file).networks["decoder"]
        right = {key: tensor.numpy() for key, tensor in run.system.networks["decoder"].state_dict().items()}
        rows += [same(f"{name}: {key}", found[key], array) for key, array in right.items()]
    if ending.left:
        rows.append(same(f"{name}: the newest", run.saved, ending.left[-1]))
    return rows


def _not_resumed() -> list[Row]:
    """No checkpoint, none that is intact, and a run that is done."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage, said in (("nothing to resume", "holds no checkpoint"), ("all damaged", "none of its checkpoints")):
            try:
                _new(folder, 1).resume()
                told = "resumed"
            except InputError as error:
                told = str(error)
            rows.append(same(stage, said in told, True))
            (folder / "run/checkpoints/0000001").mkdir(parents=True, exist_ok=True)
        _new(folder, 1).train()
        again = _new(folder, 1)
        again.resume()
        again.train()
        rows.append(same("done already", [again.system.iteration, again.saved], [3, 3]))
        ends = [line.split()[0] for line in again.records.said]
        rows.append(same("told of it", ends, ["resumed", "note:"]))
    return rows
