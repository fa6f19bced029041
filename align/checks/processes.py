"""Two processes that train together, as python -m paddle.distributed.launch starts them, in lockstep with one twin.

Each of them makes steps on its half of every batch, in float64, and must hold after each what PyTorch's trainer holds
after a step on the whole batch. Only the first is given the weights; the other has to receive them. The losses of a
process are those of its half, so their mean is compared.

SAGAN is left out: its batch norm has statistics of its own in each process, and so another update.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path

import numpy as np

from align.cases import TRAINING
from align.compare.paddle_side import PaddleSide
from align.compare.raised import ROOT, NotComparable
from align.compare.training import compared, first_difference, one_step, paddle_state, started, torch_state
from align.report.document import entry
from paddle_ugatit.training import distributed

SYSTEMS = {"ugatit": 2, "adain": 2, "stylegan2": 3}  # system -> steps
COUNT, SEED, LONGEST = 2, 0, 300  # processes, seed of weights and images, seconds
_SPLIT = "\n"  # between the parts of a place, which is the name of an array in a file


def process_entries(systems: Collection[str] = tuple(SYSTEMS)) -> Iterator[dict]:
    """Yield a report entry for each of these systems, with its steps up to the first that differs.

    Raises NotComparable if the processes end with an error.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        wanted = {system: _twin_states(system, Path(folder)) for system in SYSTEMS if system in systems}
        if wanted:
            _launch(folder)
        for system, states in wanted.items():
            rows, blamed = _rows(system, states, Path(folder))
            name, seconds = f"{system} in two processes", time.perf_counter() - start
            sources = "paddle_ugatit/training/distributed.py", f"torch_ref/training/{system}.py"
            options = TRAINING[system].options | {"processes": COUNT}
            yield entry(name, f"Training: {name}", "Trainer.step", sources, options, rows, blamed, seconds)
            start = time.perf_counter()


def _config(system: str, share: int):
    """The options of one process of `share`, which has as many images as one of them."""
    return TRAINING[system].small.replaced(batch_size=COUNT // share, seed=SEED)


def _twin_states(system: str, folder: Path) -> list[dict]:
    """The twin's state after each step on whole batches; its first weights are written to the folder."""
    from align.compare.torch_side import TorchSide  # here, since the processes need no PyTorch

    case, sides = TRAINING[system], (TorchSide("float64"), PaddleSide("float64"))
    config = _config(system, 1)
    theirs, _ = started(config, SEED, case.trainers, sides, case.moved)
    states = {name: sides[0].state(net) for name, net in theirs.networks.items()}
    first = {f"{name}{_SPLIT}{key}": array for name, state in states.items() for key, array in state.items()}
    np.savez(folder / f"{system}.npz", **first)
    given = islice(case.given(config, SEED), SYSTEMS[system])
    return [torch_state(theirs, one_step(theirs, sides[0], *arrays)) for arrays in given]


def _launch(folder: str) -> None:
    """Run `main` of this module in processes that know of one another."""
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", str(COUNT)]
    command += ["--log_dir", f"{folder}/log", __file__, folder]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise NotComparable(f"two processes: no end after {LONGEST} s") from None
    if done.returncode:
        raise NotComparable(f"two processes: {_reason(Path(folder, 'log'), done.stderr)}")


def _reason(logs: Path, otherwise: str) -> str:
    """The error of the process that failed first, which the other one has waited for."""
    texts = [path.read_text(errors="replace") for path in sorted(logs.glob("workerlog.*"))]
    lines = [line.strip() for text in [*texts, otherwise] for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    first = [line for line in errors if "TIMEOUT" not in line and "gloo" not in line]
    return (first or errors or lines or ["no output"])[0 if errors else -1]


def _rows(system: str, wanted: list[dict], folder: Path):
    """The rows up to the first step that differs, and what is blamed."""
    rows, case = [], TRAINING[system]
    for step, state in enumerate(wanted, 1):
        found = [_read(folder / f"{system}-{step}-{rank}.npz") for rank in range(COUNT)]
        losses = {place: np.mean([one[place] for one in found], 0) for place in found[0] if place[1] == "loss"}
        for one in found:
            made = compared(state, one | losses, step, case.limit, case.limits, case.afterwards)
            rows += made
            if blamed := first_difference(made, step):
                return rows, blamed
    return rows, None


def _read(path: Path) -> dict:
    with np.load(path) as file:
        return {tuple(name.split(_SPLIT)): file[name] for name in file.files}


def main(folder: Path) -> None:
    """Train every system in one of the processes, and write the state after each step."""
    rank, count = distributed.start()
    side = PaddleSide("float64")
    for system, steps in SYSTEMS.items():
        if not (folder / f"{system}.npz").exists():
            continue
        config = _config(system, count)
        trainer = side.build(lambda _, of=system, config=config: _trainer(of)(config), SEED + rank)
        if rank == 0:
            with np.load(folder / f"{system}.npz") as file:
                for name, net in trainer.networks.items():
                    own = [key for key in file.files if key.startswith(f"{name}{_SPLIT}")]
                    side.load(net, {key.partition(_SPLIT)[2]: file[key] for key in own})
        distributed.share_networks(trainer.networks)
        given = islice(TRAINING[system].given(_config(system, 1), SEED), steps)
        for step, (batch, random) in enumerate(given, 1):
            part = slice(rank, rank + 1)
            numbers = {name: a if name.endswith("_mix") else a[part] for name, a in random.items()}
            losses = one_step(trainer, side, [array[part] for array in batch], numbers)
            state = paddle_state(trainer, losses)
            np.savez(folder / f"{system}-{step}-{rank}.npz", **{_SPLIT.join(place): a for place, a in state.items()})


def _trainer(system: str):
    return import_module(f"paddle_ugatit.training.{system}").Trainer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
