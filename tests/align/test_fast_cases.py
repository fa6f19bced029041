"""The default cases reach what they must: both sides of every limit, activations beyond 6, modes, depths, views."""

import ast
import inspect
import sys
from collections import defaultdict
from unittest.mock import patch

import paddle
import pytest

from align.cases import CASES, LOCKSTEPS, PLAIN, TRAINING, fast
from align.checks.layers import check_case
from align.checks.training import lockstep
from align.compare.paddle_side import PaddleSide
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.compare.views import Propagated, as_list
from align.planting import run
from paddle_ugatit.layers import norm, reflection_pad, spectral_norm
from paddle_ugatit.layers.fast import dispatch, gathered, reflection, winograd

# Conditions that no case on a CPU can make otherwise: the device, the dtype, graphs that need no gradient, and the
# switches and names of ways, which tests/layers/test_fast.py tries.
ELSEWHERE = (
    "place",
    "on_cpu",
    "autocasting",
    "dtype",
    "in_dynamic_mode",
    "want_",
    "stop_gradient",
    "is_grad_enabled",
    "learns",
    "unknown",
    "_switched_off",
    "taken(",
    "WAYS",
    "ways",
)


class Noted(ast.NodeTransformer):
    """Notes the value of every condition: comparisons, and what if, and, or and not are asked of."""

    def __init__(self, module):
        self.module, self.conditions = module, {}

    def _noted(self, node):
        text = f"{self.module}: {ast.unparse(node)}"
        if any(word in text for word in ELSEWHERE) or isinstance(node, ast.BoolOp | ast.UnaryOp):
            return node
        self.conditions[text] = node.lineno
        return ast.Call(ast.Name("_note", ast.Load()), [ast.Constant(text), node], [])

    def visit_Compare(self, node):
        return self._noted(node)

    def visit_BoolOp(self, node):
        node.values = [
            self.visit(value) if isinstance(value, ast.Compare | ast.BoolOp) else self._noted(value)
            for value in node.values
        ]
        return node

    def visit_If(self, node):
        self.generic_visit(node)
        if isinstance(node.test, ast.Name | ast.Attribute | ast.Call) and "_note(" not in ast.unparse(node.test):
            node.test = self._noted(node.test)
        return node

    visit_IfExp = visit_If


@pytest.fixture
def noted(monkeypatch):
    """Condition -> the values seen of it, while dispatch.py and the ways with limits of their own run noted."""
    seen, conditions = defaultdict(set), set()

    def note(text, value):
        seen[text].add(bool(value))
        return value

    for module in (dispatch, winograd, reflection, gathered):
        before, tree = dict(vars(module)), ast.parse(inspect.getsource(module))
        noting = Noted(module.__name__.rpartition(".")[2])
        code = compile(ast.fix_missing_locations(noting.visit(tree)), module.__file__, "exec")
        namespace = dict(before, _note=note)
        exec(code, namespace)
        conditions |= noting.conditions.keys()
        for name, value in namespace.items():
            old = before.get(name)
            if callable(value) and old is not value and getattr(value, "__module__", "") == module.__name__:
                for other in [m for key, m in sys.modules.items() if key.startswith("paddle_ugatit.")]:
                    if vars(other).get(name) is old:
                        monkeypatch.setattr(other, name, value)
    return seen, conditions


def test_every_limit_of_the_faster_ways_has_a_case_on_either_side(noted):
    seen, conditions = noted
    for name in [*(case.name for case in fast.CASES), "conv-padded"]:
        case, side = CASES[name], PaddleSide("float64")
        model = side.build(case.build, 0)
        outputs = as_list(model(*[side.tensor(array, grad=True) for array in case.inputs(0)[0]]))
        sum(output.sum() for output in outputs).backward()
    one_sided = {text: seen[text] for text in conditions if seen[text] != {True, False}}
    assert len(conditions) > 20 and not one_sided


def test_every_relu_of_the_large_case_sees_values_beyond_6():
    case, side, largest = CASES["generator-light-large"], PaddleSide("float64"), {}
    reference = measure(case, TorchSide, backward=False, float32=False)
    model = side.build(case.build, 0)
    side.load(model, reference.weights)

    def sink(key, array):
        if key.what == "input" and reference.types[key.layer] == "ReLU":
            largest[key.layer] = array.max()

    Propagated(side, model, sink, inputs_too=True).run(reference.inputs)
    assert largest.keys() == {layer for layer, kind in reference.types.items() if kind == "ReLU"}
    assert all(value > 6 for value in largest.values()), largest


