"""Whole runs by the training command, from a file of options to files of results, against the PyTorch twin.

Everything between them is the product's own: options, weights given with --init, batches in parts, running means,
records, sheets, the KID, checkpoints, and a second run that resumes from the middle one. What it must come to is stated
in compare/twin_run.py and compare/run_results.py.
"""

import contextlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import paddle
import torch
import yaml

from align.cases import TRAINING
from align.cases.runs import RUNS, RunCase
from align.compare import metric_statements, run_files, run_results, twin_run
from align.compare.data import write_pictures
from align.compare.training import compared, first_difference
from align.compare.values import same, told
from align.compare.verdict import Row
from align.report.document import entry
from paddle_ugatit import formats
from paddle_ugatit.backend import device
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.cli import train
from paddle_ugatit.metrics import FeatureExtractor

ROOM = "paddle_ugatit/training"
SEED, LIMIT = 1, 1e-9
FILES = ("checkpoints", "config.yaml", "log.txt", "losses.csv", "samples", "scores.csv")  # of a run
PICTURES = {"trainA": 5, "trainB": 4, "testA": 3, "testB": 2}
Part = tuple[str, int, list[Row]]  # the file of the port that the rows are about, the step, the rows


def run_entry(name: str) -> dict:
    """Run a case up to its first part that differs, and return its entry in the report."""
    case, start = RUNS[name], time.perf_counter()
    rows, file, blamed = [], f"{ROOM}/{case.system}.py", None
    with tempfile.TemporaryDirectory() as folder, default_dtype("float64"):
        for source, step, found in _parts(case, Path(folder)):
            rows += found
            if blamed := first_difference(found, step):
                file = source
                break
    sources = file, f"torch_ref/training/{case.system}.py"
    title = f"Training: {name}, by the command"
    return entry(f"run of {name}", title, "train", sources, case.all_options, rows, blamed, time.perf_counter() - start)


def _parts(case: RunCase, folder: Path) -> Iterator[Part]:
    for seed, (part, count) in enumerate(PICTURES.items()):
        (folder / part).mkdir()
        write_pictures(folder / part, SEED + seed, count)
    trainer = twin_run.twin(case, SEED)
    _start_files(case, trainer, folder)
    _train(case, folder, folder / "run", ["--init", str(folder / "init.pt")])
    yield f"{ROOM}/options.py", 0, _options(case, folder / "run")
    yield from _states(case, trainer, folder, folder / "run")
    yield from _results(case, folder, folder / "run")
    yield f"{ROOM}/loop.py", 0, _best(case, folder / "run")
    yield f"{ROOM}/start.py", 0, _refused(case, folder)
    yield f"{ROOM}/loop.py", case.middle, _resumed(case, folder)


def _start_files(case: RunCase, trainer, folder: Path) -> None:
    """The weights that a run starts from, and its options, of which one is given on the command line."""
    states = twin_run.public_states(trainer)
    if case.system == "adain":
        torch.save(states.pop("encoder"), folder / "vgg.pth")
    if case.system == "stylegan2":
        states = {"GAN": {f"{name}.{key}": t for name, state in states.items() for key, t in state.items()}}
    torch.save(states, folder / "init.pt")
    text = {name: case.written.get(name, json.dumps(value)) for name, value in case.all_options.items()}
    lines = [f"{name}: {value}" for name, value in text.items() if name not in ("workers", "seed")]
    system = [] if case.system == "ugatit" else [f"system: {case.system}"]  # which is the usual one
    (folder / "options.yaml").write_text("\n".join([*system, *lines, "workers: 2"]) + "\n", encoding="utf-8")


def _train(case: RunCase, data: Path, out: Path, more: list[str]) -> None:
    """Run the training command; what it says is not printed."""
    arguments = ["--config", str(data / "options.yaml"), "--data", str(data), "--out", str(out), *more]
    arguments += ["--device", "cpu", "--dtype", "float64", f"seed={case.all_options['seed']}", "workers=1"]
    if case.system == "adain":
        arguments.append(f"encoder={data / 'vgg.pth'}")
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        train.train(train.parse(arguments, "train"))


