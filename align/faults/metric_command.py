"""Check that KID, FID and Inception features are right, and that mistakes planted in them are caught.

    python align/check_metric.py [--quick] [--weights FILE] [--seed K] [--json FILE]
    python align/check_metric.py --coverage        how often the interval contains the truth, and how noisy others are

Compares every number of paddle_ugatit/metrics with a float64 statement of its formula, the features with the PyTorch
twin, and both with torch-fidelity and clean-fid where these are installed. Then plants known mistakes, each of which
must be caught. Exit code: 0 aligned and every mistake caught, 1 not, 2 not comparable or bad usage.
"""

import json
import tempfile
from dataclasses import asdict

import torch

from align.checks import coverage, running
from align.checks.metric import NARROW, PARTS, all_comparisons, others
from align.compare import metric_others
from align.faults import metric as metric_faults
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics import inception_weights


def main(argv=None):
    """Run the check; returns the exit code."""
    options = running.parser(
        "check_metric",
        __doc__,
        "--json work/outputs/metric.json",
        "0 aligned and every mistake caught, 1 not, 2 not comparable or bad usage",
    )
    options.add_argument("--weights", metavar="FILE", help="Inception weights at full width (default: random weights)")
    options.add_argument("--seed", type=int, default=0, metavar="K", help="seed of features and images (%(default)s)")
    options.add_argument("--json", metavar="FILE", help="write all comparisons as JSON")
    options.add_argument("--coverage", action="store_true", help="simulate repeated draws of both sets instead")
    quick = "leave out the planted mistakes and other packages, and do not judge the check itself"
    options.add_argument("--quick", action="store_true", help=quick)
    running.add_device(options)
    arguments = options.parse_args(argv)
    return running.run("check_metric", lambda: _run(arguments))


def _run(arguments):
    command.require(arguments, seed=command.SEED)
    command.prepare_outputs(arguments.json)
    if arguments.weights:
        inception_weights.load(arguments.weights)  # a file that cannot be used is told before the work
    running.use_device(arguments)
    torch.manual_seed(arguments.seed)
    if arguments.coverage:
        coverage.table(arguments.seed)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.weights or f"{folder}/inception.pth"
        full = arguments.weights
        if not arguments.weights:
            inception_weights.write_random(path, NARROW, arguments.seed)
            if not arguments.quick and metric_others.installed("torch_fidelity"):
                full = f"{folder}/full.pth"
                inception_weights.write_random(full, 1, arguments.seed)
        found = all_comparisons(path, arguments.seed)
        found += [] if arguments.quick else others(full, arguments.seed)
        for comparison in found:
            _print(comparison)
        for name in ("torch_fidelity", "cleanfid"):
            if not arguments.quick and not metric_others.installed(name):
                print(f"left out: {name} is not installed")
        missed = [] if arguments.quick else missed_faults(path, arguments.seed)
    failed = [comparison for comparison in found if not comparison.passed]
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump({"comparisons": [asdict(comparison) for comparison in found], "missed_faults": missed}, file)
    verdict = "DIVERGED" if failed or missed else "ALIGNED"
    faults = "no faults planted" if arguments.quick else f"{len(missed)} planted faults missed"
    print(f"{verdict}: {len(found)} comparisons, {len(failed)} beyond their limit; {faults}")
    return 1 if failed or missed else 0


def _print(comparison):
    mark = "aligned " if comparison.passed else "DIVERGED"
    told = f"{comparison.error:.1e}, limit {comparison.limit:.0e}"
    if not comparison.passed and comparison.file:
        told += f" (paddle_ugatit/{comparison.file})"
    print(f"{mark} {comparison.group:16} {comparison.name:40} {told}")


def missed_faults(path: str, seed: int) -> list[str]:
    """Plant each fault and return the names of those that no comparison of the right kind caught."""
    missed = []
    for fault in metric_faults.FAULTS:
        with fault.planted():
            comparisons, _ = PARTS[fault.check]
            caught = next((c for c in comparisons(path, seed) if not c.passed), None)
        where = f"{caught.group}, {caught.name}, {caught.error:.1e}" if caught else "MISSED"
        print(f"fault {fault.number:2} {fault.name}: {where}")
        if not caught:
            missed.append(fault.name)
    return missed
