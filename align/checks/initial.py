"""Check that new networks start from PyTorch's initial distributions: every parameter and spectral-norm vector.

    python align/check_init.py [CASE ...] [--seeds N] [--json FILE] [--html FILE]

Each network is built N times on both sides; the values of a parameter over all seeds form two samples. A parameter that
is constant in PyTorch must be the same constant in Paddle. Otherwise the Kolmogorov-Smirnov distance of the samples is
compared with the distance that equal distributions exceed with a probability of 1e-4 over all parameters of all
networks together. A difference is explained if exactly one known initialisation fits Paddle's values. Without CASE, the
defaults of all layers and networks are compared as well. Exit code: 0 aligned, 1 diverged, 2 not comparable or bad
usage.
"""

import itertools
import time
from collections import defaultdict
from dataclasses import asdict

import numpy as np
from scipy import stats

from align.cases import chosen
from align.cases.initial import CASES, fans, known_initialisations
from align.checks import running
from align.checks.defaults import defaults_entry
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide
from align.compare.verdict import UNKNOWN, Row
from align.report.document import cause_line, entry, finish
from paddle_ugatit.cli import command

FALSE_ALARMS = 1e-4  # probability that a run without a fault reports one
SEEDS = 24
_VECTORS = ("weight_u", "weight_v")  # of spectral norms; one with a single element is 1 or -1, which may coincide
_LENGTH = 1e-5  # allowed error of their length, which is 1


def samples(case, seeds, side):
    """Build networks from seeds; returns (name -> values of each seed, layer path -> type)."""
    found, types = defaultdict(list), {}
    for seed in seeds:
        model = side.build(case.build, seed)
        for name, array in side.state(model).items():
            found[name].append(array)
        types = side.layer_types(model)
    return dict(found), types


def limit(n, m, tests):
    """Return the Kolmogorov-Smirnov distance that samples of one distribution exceed in a share FALSE_ALARMS of runs.

    Uses Bonferroni's correction over `tests`, and the two-sample inequality of Dvoretzky, Kiefer and Wolfowitz with the
    constant e, which holds for all sample sizes (Wei and Dudley 2012).
    """
    return float(np.sqrt(np.log(np.e * tests / FALSE_ALARMS) / 2 * (n + m) / (n * m)))


def distance(one, other):
    """Return the largest difference between the distribution functions of two samples."""
    return float(stats.ks_2samp(one, other, method="asymp").statistic)


def compared(name, wanted, found, kind, tests):
    """Compare one parameter; `wanted` and `found` are lists of arrays, one for each seed, or None."""
    layer, _, leaf = name.rpartition(".")
    shape = [] if found is None else list(found[0].shape)
    error, bound, note = None, 0.0, ""
    if wanted is None or found is None:
        note = f"{'PyTorch' if wanted is None else 'Paddle'} has no such key"
    elif wanted[0].shape != found[0].shape:
        note = f"shape {shape}, PyTorch's is {list(wanted[0].shape)}"
    elif not np.isfinite(found).all():
        note = "NaN or infinite"
    elif leaf not in _VECTORS and (_constant(wanted) or _the_same(wanted)):
        error = float(np.abs(np.subtract(found, wanted[0])).max())
        value = f"{wanted[0].flat[0]:.3g} throughout" if _constant(wanted) else "the same for every seed"
        note = "" if error == 0 else f"PyTorch's is {value}, Paddle's {_summary(found)}"
    elif found[0].size > 1 and _the_same(found):
        note = f"the same values for every seed: {_summary(found)}"
    elif leaf in _VECTORS and _length_error(found) > _LENGTH:
        error, bound, note = _length_error(found), _LENGTH, f"not of length 1: {_summary(found)}"
    else:
        one, other = np.ravel(wanted), np.ravel(found)
        error, bound = distance(one, other), limit(one.size, other.size, tests)
        note = f"PyTorch {_summary(wanted)}, Paddle {_summary(found)}"
    verdict = "pass" if error is not None and error <= bound else "fail"
    return Row(layer, kind, 0, "weight", leaf, "state", "float32", shape, error, None, bound, verdict, note)


def _length_error(vectors):
    return float(max(abs(np.linalg.norm(vector) - 1) for vector in vectors))


def _constant(arrays):
    return all((array == arrays[0].flat[0]).all() for array in arrays)


