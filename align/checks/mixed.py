"""Check mixed precision as a GPU computes it, imitated on a CPU: every layer of a network, fed the reference's values.

A value in half precision errs by a rounding or two of what it was made from, and float32 by units of float32. What is
in half precision and what is not is stated in align/cases/mixed.py. The truth is PyTorch's in float64.
"""

import re
import time
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from align.cases import CASES
from align.cases.mixed import HALVES, IN_FLOAT32, NETWORKS, PRODUCTS
from align.checks.layers import case_entry
from align.compare.mixed_side import UNITS, HalfArray, MixedPaddleSide
from align.compare.raised import NotComparable, on_side
from align.compare.reference import measure, set_mode
from align.compare.torch_side import TorchSide
from align.compare.verdict import EXTRA, FLOAT32_ULP, Judge, Row, blame, blame_message, in_order
from align.compare.views import Isolated, Key

FORWARD, BACKWARD = 4, 12  # UNITS that a layer may err; measured: 2.2 and 7.4 at most
FLOAT32 = 16 * FLOAT32_ULP  # where everything is in float32; measured: 6.8 of these 16 at most
CANCELLED = 0.25  # of what a gradient was made from, below which its rounding errors are judged against that
# Values of a gradient that may be entirely different: of equal values another one is the maximum once they are rounded.
TIED = 0.03
WHATS = {"forward": ("input", "output", "state"), "backward": ("grad_input", "grad_output", "grad_param")}
_DIRECTIONS = (*(f"forward {half}" for half in HALVES), "backward float16")
RUNS = tuple(f"{network} {direction}" for network in NETWORKS for direction in _DIRECTIONS)


def system_of(name):
    """Return the system that the network of one of RUNS belongs to."""
    return Path(CASES[name.split()[0]].file).stem


def mixed_entry(name):
    """Return the entry of one of RUNS."""
    start, (network, check, half) = time.perf_counter(), name.split()
    case, reference = replace(CASES[network], name=f"{network} {check} in {half}"), _reference(network)
    judge = _Judge(reference, case.layer, check, half)
    note, blamed = "", None
    try:
        with on_side("Paddle"):
            _run(case, reference, judge)
    except NotComparable as error:
        note = str(error)
    rows = in_order(judge.finish(), reference, check)
    blamed = None if note else blame(rows)
    verdict = "not comparable" if note else "diverged" if blamed else "aligned"
    blamed = blamed and {**asdict(blamed), "message": blame_message(blamed, case.layer), "cause": None}
    return case_entry(case, reference.seed, verdict, note, start, blamed, rows)


@lru_cache(maxsize=1)
def _reference(network):
    return measure(CASES[network], TorchSide, float32=False)


def _run(case, reference, judge):
    side = MixedPaddleSide(judge.half)
    model = side.build(case.build, reference.seed)
    side.load(model, reference.weights)
    set_mode(model, case.training)
    Isolated(side, model, judge, reference).run(
        reference.inputs, reference.cotangents if judge.check == "backward" else None
    )
    for name, array in side.buffers(model).items():
        layer, _, leaf = name.rpartition(".")
        judge(Key("state", layer, 0, leaf), array)


def _is_half(array):
    return isinstance(array, HalfArray)


class _Judge(Judge):
    """A sink that compares the tensors of a run in mixed precision with the reference's in float64."""

    def __init__(self, reference, kind, check, half):
        super().__init__(reference, check, "isolated", half, limit=None)
        self.half = half
        self.patterns = dict(zip(("input", "output"), IN_FLOAT32[kind], strict=True))

    def wants(self, key):
        """Return whether this check compares such a tensor."""
        given = key.layer == "" and key.what in ("input", "grad_output")  # equal by construction
        return key.what in WHATS[self.check] and not given

    def _compare(self, key, array):
        truth = self.reference.tensors.get(key)
        if key not in self.reference or truth is None or array is None:
            fits = key in self.reference and truth is None and array is None
            return self._row(key, [], 0.0 if fits else None, "no gradient on either side" if fits else EXTRA)
        shape = list(array.shape)
        if array.shape != truth.shape:
            return self._row(key, shape, None, f"shape {shape}, PyTorch's is {list(truth.shape)}")
        if key.what in self.patterns and isinstance(array, HalfArray) == self._in_float32(key):
            told = (
                f"is in {self.half}, wanted float32" if self._in_float32(key) else f"is in float32, wanted {self.half}"
            )
            return self._row(key, shape, None, told)
        error = self._error(key, truth, np.asarray(array))
        return self._row(key, shape, error if np.isfinite(error) else None, "")

    def _in_float32(self, key):
        place = f"{key.layer} {key.slot}" if key.what == "input" else key.layer
        return re.fullmatch(self.patterns[key.what], place) is not None

    def _error(self, key, truth, array):
        """The largest difference relative to the tensor's size; of gradients all but the few largest."""
        scale = self.reference.scales.of("float32")[key]
        with np.errstate(invalid="ignore"):
            differences = np.sort(np.abs(truth - array), axis=None)
        if key.what not in WHATS["backward"]:
            return float(differences[-1]) / scale
        if not np.isfinite(differences).all():
            return np.inf
        made = CANCELLED * self.reference.scales.made_from(key)
        return float(differences[-1 - int(TIED * differences.size)]) / max(scale, made)

    def _limit(self, key):
        inside = Key("input", key.layer, key.call, "0"), Key("output", key.layer, key.call, "0")
        single = key.layer and self.reference.types.get(key.layer) not in PRODUCTS
        single = single and all(each in self.reference and self._in_float32(each) for each in inside)
        if key.what == "state" or single and key.what in ("output", "grad_input"):
            return FLOAT32
        return (FORWARD if self.check == "forward" else BACKWARD) * UNITS[self.half]

    def _row(self, key, shape, error, note):
        limit = self._limit(key)
        verdict = "pass" if error is not None and error <= limit else "fail"
        kind, view = self.reference.types.get(key.layer, ""), "state" if key.what == "state" else "isolated"
        return Row(
            key.layer, kind, key.call, key.what, key.slot, view, self.half, shape, error, None, limit, verdict, note
        )