def _options(case: RunCase, out: Path) -> list[Row]:
    """The resolved options that the run has written, and those in its checkpoints."""
    written = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    wanted = asdict(type(TRAINING[case.system].small)(**case.all_options))
    wanted |= {"encoder": written.get("encoder")} if case.system == "adain" else {}
    noted = json.loads((out / "checkpoints/latest/manifest.json").read_text(encoding="utf-8"))
    rows = [same(f"option {name}", written.get(name), value) for name, value in wanted.items()]
    rows += [same("options", list(written), list(wanted)), same("options of a checkpoint", noted["config"], wanted)]
    steps = sorted(path.name for path in (out / "checkpoints").iterdir() if path.name.isdecimal())
    right = [f"{step:07}" for step in range(1, case.options["iteration"] + 1)]
    rows += [same("checkpoints", steps, right), same("processes", noted["processes"], 1)]
    versions = {"paddle": paddle.__version__, "numpy": np.__version__}
    rows += [same("versions", noted["versions"], versions), same("device", noted["device"], device.facts())]
    files = {path.name for path in out.iterdir()} - {"vdl"}
    return [*rows, same("files of a run", sorted(files), sorted(FILES))]


def _states(case: RunCase, trainer, folder: Path, out: Path) -> Iterator[Part]:
    """Losses, rates, weights, moments and running means of every step."""
    losses, training = run_files.table(out / "losses.csv"), TRAINING[case.system]
    fixed = {name for name, net in trainer.networks.items() if not any(p.requires_grad for p in net.parameters())}
    fixed |= {"SE", "GE"}  # which no optimiser updates
    for step, wanted in enumerate(twin_run.states(case, trainer, folder), 1):
        found = run_files.checkpoint_state(out / f"checkpoints/{step:07}", trainer)
        powers = {place: array for place, array in found.items() if place[1].startswith("beta")}
        found = run_files.with_losses(run_files.without_counters(found), losses, step)
        found = {place: array for place, array in found.items() if not place[2].startswith("latest ")}
        wanted = {p: a for p, a in wanted.items() if not (p[0] in fixed and p[1].startswith("moment"))}
        means = lambda place: place[0].startswith("ema ")  # noqa: E731
        for file, chosen in ((case.system, False), ("average", True)):
            sides = ({p: a for p, a in side.items() if means(p) is chosen} for side in (wanted, found))
            rows = compared(*sides, step, LIMIT, training.limits, training.afterwards)
            yield f"{ROOM}/{file}.py", step, rows
        yield f"{ROOM}/state.py", step, _powers(powers, trainer)


def _powers(powers: dict, trainer) -> list[Row]:
    """The powers of Adam's betas, one ahead of the steps that PyTorch has counted for the parameter."""
    names = {p: (name, key) for name, net in trainer.networks.items() for key, p in net.named_parameters()}
    wanted = {}
    for optimizer in trainer.optimizers.values():
        for parameter, state in optimizer.state.items():
            for number, beta in enumerate(optimizer.param_groups[0]["betas"], 1):
                network, key = names[parameter]
                wanted[network, f"beta{number}_pow_acc", key] = beta ** (int(state["step"]) + 1)
    wrong = [place for place in wanted if place not in powers or abs(powers[place].item() - wanted[place]) > 1e-6]
    lacks = powers.keys() != wanted.keys()
    note = f"{len(wrong)} differ, the first of {wrong[0]}" if wrong else "of other parameters" if lacks else ""
    return [told("powers of Adam's betas", note, (len(powers),))]


def _results(case: RunCase, folder: Path, out: Path) -> Iterator[Part]:
    """Sample sheets and the KID, by the networks of the checkpoints."""
    few, many = (run_results.test_pictures(case, folder, limit) for limit in (5, None))
    names, kids = run_files.table(out / "scores.csv")
    last = case.options["iteration"]
    rows = [
        same("steps of the KID", kids[:, 0].tolist(), [float(s) for s in range(last + 1) if s % 2 == 0 or s == last])
    ]
    shown = sorted({path.name.partition("_")[0] for path in (out / "samples").iterdir()})
    yield (
        f"{ROOM}/loop.py",
        0,
        [*rows, same("steps of the sheets", [int(name) for name in shown], rows and _looked(last))],
    )
    for step in [step for step in _looked(last) if step]:
        nets = run_results.networks(case, out / f"checkpoints/{step:07}")
        wanted = run_results.stated_sheets(case, nets, few)
        files = sorted(path.name for path in (out / "samples").glob(f"{step:07}_*"))
        rows = [same("sheets", files, sorted(f"{step:07}_{name}.png" for name in wanted))]
        for name, pixels in wanted.items():
            rows.append(same(f"sheet {name}", run_files.picture(out / f"samples/{step:07}_{name}.png"), pixels))
        yield f"{ROOM}/{case.system}.py", step, rows
        yield f"{ROOM}/evaluation.py", step, _kid(case, nets, many, names[1:], kids[kids[:, 0] == step][0, 1:])


