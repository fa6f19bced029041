"""Harmless differences, at which every check must stay silent: CONTROLS, and `alarms` over seeds.

The same function computed differently (another order of summation, one image at a time, permuted channels), and what
may differ between two runs (seed, batch size, odd sizes, PyTorch's threads, arguments that repeat a default).
"""

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import paddle
import paddle.nn.functional as F

from align.cases import initial as init_cases
from align.checks import data as check_data
from align.checks import metric as check_metric
from align.checks.initial import check_case as check_init
from align.checks.layers import check_case
from align.checks.training import lockstep
from align.compare import data as data_side
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.faults import data as data_faults
from align.faults import training
from align.faults.layers import CASES
from align.planting import local, patched, run
from paddle_ugatit.layers.fast import statistics


def _conv_in_two_sums(_own, layer, x):
    first, second = x.shape[1] // 2, layer.weight[:, x.shape[1] // 2 :]
    return F.conv2d(x[:, first:], second, stride=layer.stride) + F.conv2d(
        x[:, :first], layer.weight[:, :first], stride=layer.stride
    )


def _conv_of_permuted_channels(_own, layer, x):
    order = paddle.arange(x.shape[1] - 1, -1, -1)
    return F.conv2d(paddle.index_select(x, order, 1), paddle.index_select(layer.weight, order, 1), stride=layer.stride)


def _one_image_at_a_time(own, _layer, x):
    return paddle.concat([own(image) for image in x.split(x.shape[0])])


def _nearest_by_paddle(_own, _layer, x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _linear_turned(_own, layer, x):
    return paddle.matmul(layer.weight, x, transpose_x=True, transpose_y=True).transpose([1, 0])


def _pad_turned(own, _layer, x):
    return own(x.transpose([0, 2, 1, 3]).transpose([0, 2, 1, 3]))


def _sum_backwards(x):
    return x.flip([2, 3]).sum([2, 3])


CONTROLS = [
    local(0, "convolution in two sums", "generator-light", "UpBlock1_1.conv1", run(_conv_in_two_sums)),
    local(0, "permuted channels", "generator-light", "UpBlock1_2.conv2", run(_conv_of_permuted_channels)),
    local(0, "Linear transposed twice", "generator-light-odd", "gamma", run(_linear_turned)),
    local(0, "one image at a time", "generator-light-odd", "DownBlock.5", run(_one_image_at_a_time)),
    local(0, "one map at a time", "generator-light-odd", "UpBlock2.8", run(_one_image_at_a_time)),
    local(0, "nearest resize by Paddle", "generator-light", "UpBlock2.0", run(_nearest_by_paddle)),
    local(0, "axes transposed twice", "discriminator-local", "model.3", run(_pad_turned)),
    patched(0, "mean in reverse order", "generator-light", "", "", (statistics, "spatial_sum"), _sum_backwards),
]
SAME_BITS = {
    "Linear transposed twice",
    "nearest resize by Paddle",
    "one image at a time",
    "one map at a time",
    "axes transposed twice",
}
PLAIN = ("adailn-odd", "iln-initial", "discriminator-local", "discriminator-local-odd", "generator-light-odd")


def alarms(seeds, progress=None):
    """Return {"name", "seed", "alarm"} for every control and seed; the alarm is "" if all checks stayed silent."""
    found = []

    def note(name, seed, alarm):
        found.append({"name": name, "seed": seed, "alarm": alarm})
        if progress:
            progress(found[-1])

    for seed in seeds:
        for case in dict.fromkeys([*(control.case for control in CONTROLS), *PLAIN]):
            reference = measure(CASES[case], TorchSide, seed)
            if case in PLAIN:
                note(f"{case}, unchanged", seed, _alarm(case, reference))
            for control in (control for control in CONTROLS if control.case == case):
                with control.planted() as tamper:
                    note(control.name, seed, _alarm(case, reference, tamper))
        for name, check in _OTHERS.items():
            note(name, seed, check(seed))
    return found


def _alarm(case, reference, tamper=None):
    for check in ("forward", "backward"):
        entry = check_case(CASES[case], reference, check, tamper=tamper)
        if entry["verdict"] != "aligned":
            return f"{check}: {entry['blamed']['message'] if entry['blamed'] else entry['note']}"
    return ""


def _threads(seed):
    with patch.dict(os.environ, {"OMP_NUM_THREADS": "2"}):
        reference = measure(CASES[_THREADED], TorchSide, seed)
    return _alarm(_THREADED, reference)


def _training(seed):
    def repeat_defaults(ours):
        for kind in ours.optimizers:
            options = {"weight_decay": 1e-4, "epsilon": 1e-8, "parameters": ours.parameters(kind)}
            ours.optimizers[kind] = paddle.optimizer.Adam(1e-4, 0.5, 0.999, **options)

    *_, last = lockstep(training.TINY, 2, seed, repeat_defaults)
    return last["blamed"]["message"] if last["blamed"] else ""


def _init(seed):
    entry = check_init(init_cases.CASES["discriminator-local"], range(1000 + 6 * seed, 1006 + 6 * seed), 200)
    return entry["blamed"]["message"] if entry["blamed"] else ""


def _data(seed):
    (control,) = data_faults.CONTROLS
    with tempfile.TemporaryDirectory() as folder, control.planted():
        paths = data_side.write_pictures(Path(folder), seed, 1)
        for name, rows, _ in check_data.cases(64, seed, paths, batches=False):
            for row in rows:
                if row.verdict == "fail":
                    return f"{name}: {row.layer} differs"
    return ""


def _metric(seed):
    failed = [one for one in check_metric.statistics(seed, 64) if not one.passed]
    return f"{failed[0].name} differs by {failed[0].error:.1e}" if failed else ""


_THREADED = "iln-big"  # large enough that two threads share a sum
_OTHERS = {
    "PyTorch on two threads": _threads,
    "Adam's default eps given": _training,
    "fresh networks": _init,
    "x/127.5 - 1": _data,
    "KID of other features": _metric,
}