def _the_same(arrays):
    return all(np.array_equal(arrays[0], array) for array in arrays[1:])


def _summary(arrays):
    values = np.ravel(arrays)
    return f"mean {values.mean():.3g}, std {values.std():.3g}, largest {np.abs(values).max():.3g}"


def cause(name, found, shape, kind, tests):
    """Return the only known initialisation that explains the values, or UNKNOWN, and how many were tried."""
    fan_in, fan_out = fans(shape)
    leaf, values, names = name.rpartition(".")[2], np.ravel(found), []
    initialisations = known_initialisations(kind, leaf, fan_in, fan_out)
    for known, draw in initialisations.items():
        drawn = np.ravel(draw(np.random.default_rng(5), max(values.size, 10_000)))
        if (drawn == drawn[0]).all():
            explains = (values == drawn[0]).all()
        else:
            explains = distance(drawn, values) <= limit(drawn.size, values.size, tests)
        names += [known] if explains else []
    return names[0] if len(names) == 1 else UNKNOWN, len(initialisations)


def check_case(case, seeds, tests, ours=None):
    """Compare one network and return its report entry; `ours` replaces PaddleSide in tests."""
    start = time.perf_counter()
    wanted, types = samples(case, seeds, TorchSide("float32"))
    found, _ = samples(case, seeds, ours or PaddleSide("float32"))
    names = [*wanted, *(name for name in found if name not in wanted)]
    kinds = {name: types.get(name.rpartition(".")[0], "") for name in names}
    rows = {name: compared(name, wanted.get(name), found.get(name), kinds[name], tests) for name in names}
    failed = [name for name, row in rows.items() if row.verdict == "fail"]
    blamed = None
    if failed:
        name, row = failed[0], rows[failed[0]]
        reason, tried = cause(name, found[name], row.shape, kinds[name], tests) if found.get(name) else (UNKNOWN, 0)
        amount = "" if row.error is None else f"distance {row.error:.2g}, limit {row.limit:.2g}; "
        message = f"{name} starts differently: {amount}{row.note}"
        evidence = {"name": reason, "before": row.error, "after": None, "tried": tried}
        blamed = {**asdict(row), "message": message, "cause": evidence}
    sources = f"paddle_ugatit/{case.file}", f"torch_ref/{case.file}"
    options = {"seeds": [seeds[0], seeds[-1]], "false_alarms": FALSE_ALARMS}
    seconds = time.perf_counter() - start
    return entry(
        case.name, f"Initial values: {case.name}", case.layer, sources, options, [*rows.values()], blamed, seconds
    )


def count_tests(cases):
    """Return the number of parameters tested in all, for Bonferroni's correction."""
    side = TorchSide("float32")
    return sum(len(side.state(side.build(case.build, 0))) for case in cases)


def parse(argv):
    """Parse the command line."""
    options = running.parser("check_init", __doc__, "discriminator-local --seeds 50")
    options.add_argument("cases", nargs="*", metavar="CASE", help=f"cases to run, of {', '.join(CASES)} (all)")
    options.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"networks built on each side ({SEEDS})")
    options.add_argument("--seed", type=int, default=0, metavar="K", help="first seed (0)")
    running.add_report(options)
    return options.parse_args(argv)


def _run(arguments):
    command.require(arguments, seeds=(2, 10_000), seed=command.SEED)
    command.prepare_outputs(arguments.json, arguments.html)
    running.use_device(arguments)
    cases = chosen(CASES, arguments.cases)
    start, entries, tests = time.perf_counter(), [], count_tests(cases)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    found = itertools.chain(
        () if arguments.cases else [defaults_entry()], (check_case(case, seeds, tests) for case in cases)
    )
    for result in found:
        what = "options" if result["name"] == "defaults" else "parameters"
        line = f"{result['verdict']:<14} {result['name']:<26} {result['counts']['compared']:>4} {what}"
        print(line + _blamed_lines(result["blamed"]), flush=True)
        entries.append(result)
    return finish("init", entries, start, arguments, TorchSide.version)


def _blamed_lines(blamed):
    return f"\n    first: {blamed['message']}{cause_line(blamed['cause'])}" if blamed else ""


def main(argv=None):
    """Run the check; returns the exit code."""
    arguments = parse(argv)
    return running.run("check_init", lambda: _run(arguments), (ValueError,))