def _looked(last: int) -> list[int]:
    return [step for step in range(last + 1) if step % 2 == 0 or step == last]


def _kid(case: RunCase, nets: dict, tests: dict, names: list[str], found: np.ndarray) -> list[Row]:
    extractor, wanted = FeatureExtractor("pixels"), {}
    for name, images, domain in run_results.generated(case, nets, tests):
        real = extractor.extract(run_results.pixels(tests[domain]))
        wanted[name] = metric_statements.mmd2(extractor.extract(images), real)
    rows = [same("names of the KID", names, list(wanted))]
    for name, value, right in zip(names, found, wanted.values(), strict=False):
        error = abs(value - right) / max(abs(right), 1e-3)  # the features are float32
        rows.append(told(f"KID of {name}", "" if error < 1e-5 else f"is {value}, not {right}"))
    return rows


def _best(case: RunCase, out: Path) -> list[Row]:
    """The networks of the lowest first KID after training began, running means in the place of those that have one."""
    names, kids = run_files.table(out / "scores.csv")
    later = kids[kids[:, 0] > 0]
    step, score = later[later[:, 1].argmin()][:2].tolist()
    noted = json.loads((out / "checkpoints/best/manifest.json").read_text(encoding="utf-8"))
    rows = [same("best", (noted["iteration"], noted["score"]), (int(step), score))]
    rows.append(same("its features", noted["features"].startswith("pixels features"), True))
    checkpoint = out / f"checkpoints/{int(step):07}"
    wanted = formats.read(checkpoint / "weights.pdparams").networks
    wanted |= formats.read(checkpoint / "ema.pdparams").networks if case.averaged else {}
    return rows + _same_networks("best", formats.read(out / "checkpoints/best/weights.pdparams").networks, wanted)


def _resumed(case: RunCase, folder: Path) -> list[Row]:
    """A run that continues from the middle ends with the same files; those after it are written anew."""
    one, other, last = folder / "run", folder / "again", case.options["iteration"]
    shutil.copytree(one, other, symlinks=True, ignore=shutil.ignore_patterns("lock.json", "samples", "best", "vdl"))
    for step in range(case.middle + 1, last + 1):
        shutil.rmtree(other / f"checkpoints/{step:07}")
    if case.middle < last - 1:  # and past a damaged one
        shutil.copytree(one / f"checkpoints/{case.middle + 1:07}", other / f"checkpoints/{case.middle + 1:07}")
        (other / f"checkpoints/{case.middle + 1:07}/state.safetensors").write_bytes(b"damaged")
    _train(case, folder, other, ["--resume"])
    rows = []
    for file in sorted(path.name for path in (one / f"checkpoints/{last:07}").glob("*.*")):
        if file.endswith((".pdparams", ".safetensors")):
            states = [formats.read(run / f"checkpoints/{last:07}" / file).networks for run in (other, one)]
            rows += _same_networks(f"resumed, {file}", *states)
    for file in ("losses.csv", "scores.csv", "config.yaml"):
        texts = [(run / file).read_text(encoding="utf-8") for run in (other, one)]
        rows.append(same(f"resumed, {file}", *texts))
    sheets = {run: {path.name: path.read_bytes() for path in (run / "samples").iterdir()} for run in (one, other)}
    later = {name: data for name, data in sheets[one].items() if int(name.partition("_")[0]) > case.middle}
    rows.append(same("resumed, sheets", sorted(sheets[other]), sorted(later)))
    return [*rows, same("resumed, pixels of the sheets", sheets[other] == later, True)]


def _refused(case: RunCase, folder: Path) -> list[Row]:
    """A second run in the folder of another one is refused before it changes anything."""
    try:
        _train(case, folder, folder / "run", [])
    except UsageError:
        return [told("a second run in one folder", "")]
    return [told("a second run in one folder", "is not refused")]


def _same_networks(stage: str, found: dict, wanted: dict) -> list[Row]:
    rows = [same(f"{stage}: networks", sorted(found), sorted(wanted))]
    for name, state in wanted.items():
        rows += [
            same(f"{stage}: {name}.{key}", found.get(name, {}).get(key, np.zeros(0)), a) for key, a in state.items()
        ]
    return rows
