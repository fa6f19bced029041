"""Check that Paddle learns as PyTorch does: train with both and measure the results on paired test images.

    python align/check_learning.py --config work/configs/demo.yaml --data DIR --out DIR [--seeds 0 1 2] [KEY=VALUE ...]

Both frameworks start from the same weights and see the same batches. Float32 rounding soon drives them apart, so only
results can be compared: KID of the translated test images to the target domain and L1 to the truth, over several seeds.
Each run writes OUT/<framework>-<seed>.json and is skipped if that exists; --only trains one framework, so that two
processes can share the work. Exit code: 0 both learn and their results overlap, 1 they do not, 2 not comparable.
"""

import json
import time
from pathlib import Path

import numpy as np
import paddle
import torch

from align.checks.running import add_device, run, use_device
from align.compare.training import twin_config
from paddle_ugatit import weights
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.cli.command import SEED, Parser, failed, prepare_folder, require
from paddle_ugatit.data.faces.folder import is_drawn
from paddle_ugatit.data.folders import test_images
from paddle_ugatit.data.images import read_image, write_image
from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.formats import atomic
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.metrics import FeatureExtractor, kid
from paddle_ugatit.metrics.paired import l1
from paddle_ugatit.training import start
from torch_ref.training.ugatit import Trainer as TorchTrainer

FRAMEWORKS = ("paddle", "torch")
SHOWN = 8  # test images in the picture


class Paired:
    """The test images of both domains, in pairs, and the measures of translations from A to B."""

    def __init__(self, folder, size, features):
        self.source, self.target = ([image for _, image in test_images(folder, domain, size)] for domain in "AB")
        if len(self.source) != len(self.target):
            raise InputError(
                f"{folder}: testA and testB must be pairs, but hold {len(self.source)} and {len(self.target)} images"
            )
        self.truth = [to_pixels(image) for image in self.target]
        self.extractor = FeatureExtractor(features)
        self.real = self.extractor.extract(self.truth)

    def measure(self, pictures):
        """Return KID to testB and L1 to the truth (in levels of 0 to 255) of uint8 pictures."""
        estimate = kid(self.extractor.extract(pictures), self.real, subsets=1, bootstrap=0).all_pairs
        return {"KID": estimate, "L1": float(np.mean([l1(*pair) for pair in zip(pictures, self.truth, strict=True)]))}

    def translated(self, generator):
        """Return testA translated by a Paddle generator, as uint8."""
        return [to_pixels(generate(generator, image[None])[0][0]) for image in self.source]


def train(framework, config, folder, tests):
    """Train once; returns the results before and after, and the pictures after."""
    ours = start.system_of(config)
    trainer, tensor = ours, paddle.to_tensor
    if framework == "torch":
        trainer, tensor = TorchTrainer(twin_config(TorchTrainer, config)), torch.tensor
        for name, network in ours.networks.items():
            state = weights.to_torch({key: value.numpy() for key, value in network.state_dict().items()}, network)
            trainer.networks[name].load_state_dict({key: torch.tensor(array) for key, array in state.items()})
    before, started = tests.measure(tests.translated(ours.networks["genA2B"])), time.monotonic()
    data = start.data_of(config, folder, 0, 1, to_stderr)
    with data, Progress(f"{framework}, seed {config.seed}", config.iteration) as progress:
        for batch in data.iterate(1, config.iteration):
            losses = trainer.step(*map(tensor, batch))
            progress(note=f"d_loss {losses['d_loss'].item():.3f}, g_loss {losses['g_loss'].item():.3f}")
    seconds = time.monotonic() - started
    if framework == "torch":
        network = ours.networks["genA2B"]
        state = {key: value.numpy() for key, value in trainer.networks["genA2B"].state_dict().items()}
        for key, array in weights.to_paddle(state, network).items():
            network.state_dict()[key].set_value(np.ascontiguousarray(array))
    pictures = tests.translated(ours.networks["genA2B"])
    return {"before": before, "after": tests.measure(pictures), "seconds": seconds}, pictures


