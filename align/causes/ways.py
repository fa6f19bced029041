"""Which faster way of a layer is at fault: the one without which Paddle agrees with PyTorch."""

from unittest.mock import patch

from align.compare.reference import measure, outputs_of, set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.verdict import Judge
from align.compare.views import Key as _Key
from align.compare.views import Whole
from paddle_ugatit.layers import sequential
from paddle_ugatit.layers.fast import dispatch, winograd

# In this order, since the fused way computes by tiles, and the folded norms by their statistics.
ORDER = ("fused", "folded", *(way for way in dispatch.WAYS if way not in ("fused", "folded")))
SHOWN = 3  # fused groups that are named


def find_way(case, reference, check, tamper=None):
    """Return the cause, as find_cause does, if a faster way is at fault; None otherwise.

    It is if Paddle differs with it and agrees without it, on this case and with other weights and inputs.
    """
    runs = [_Run(case, reference, check, tamper)]
    before = runs[0].worst()
    if before is None or before <= case.limit:
        return None
    for tried, way in enumerate(ORDER, 1):
        with dispatch.plain(way):
            after = runs[0].worst()
        if after is None or after > case.limit:
            continue
        second = measure(case, torch_side_of(case), reference.seed + 1, None, None, check == "backward", False)
        again = _Run(case, second, check, tamper)
        if (again.worst() or 0.0) <= case.limit:
            return None
        with dispatch.plain(way):
            if (again.worst() or 0.0) > case.limit:
                return None
        groups = runs[0].groups() if way == "fused" else []
        where = f" at {'; '.join(groups)}" if groups else ""
        return {"name": f"the faster way {way!r}{where}", "before": _number(before), "after": after, "tried": tried}
    return None


class _Run:
    """Paddle's model, run as a whole and compared with the reference."""

    def __init__(self, case, reference, check, tamper):
        self.case, self.reference, self.check = case, reference, check
        self.side = paddle_side_of(case)("float64")
        self.model = self.side.build(case.build, reference.seed)
        self.side.load(self.model, reference.weights)
        if tamper:
            tamper(self.model)
        set_mode(self.model, case.training)

    def worst(self):
        """Return the largest error of outputs or gradients, infinite if one is no number; None without any."""
        judge = Judge(self.reference, self.check, "whole", "float64", self.case.limit)
        buffers = self.side.buffers(self.model)
        if self.check == "backward":
            Whole(self.side, self.model, judge).run(self.reference.inputs, self.reference.cotangents)
        else:
            for call, arrays in enumerate(self.reference.inputs):
                for slot, array in outputs_of(self.side, self.model, [arrays])[0].items():
                    judge(_Key("output", "", call, slot), array)
        self.side.set_buffers(self.model, buffers)
        errors = [float("inf") if row.error is None else row.error for row in judge.rows.values()]
        return max(errors, default=None)

    def groups(self):
        """Return the fused groups at fault, each as its convolution, its map and its number of tiles."""
        names = {id(parameter): name.rpartition(".")[0] for name, parameter in self.model.named_parameters()}
        own, conv, places = dispatch.fused, sequential.bordered_conv, []

        def noted(x, weight, twice=False):
            places.append((id(weight), x.shape[2:], twice))
            return conv(x, weight, twice)

        with patch.object(sequential, "bordered_conv", noted):
            self.worst()
        found = []
        for weight, size, twice in dict.fromkeys((weight, tuple(size), twice) for weight, size, twice in places):
            name = names.get(weight, "?")
            with patch.object(dispatch, "fused", _only(own, weight, twice)):
                if (self.worst() or 0.0) > self.case.limit:
                    tiles = " by ".join(str(n // winograd.step(3)) for n in size)
                    kind = "upsampling, border and convolution" if twice else "border and convolution"
                    found.append(f"{name} ({kind}, {size[0]}x{size[1]}, tiles {tiles})")
        more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
        return found[:SHOWN] + more


def _only(own, wanted, doubled):
    """dispatch.fused that is true for the group of this weight alone, with an upsampling or without one."""
    return lambda x, weight, twice=False: (id(weight), twice) == (wanted, doubled) and own(x, weight, twice)


def _number(value):
    return None if value == float("inf") else float(value)
