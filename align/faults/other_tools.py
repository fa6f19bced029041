"""How other tools fare on the same faults: plain allclose on the outputs, reprod_log and PaDiff.

All are optional; a tool that is not installed is reported as such. Each compares what its own guide tells users to
compare, in float32 on the case's inputs: the outputs, for reprod_log also the parameter gradients, for PaDiff the two
models. None of them covers training steps, pictures, metrics or initial values, so they are not asked about such
faults, nor about cases where they fire without a fault.
"""

import io
import sys
import tempfile
from contextlib import ExitStack, redirect_stdout
from functools import cache
from unittest.mock import patch

import numpy as np
import paddle
import torch

from align.cases import randomise
from align.compare.paddle_side import PaddleSide
from align.compare.reference import outputs_of, set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.torch_side import TorchSide
from align.faults.catalogue import CASES, MODEL_FAULTS
from align.faults.controls import CONTROLS
from align.faults.small_layer import rules

NOT_ASKED, FIRES_ANYWAY = "–", "fires without a fault"
CANNOT = "cannot run this case"


def tools():
    """Return tool -> function (case, twin, model) that tells whether they differ, or why the tool cannot run."""
    return {"allclose": _allclose, "reprod_log": _reprod_log(), "PaDiff": _padiff()}


def _allclose(case, twin, model):
    theirs, ours = _tensors(case, twin, model)
    pairs = [(theirs[key], ours[key]) for key in theirs if key.startswith("output")]
    return not all(one.shape == other.shape and np.allclose(one, other, 1e-5, 1e-5) for one, other in pairs)


def _reprod_log():
    try:
        from reprod_log.compare import check_data, compute_diff
        from reprod_log.utils import check_print_diff
    except ImportError as error:
        return f"not installed ({error})"

    def differs(case, twin, model):
        theirs, ours = _tensors(case, twin, model)
        try:
            check_data(theirs, ours)
            diff = compute_diff(theirs, ours)
        except (AssertionError, ValueError):
            return True  # it raises, which a user notices
        return not check_print_diff(diff, "mean", 1e-6, lambda line: None)

    return differs


def _padiff():
    try:
        from padiff import auto_diff, utils
    except Exception as error:  # a foreign package may fail in any way
        return f"not installed, or does not import: {type(error).__name__} {error}"

    def differs(case, twin, model):
        """Run its default mode on the first call's inputs; its logs go beside the first folder of sys.path."""
        theirs, ours = torch_side_of(case)("float32"), paddle_side_of(case)("float32")
        inputs = dict(zip("xyz", case.inputs(0)[0], strict=False))
        given = [{name: side.tensor(array) for name, array in inputs.items()} for side in (ours, theirs)]
        options = {"atol": 1e-5, "rtol": 1e-5}  # its defaults fail at any rounding error
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(patch.object(sys, "path", [folder, *sys.path]))
            stack.enter_context(patch.object(utils, "diff_log_path", f"{folder}/diff_log"))
            return not auto_diff(
                _PaddleNamed(model), _TorchNamed(twin), tuple(given), auto_weights=False, options=options
            )

    return differs


class _PaddleNamed(paddle.nn.Layer):
    """Takes arguments by name, as PaDiff passes them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, y=None, z=None):
        return self.model(*(argument for argument in (x, y, z) if argument is not None))


class _TorchNamed(torch.nn.Module):
    """Takes arguments by name, as PaDiff passes them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, y=None, z=None):
        return self.model(*(argument for argument in (x, y, z) if argument is not None))


def shown(outcome, chosen):
    """Return tool -> "caught", "passed" or why it was not asked."""
    fault = next((f for f in MODEL_FAULTS if (f.number, f.name) == (outcome.number, outcome.name)), None)
    if fault is None or outcome.impossible:
        return dict.fromkeys(chosen, NOT_ASKED)
    found = {}
    for name, tool in chosen.items():
        if isinstance(tool, str):
            found[name] = NOT_ASKED
        elif (before := _without_fault(tool, fault.case)) != "passed":
            found[name] = FIRES_ANYWAY if before == "caught" else CANNOT
        else:
            with rules(), fault.planted() as tamper:
                # A tool that raises is noticed by its user, whatever the reason.
                found[name] = "passed" if _answer(tool, CASES[fault.case], tamper) == "passed" else "caught"
    return found


@cache
def _without_fault(tool, case):
    with rules():
        return _answer(tool, CASES[case], None)


def alarms_of(tool):
    """Return at how many of CONTROLS a tool fires, and at how many it can be asked."""
    asked = [control for control in CONTROLS if _without_fault(tool, control.case) == "passed"]
    alarms = 0
    for control in asked:
        with control.planted() as tamper:
            alarms += _answer(tool, CASES[control.case], tamper) == "caught"
    return alarms, len(asked)


def told(tool, case, twin, model):
    """Return whether a tool says that two models differ: "caught" or "passed", or that it stopped."""
    try:
        return "caught" if tool(case, twin, model) else "passed"
    except Exception as error:  # foreign code may raise anything
        return f"stopped: {type(error).__name__}"


def _answer(tool, case, tamper):
    theirs, ours = TorchSide("float32"), PaddleSide("float32")
    twin, model = theirs.build(case.build, 0), ours.build(case.build, 0)
    state = randomise(theirs.state(twin), 0)
    theirs.load(twin, state)
    try:
        ours.load(model, state)
        if tamper:
            tamper(model)
        set_mode(twin, case.training)
        set_mode(model, case.training)
    except Exception as error:  # as told() does
        return f"stopped: {type(error).__name__}"
    return told(tool, case, twin, model)


def _tensors(case, twin, model, seed=0):
    """Outputs and parameter gradients of both sides, by name."""
    found = []
    for side, net in ((torch_side_of(case)("float32"), twin), (paddle_side_of(case)("float32"), model)):
        buffers = side.buffers(net)
        outputs = outputs_of(side, net, case.inputs(seed))
        side.set_buffers(net, buffers)
        tensors = {f"output {call}.{i}": a for call, made in enumerate(outputs) for i, a in made.items()}
        found.append(tensors | _gradients(side, net, case, seed))
        side.set_buffers(net, buffers)
    return found


def _gradients(side, net, case, seed):
    for arrays in case.inputs(seed):
        outputs = net(*[side.tensor(array, grad=True) for array in arrays])
        outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
        side.backward(outputs, [side.array(output) / side.array(output).size for output in outputs])
    gradients = {f"gradient {name}": array for name, array in side.parameter_gradients(net).items()}
    side.clear_gradients(net)
    return {name: array for name, array in gradients.items() if array is not None}


def rates(found, chosen):
    """Return tool -> {"text", "caught", "asked"}; a tool that cannot run has only a text."""
    table = {}
    for name, tool in chosen.items():
        answers = [outcome.others[name] for outcome in found]
        caught, passed, anyway, cannot = map(answers.count, ("caught", "passed", FIRES_ANYWAY, CANNOT))
        if isinstance(tool, str):
            table[name] = {"text": tool, "caught": None, "asked": 0}
            continue
        alarms, controls = alarms_of(tool)
        text = f"{caught} of {caught + passed} caught ({caught / max(caught + passed, 1):.0%})"
        text += f"; fires without a fault in the cases of {anyway} more, cannot run those of {cannot}"
        text += f"; {answers.count(NOT_ASKED)} beyond its scope"
        text += f"; alarms at {alarms} of {controls} controls"
        table[name] = {"text": text, "caught": caught, "asked": caught + passed}
    return table
