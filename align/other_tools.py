"""The same faults shown to other ways of comparing: plain allclose on the outputs, reprod_log and PaDiff.

Optional: what is not installed is said to be so. Every tool gets what its own guide has a user compare, in float32, on
the case's own inputs: the models' outputs, and reprod_log the gradients of the parameters too. None of them looks at
training steps, pictures, metrics or initial values; such faults are not counted for it.
"""

import numpy as np

from align.catalogue import CASES, MODEL_FAULTS
from align.paddle_side import PaddleSide
from align.reference import outputs_of, set_mode
from align.small_layer import rules
from align.torch_side import TorchSide
from paddle_ugatit.formats import CheckpointError

NOT_ASKED = "–"


def tools():
    """Tool -> function of (torch's tensors, Paddle's tensors), or the reason why it cannot run."""
    return {"allclose": _allclose, "reprod_log": _reprod_log(), "PaDiff": _padiff()}


def _allclose(theirs, ours):
    pairs = [(theirs[key], ours[key]) for key in theirs if key.startswith("output")]
    return not all(one.shape == other.shape and np.allclose(one, other, 1e-5, 1e-5) for one, other in pairs)


def _reprod_log():
    try:
        from reprod_log.compare import check_data, compute_diff
        from reprod_log.utils import check_print_diff
    except ImportError as error:
        return f"not installed ({error})"

    def differs(theirs, ours):
        try:
            check_data(theirs, ours)
            diff = compute_diff(theirs, ours)
        except (AssertionError, ValueError):
            return True  # it stops, which a user sees
        return not check_print_diff(diff, "mean", 1e-6, lambda line: None)

    return differs


def _padiff():
    try:
        from padiff import auto_diff  # noqa: F401
    except Exception as error:  # noqa: BLE001 (whatever ails another's package, it cannot run)
        return f"not installed, or does not import: {type(error).__name__} {error}"
    return "imported, not driven here"


def shown(outcome, chosen):
    """Tool -> "caught", "passed", or why it was not asked."""
    fault = next((f for f in MODEL_FAULTS if (f.number, f.name) == (outcome.number, outcome.name)), None)
    if not chosen:
        return {}
    if fault is None or outcome.impossible:
        return dict.fromkeys(chosen, NOT_ASKED)
    with rules(), fault.planted() as tamper:
        try:
            theirs, ours = _tensors(CASES[fault.case], tamper)
        except (CheckpointError, ValueError, AssertionError) as error:
            return dict.fromkeys(chosen, f"stopped: {error}")
    found = {}
    for name, tool in chosen.items():
        found[name] = NOT_ASKED if isinstance(tool, str) else "caught" if tool(theirs, ours) else "passed"
    return found


def _tensors(case, tamper, seed=0):
    """Outputs and parameter gradients of both sides in float32, by name."""
    theirs, ours = TorchSide("float32"), PaddleSide("float32")
    twin, model = theirs.build(case.build, seed), ours.build(case.build, seed)
    ours.load(model, theirs.state(twin))
    if tamper:
        tamper(model)
    found = []
    for side, net in ((theirs, twin), (ours, model)):
        set_mode(net, case.training)
        buffers = side.buffers(net)
        outputs = outputs_of(side, net, case.inputs(seed))
        side.set_buffers(net, buffers)
        tensors = {f"output {call}.{i}": a for call, made in enumerate(outputs) for i, a in enumerate(made)}
        found.append(tensors | _gradients(side, net, case, seed))
    return found


def _gradients(side, net, case, seed):
    for arrays in case.inputs(seed):
        outputs = net(*[side.tensor(array, grad=True) for array in arrays])
        outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
        side.backward(outputs, [2 * side.array(output) for output in outputs])  # of the sum of squares
    gradients = {f"gradient {name}": array for name, array in side.parameter_gradients(net).items()}
    side.clear_gradients(net)
    return {name: array for name, array in gradients.items() if array is not None}


def rates(found, chosen):
    """Tool -> {"text", "caught", "asked"}; a tool that cannot run has a text alone."""
    table = {}
    for name, tool in chosen.items():
        answers = [outcome.others[name] for outcome in found]
        asked = [answer for answer in answers if answer != NOT_ASKED]
        caught = sum(answer != "passed" for answer in asked)
        share = (
            f"{caught} of {len(asked)} caught ({caught / max(len(asked), 1):.0%}); {len(found) - len(asked)} not asked"
        )
        table[name] = {"text": tool if isinstance(tool, str) else share, "caught": caught, "asked": len(asked)}
    return table