def test_a_gradient_with_strides_reaches_the_backward_pass_of_a_border():
    case = CASES["fast-border-turned"]
    with patch.object(reflection, "contiguous", lambda x: x):  # as if none had strides
        entry = check_case(case, measure(case, TorchSide, 0, float32=False), "backward", ("float64",))
    assert entry["verdict"] != "aligned"  # an exception, or with Paddle 2.6 other values


def _clipped(own, layer, x):
    return own(x).clip(max=6.0)


def _relu6(model):
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.ReLU):
            run(_clipped)(layer)


def _only_in_evaluation(own, layer, x):
    return own(x) if layer.training else own(x) * 1.001


def _first_of_the_batch(own, layer, x):
    return own(x[:1].expand_as(x))


def _above_200(own, layer, x):
    return own(x.flip(2)) if max(x.shape) > 200 else own(x)


def _at(kind, path):
    return lambda model: run(kind)(dict(model.named_sublayers(include_self=True))[path])


@pytest.mark.parametrize(
    ("case", "tamper", "layer"),
    [
        pytest.param("generator-light-large", _relu6, "DownBlock.3", id="ReLU6"),
        pytest.param("generator-light-eval", _at(_only_in_evaluation, "UpBlock2.7"), "UpBlock2.7", id="evaluation"),
        pytest.param("generator-full-eval", _at(_only_in_evaluation, "FC.0"), "FC.0", id="evaluation, full"),
        pytest.param("discriminator-global-eval", _at(_only_in_evaluation, "conv"), "conv", id="evaluation, global"),
        pytest.param("discriminator-local-two", _at(_first_of_the_batch, "gap_fc"), "gap_fc", id="batch"),
        pytest.param("generator-light-4-blocks", _at(_clipped, "UpBlock1_4.conv2"), "UpBlock1_4.conv2", id="4th block"),
        pytest.param("fast-border-very-large", _at(_above_200, ""), "", id="size"),
    ],
)
def test_a_fault_that_only_this_case_reaches_is_found(case, tamper, layer):
    if "4-blocks" in case:
        tamper = _at(lambda own, layer, x: own(x) * 1.001, layer)
    entry = check_case(CASES[case], measure(CASES[case], TorchSide, float32=False), "forward", ("float64",), tamper)
    assert (entry["verdict"], entry["blamed"] and entry["blamed"]["layer"]) == ("diverged", layer)


def test_depths_modes_and_batches_of_the_default_cases():
    networks = [case.network[1] for case in CASES.values() if case.network]
    generators = [options for options in networks if "n_blocks" in options]
    assert {4, 6} <= {options["n_blocks"] for options in generators}
    for kind, options in (("light", [o for o in generators if o.get("light")]), ("full", generators)):
        assert {True, False} == {o.get("training", True) for o in options}, kind
        assert {1, 2, 3} <= {o["shape"][0] for o in options}, kind
    for layers in (5, 7):
        options = [o for o in networks if o.get("n_layers") == layers]
        assert {True, False} == {o["training"] for o in options}
    assert {1, 2, 3} <= {o["shape"][0] for o in networks if o.get("n_layers") == 5}


def test_a_fault_of_the_plain_formula_is_found_where_no_gpu_is():
    right, verdicts = reflection_pad.F.pad, {}
    with patch.object(reflection_pad.F, "pad", lambda x, sides, mode="", **more: right(x, sides, "replicate", **more)):
        for case in fast.CASES:
            if case.name in ("plain-border", "fast-border-small"):
                verdicts[case.name] = check_case(case, measure(case, TorchSide, 0), "forward")["verdict"]
    assert verdicts == {"plain-border": "diverged", "fast-border-small": "aligned"}


def test_every_system_is_trained_by_plain_formulas():
    assert {name for name in LOCKSTEPS if name.endswith(PLAIN)} == {f"{system} {PLAIN}" for system in TRAINING}


@pytest.mark.parametrize(
    ("system", "module", "function", "wrong"),
    [
        ("ugatit", norm, "_normalised", lambda right: lambda x, *more: right(x * x, *more)),
        ("sagan", spectral_norm, "replace_buffer", lambda right: lambda layer, name, x: right(layer, name, 2 * x)),
    ],
)
def test_a_fault_of_a_plain_formula_is_found_in_training(system, module, function, wrong, monkeypatch):
    monkeypatch.setattr(module, function, wrong(getattr(module, function)))
    small, names = TRAINING[system].small, (system, f"{system} {PLAIN}")
    verdicts = [list(lockstep(small, 2, system=system, name=name))[-1]["verdict"] for name in names]
    assert verdicts == ["aligned", "diverged"]
