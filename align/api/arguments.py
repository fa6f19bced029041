"""PyTorch's arguments in Paddle's names, and their defaults side by side: `compared`, `translated`."""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

# PyTorch's name -> Paddle's, one or several of which the function may have.
ALIASES: dict[str, tuple[str, ...]] = {
    "input": ("x", "input", "logits"),
    "self": ("x",),
    "other": ("y",),
    "mat2": ("y", "mat2"),
    "tensor": ("x",),
    "tensors": ("x", "input"),
    "vec2": ("y",),
    "exponent": ("y",),
    "target": ("label", "labels", "y"),
    "dim": ("axis", "dim"),
    "dims": ("axis", "perm", "axes"),
    "dim0": ("axis1",),
    "eps": ("epsilon", "eps"),
    "inplace": (),
    "padding_mode": ("padding_mode", "mode"),
    "in_features": ("in_features",),
    "bias": ("bias", "bias_attr"),
    "affine": ("weight_attr",),
    "elementwise_affine": ("weight_attr",),
    "num_channels": ("num_channels",),
    "device": (),
    "dtype": ("dtype",),
    "out": (),
    "lambd": ("threshold",),
    "min_val": ("min",),
    "max_val": ("max",),
    "lr": ("learning_rate",),
    "params": ("parameters",),
    "optimizer": ("learning_rate",),
    "gamma": ("gamma",),
    "return_indices": ("return_mask",),
    "ceil_mode": ("ceil_mode",),
    "kernel_size": ("kernel_size", "kernel_sizes"),
    "stride": ("stride", "strides"),
    "padding": ("padding", "paddings"),
    "dilation": ("dilation", "dilations"),
    "size": ("size", "shape"),
    "divisor_override": ("divisor_override",),
    "approximate": ("approximate",),
    "min": ("min",),
    "max": ("max",),
    "correction": ("unbiased",),
}
_NONE = inspect.Parameter.empty
_OLD = ("size_average", "reduce", "dtype", "device", "layout", "pin_memory", "requires_grad", "out", "generator")


def signature_of(function: Callable) -> dict[str, Any]:
    """Return the arguments of a function or class and their defaults, inspect.Parameter.empty for none.

    Built-in functions of PyTorch have no signature: it is read from the first line of their description.
    """
    try:
        known = inspect.signature(function).parameters
        if not set(known) <= {"args", "kwargs"}:
            return {name: p.default for name, p in known.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    except (TypeError, ValueError):
        pass
    return _described(function)


def _described(function: Callable) -> dict[str, Any]:
    for line in (inspect.getdoc(function) or "").splitlines()[:4]:
        match = re.match(r"\w[\w.]*\((.*)\)\s*(->.*)?$", line.strip())
        if not match:
            continue
        try:
            tree = ast.parse(f"def f({re.sub('[*], *[*]', '*', match[1])}): pass").body[0]
        except SyntaxError:
            continue
        assert isinstance(tree, ast.FunctionDef)
        arguments = [*tree.args.posonlyargs, *tree.args.args]
        defaults = [_NONE] * (len(arguments) - len(tree.args.defaults)) + list(map(_literal, tree.args.defaults))
        found = {argument.arg: default for argument, default in zip(arguments, defaults, strict=True)}
        more = zip(tree.args.kwonlyargs, tree.args.kw_defaults, strict=True)
        return found | {argument.arg: _NONE if one is None else _literal(one) for argument, one in more}
    return {}


def _literal(node: ast.AST) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def partner(name: str, known: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    """Return what PyTorch's argument is called in Paddle, None if it has no counterpart."""
    if name in names:
        return names[name] or None
    return next((one for one in (name, *ALIASES.get(name, ())) if one in known), None)


def translated(options: Mapping[str, Any], function: Callable, names: Mapping[str, str]) -> tuple[dict, list[str]]:
    """Return PyTorch's arguments under Paddle's names with the same values, and those that Paddle lacks."""
    known, found, lacking = signature_of(function), {}, []
    for name, value in options.items():
        other = partner(name, known, names)
        if other is None:
            lacking.append(name)
        else:
            found[other] = value
    return found, lacking


def compared(theirs: Callable, ours: Callable, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a line for each of PyTorch's arguments, with Paddle's name and both defaults, then Paddle's own."""
    wanted, known = signature_of(theirs), signature_of(ours)
    lines, used = [], set()
    for name, default in wanted.items():
        if name in ("self", *_OLD) and name not in names:
            continue
        other = partner(name, known, names)
        used.add(other)
        if name == "inplace" and other is None:
            continue
        lines.append(_line(name, other, default, known.get(other, _NONE) if other else _NONE))
    lines += [
        _line(None, name, _NONE, default)
        for name, default in known.items()
        if name not in used and name not in ("name", "self", *_OLD)
    ]
    return lines


def _line(theirs: str | None, ours: str | None, default: Any, other: Any) -> dict[str, Any]:
    shown = [None if one is _NONE else _shown(one) for one in (default, other)]
    both = None not in shown and bool(theirs and ours)
    return {
        "torch": theirs,
        "paddle": ours,
        "defaults": shown,
        "differ": both
        and not _equal(default, other)
        and not (str(ours).endswith("_attr") and (default, other) == (True, None)),
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and not value else repr(value)


def _equal(a: Any, b: Any) -> bool:
    """Whether two defaults mean the same, as far as values tell: 1 is 1.0, None is what a framework makes of it."""
    if a == b or repr(a) == repr(b):
        return True
    nothing = (None, False, "none", 0)
    return any(a is one or a == one for one in nothing) and any(b is one or b == one for one in nothing)
