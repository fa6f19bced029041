"""A whole run of U-GAT-IT against a plain loop of the PyTorch twin: everything that a run does around its steps.

Ours is `training/loop.py` itself: batches in parts (accumulation), the running mean of the generators' weights, weight
decay, the KID on test images, checkpoints, and a second run that resumes from the middle one. The twin makes plain
steps with whole batches, and updates its mean and measures the KID as the formulas say.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from align.cases import TRAINING
from align.cases.training import batches
from align.compare import metric_statements
from align.compare.paddle_side import PaddleSide
from align.compare.raised import NotComparable, on_side
from align.compare.torch_side import TorchSide
from align.compare.training import compared, first_difference, one_step, paddle_state, started, torch_state
from align.report.document import entry
from paddle_ugatit import weights
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.training.evaluation import Evaluation
from paddle_ugatit.training.loop import Run
from paddle_ugatit.training.records import Records

STEPS, MIDDLE, TESTS = 4, 2, 4  # iterations, the one that is resumed from, test images of each domain
OPTIONS = {"light": False, "ch": 2, "n_res": 1, "img_size": 24, "global_layers": 5, "local_layers": 3}
OPTIONS |= {"batch_size": 4, "accumulate": 2, "ema": 0.9, "weight_decay": 0.01, "iteration": STEPS}
OPTIONS |= {"log_freq": 1, "save_freq": MIDDLE, "eval_every": MIDDLE, "print_freq": 1000, "keep": STEPS}


class GivenBatches:
    """What a run asks of its data, with batches that are given."""

    rank, fingerprint, bad_files = 0, "given", ()

    def __init__(self, arrays):
        self.arrays = arrays

    def iterate(self, first, last):
        """Yield the batches of these steps, counted from 1."""
        yield from self.arrays[first - 1 : last]


class NotedRecords(Records):
    """Keeps the state after every step, by step, instead of writing records."""

    def __init__(self, folder):
        super().__init__(folder, silent=True)
        self.states, self.run = {}, None

    def losses(self, step, losses, system):
        """Note the state of the trainer and of the running means."""
        state = paddle_state(system, {})
        state |= {("losses", "loss", name): np.float64(loss) for name, loss in losses.items()}
        for name, net in self.run.average.networks.items() if self.run.average else ():
            for key, (array, transposed) in _arrays(net).items():
                state[f"ema {name}", "parameter", key] = array.T if transposed else array
        self.states[step] = state


def _arrays(net):
    rules = weights.layout(net)
    return {key: (parameter.numpy(), rules[key].transpose) for key, parameter in net.named_parameters()}


class PlainFeatures:
    """Pixels themselves as features; the real ones are compared by check_metric.py."""

    kind, comparable = "pixels", False

    def extract(self, images):
        """Return (N,H*W*3) for uint8 images (H,W,3)."""
        return np.stack([np.asarray(image).reshape(-1) for image in images]) / np.float64(255)


class NotedEvaluation(Evaluation):
    """Keeps the KID of every measurement, in order."""

    def __init__(self, tests):
        super().__init__(PlainFeatures(), tests)
        self.found = []

    def measure(self, system, networks):
        """Return the KID by name, and keep it."""
        self.found.append(super().measure(system, networks))
        return self.found[-1]


def run_entries(seed=0):
    """Yield a report entry for each step of a run, and for those of the resumed one, up to the first that differs."""
    case, config = TRAINING["ugatit"], replace(TRAINING["ugatit"].small, **OPTIONS)
    sides = TorchSide("float64"), PaddleSide("float64")
    given = [batch for _, batch in zip(range(STEPS), batches(config, seed), strict=False)]
    tests = {name: next(batches(replace(config, batch_size=TESTS), seed + n))[0] for n, name in ((1, "A"), (2, "B"))}
    start = time.perf_counter()
    try:
        theirs, ours = started(config, seed, case.trainers, sides, case.moved)
        with on_side("PyTorch"):
            wanted = _twin_states(theirs, sides[0], given, tests, config.ema)
        with on_side("Paddle"), ExitStack() as stack:
            stack.enter_context(default_dtype("float64"))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = _run_states(ours, given, tests, folder, resume=False)
            _, other = started(config, seed + 1, case.trainers, sides)  # its own weights must not matter
            resumed = _run_states(other, given, tests, folder, resume=True)
    except NotComparable as error:
        yield _entry("run", config, 0, [], start) | {"note": str(error)}
        return
    for name, states in (("run", found), ("resumed run", resumed)):
        for step in sorted(states):
            result = _entry(name, config, step, compared(wanted[step], states[step], step, case.limit), start)
            start = time.perf_counter()
            yield result
            if result["verdict"] != "aligned":
                return


def _run_states(system, given, tests, folder, resume):
    """Step -> state, of a run or of one that resumes from the checkpoint after step MIDDLE."""
    records, evaluation = NotedRecords(folder), NotedEvaluation(tests)
    records.run = run = Run(system, GivenBatches(given), tests, folder, records, evaluation)
    if resume:
        for step in run.checkpoints.steps():
            if step > MIDDLE:
                run.checkpoints.path(step).rename(folder / f"later-{step}")
        run.resume()
    first = system.iteration
    run.train()
    measured = [step for step in range(first, STEPS + 1) if step % MIDDLE == 0 and (step > first or not resume)]
    for step, kid in zip(measured, evaluation.found, strict=True):
        records.states.setdefault(step, {})
        records.states[step] |= {("kid", "KID", name): np.float64(value) for name, value in kid.items()}
    return records.states


def _twin_states(trainer, side, given, tests, decay):
    """Step -> state, of plain steps; 0 is before the first."""
    names = "genA2B", "genB2A"
    means = {n: {key: p.detach().clone() for key, p in trainer.networks[n].named_parameters()} for n in names}
    states = {0: _twin_kid(trainer, means, tests)}
    for step, batch in enumerate(given, 1):
        states[step] = torch_state(trainer, one_step(trainer, side, batch, {}))
        for name in names:
            for key, parameter in trainer.networks[name].named_parameters():
                means[name][key] = decay * means[name][key] + (1 - decay) * parameter.detach()
                states[step][f"ema {name}", "parameter", key] = means[name][key].numpy()
        if step % MIDDLE == 0:
            states[step] |= _twin_kid(trainer, means, tests)
    return states


def _twin_kid(trainer, means, tests):
    """The KID of the translations, by generators with the mean weights, to the test images of the other domain."""
    found = {}
    for name, source, target in (("A2B", "A", "B"), ("B2A", "B", "A")):
        net = trainer.networks[f"gen{name}"]
        with torch.no_grad():
            made = [
                torch.func.functional_call(net, means[f"gen{name}"], (torch.tensor(x[None]),)) for x in tests[source]
            ]
        fakes = _pixels(np.concatenate([image[0].numpy() for image in made]))
        found["kid", "KID", name] = np.float64(metric_statements.mmd2(fakes, _pixels(tests[target])))
    return found


def _pixels(images):
    """(N,3,H,W) in [-1,1] -> (N,H*W*3) in steps of 1/255, as they would be read from 8-bit files."""
    levels = np.rint((np.clip(images.astype(np.float32).astype(np.float64), -1, 1) + 1) * 127.5) / 255
    return levels.transpose(0, 2, 3, 1).reshape(len(images), -1)


def _entry(name, config, step, rows, start):
    blamed = first_difference(rows, step)
    sources = "paddle_ugatit/training/loop.py", "align/checks/run.py"
    title, seconds = f"Training: ugatit, {name}, step {step}", time.perf_counter() - start
    return entry(f"{name} step {step}", title, "Run", sources, asdict(config), rows, blamed, seconds)