def results(arguments, tests):
    """Return framework -> results of its seeds, training those that are missing."""
    out, found = Path(arguments.out), {}
    for seed in arguments.seeds:
        config = start.configuration(arguments.config, [*arguments.options, f"seed={seed}"])
        for framework in arguments.only or FRAMEWORKS:
            path = out / f"{framework}-{seed}.json"
            if not path.exists():
                result, pictures = train(framework, config, arguments.data, tests)
                write_image(path.with_suffix(".png"), np.concatenate(pictures[:SHOWN], axis=1))
                with atomic.replacing(path, "w") as file:
                    json.dump({**result, "config": config.as_dict()}, file, indent=1)
            result = json.loads(path.read_text(encoding="utf-8"))
            if result["config"] != config.as_dict():
                raise InputError(f"{path}: belongs to a run with other options; choose another --out")
            found.setdefault(framework, []).append(result)
    return found


def verdict(found, untranslated):
    """Return what is wrong with the results, a line each; nothing if both frameworks learn and their ranges overlap."""
    faults = []
    for framework, runs in found.items():
        for name, least in (("KID", untranslated["KID"] / 2), ("L1", untranslated["L1"])):
            values = [run["after"][name] for run in runs]
            if not np.mean(values) < least:
                faults.append(f"{framework}: {name} {np.mean(values):.4g} is not below {least:.4g}")
    if len(found) == 2:
        for name in ("KID", "L1"):
            ours, theirs = ([run["after"][name] for run in found[framework]] for framework in FRAMEWORKS)
            if min(ours) > max(theirs) or min(theirs) > max(ours):
                faults.append(f"{name}: the frameworks' results do not overlap: {ours} and {theirs}")
    return faults


def table(found, untranslated, features):
    """Return the results as lines of Markdown."""
    lines = [
        f"| testA as | KID to testB ({features} features) | L1 to the truth | minutes |",
        "|---|---|---|---|",
        f"| it is | {untranslated['KID']:.4g} | {untranslated['L1']:.1f} | |",
    ]
    for framework, runs in found.items():
        for when in ("before", "after"):
            kids, distances = ([run[when][name] for run in runs] for name in ("KID", "L1"))
            minutes = f"{np.mean([run['seconds'] for run in runs]) / 60:.1f}" if when == "after" else ""
            lines.append(f"| {framework}, {when} training | {_range(kids)} | {_range(distances)} | {minutes} |")
    return lines


def _range(values):
    return f"{np.mean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def picture(out, found, tests, seeds):
    """Write a picture with the inputs, the results of every run and the truth as rows."""
    rows = [np.concatenate([to_pixels(image) for image in tests.source[:SHOWN]], axis=1)]
    rows += [read_image(Path(out, f"{framework}-{seed}.png")) for framework in found for seed in seeds]
    rows.append(np.concatenate(tests.truth[:SHOWN], axis=1))
    write_image(Path(out, "learning.png"), np.concatenate(rows))


def check(arguments):
    """Train, measure, print, judge; returns the exit code."""
    require(arguments, seeds=SEED)
    config = start.configuration(arguments.config, arguments.options)
    features = arguments.features or ("faces" if is_drawn(arguments.data) else "random")
    prepare_folder(arguments.out)
    use_device(arguments)
    tests = Paired(arguments.data, config.img_size, features)
    untranslated = tests.measure([to_pixels(image) for image in tests.source])
    found = results(arguments, tests)
    lines = table(found, untranslated, features)
    print(f"{config.iteration} iterations at {config.img_size} px, seeds {arguments.seeds}")
    print("\n".join(lines))
    picture(arguments.out, found, tests, arguments.seeds)
    print(f"picture: {Path(arguments.out, 'learning.png')} (testA, {', '.join(found)} by seed, truth)")
    faults = verdict(found, untranslated)
    for fault in faults:
        failed("check_learning", fault, 1)
    return 1 if faults else 0


def main(argv=None):
    """Run the command line; returns the exit code."""
    parser = Parser("check_learning.py", __doc__, "exit code: 0 both learn, 1 not, 2 bad usage")
    parser.add_argument("--config", required=True, metavar="FILE", help="options of the training runs")
    parser.add_argument("--data", required=True, metavar="DIR", help="paired data set, as from tools/make_dataset.py")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="seeds to train with (0 1 2)"
    )
    parser.add_argument("--only", nargs=1, choices=FRAMEWORKS, help="train with one framework only")
    parser.add_argument("--features", help="of KID (faces for a data set of tools/make_dataset.py, otherwise random)")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="changes to the options")
    add_device(parser)
    arguments = parser.parse_args(argv)
    return run("check_learning", lambda: check(arguments))
