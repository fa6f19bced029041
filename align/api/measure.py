"""Compare the two sides of one line of the table in every use: `measured`."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import paddle
import torch

from align.api import arguments, trained
from align.api.entry import Entry, Sample, looked_up
from align.api.running import NO_PAIR, Models, called, cotangents_of, results, sides_of_function
from align.api.verdict import SMALL
from align.compare import constants
from align.compare.pair_torch import TorchPairSide

KINDS = ("forward", "gradient")
Numbers = dict[str, np.ndarray]


class RefusedError(Exception):
    """A side that raises an exception for a call; the message is its first line."""


def measured(entry: Entry, begun: Callable[[str], bool], seed: int = 0) -> dict[str, Any]:
    """Return the line of the document: arguments, and the errors of every use with every input.

    `begun(name)` is called before each comparison, which is left out if it returns False, since Paddle ends
    the process there.
    """
    theirs, ours = looked_up(torch, entry.torch), looked_up(paddle, entry.paddle)
    if theirs is None:
        raise LookupError(f"PyTorch has no {entry.torch}")
    line: dict[str, Any] = {"torch": entry.torch, "paddle": entry.paddle if ours is not None else "", "uses": []}
    line["limit"] = entry.limit
    line["arguments"] = arguments.compared(theirs, ours, entry.names) if ours is not None else []
    for number, options in enumerate(entry.uses):
        work = _Use(entry, ours, options, zlib.crc32(f"{entry.torch} {number} {seed}".encode()))
        for given in work.givens:
            name = f"{_text(options)} {given.label}".strip()
            if begun(name):
                line["uses"].append(
                    {"use": _text(options), "given": given.label, "edge": given.edge, **work.row(given)}
                )
            else:
                found = {"naive": {"refused": "Paddle ends the process"}}
                line["uses"].append({"use": _text(options), "given": given.label, "edge": given.edge, **found})
    if entry.kind == "layer" and ours is not None:
        line["initial"] = trained.initial(entry, theirs, ours)
    return line


def _text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in options.items())


def _value(value: Any) -> str:
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else repr(value)


class _Use:
    """One use of a line: both sides with PyTorch's options, and Paddle's recipe."""

    def __init__(self, entry: Entry, ours: Callable | None, options: Mapping[str, Any], seed: int) -> None:
        self.entry, self.ours, self.options, self.seed = entry, ours, options, seed
        self.givens = entry.inputs(np.random.default_rng(seed)) if entry.inputs else [Sample("", ())]
        self.models: Models | None = None
        if entry.kind == "layer":
            theirs = looked_up(torch, entry.torch)
            self.models = Models(entry, lambda: theirs(**options), seed)

    def row(self, given: Sample) -> dict[str, Any]:
        """Return the errors of Paddle called as PyTorch, and by the recipe, in both dtypes."""
        found: dict[str, Any] = {}
        truth = self._reference("float64", given, (), None)
        if isinstance(truth, str):
            found["torch"] = truth
            if self.ours is not None:
                self._tried(found, "naive", given, None, None)
            return found
        cotangents = cotangents_of(truth, self.seed)
        both = self._reference("float64", given, (), cotangents)
        if isinstance(both, str):
            cotangents = None  # PyTorch has no gradient of it
        else:
            truth = both
        single = None if given.edge and not given.single else self._reference("float32", given, (), cotangents)
        floor = None if single is None or isinstance(single, str) else errors(truth, single)
        if floor:
            found["floor"] = floor
        for name, way in (("naive", self.ours), ("recipe", self.entry.recipe)):
            if way is not None:
                self._tried(found, name, given, truth, cotangents)
        return found

    def _tried(self, found, name, given, truth, cotangents):
        """Run Paddle in one way; put its errors, or why it refuses, under the name."""
        into = found[name] = {}
        try:
            ours = self._paddle("float64", name, given, cotangents)
        except RefusedError as error:
            into["refused"] = str(error)
            return
        if truth is None:
            return
        into |= errors(truth, ours)
        worst = max(into["forward"], into["gradient"] or 0.0)
        if self.entry.limit < worst < SMALL:
            into["constants"] = self._constants(given, ours, cotangents)
        if "floor" in found:
            try:
                into["float32"] = errors(truth, self._paddle("float32", name, given, cotangents))
            except RefusedError as error:
                into["refused32"] = str(error)

    def _reference(self, dtype, given, arithmetic, cotangents) -> Numbers | str:
        """PyTorch's results, or why it refuses."""
        entry = self.entry
        try:
            if entry.kind in trained.KINDS:
                return trained.torch_results(entry, self.options, dtype)
            if self.models:
                self.models.pair = replace(self.models.pair, arithmetic=arithmetic)
                side, model = self.models.torch(dtype)
                parts, leaves = called(side, entry, model, given, {}, {})
                return results(side, model, parts, leaves, cotangents)
            side = TorchPairSide(replace(NO_PAIR, arithmetic=arithmetic), dtype)

            def function(*tensors, **options):
                return looked_up(torch, entry.torch)(*tensors, **options)  # as it is while the constants are in force

            parts, leaves = called(side, entry, function, given, self.options, {})
            return results(side, None, parts, leaves, cotangents)
        except Exception as error:  # whatever PyTorch raises for unusual input
            return _line(error)

    def _paddle(self, dtype, name, given, cotangents) -> Numbers:
        try:
            return self._paddles(dtype, name, given, cotangents)
        except Exception as error:  # whatever Paddle raises
            raise RefusedError(_line(error)) from error

    def _paddles(self, dtype, name, given, cotangents):
        entry, options, function = self.entry, self.options, self.entry.recipe
        names: dict[str, str] = {}
        if name == "naive":
            function = self.ours
            options, _ = arguments.translated(options, self.ours, entry.names)
            options |= entry.always
            known = arguments.signature_of(self.ours)
            names = {one: arguments.partner(one, known, entry.names) or one for one in given.named}
        if entry.kind in trained.KINDS:
            return trained.paddle_results(entry, function, options, dtype)
        if self.models:
            side, model = self.models.paddle(dtype, lambda: function(**options))
            parts, leaves = called(side, entry, model, given, {}, {})
            return results(side, model, parts, leaves, cotangents)
        _, side = sides_of_function(dtype)
        parts, leaves = called(side, entry, function, given, options, names)
        return results(side, None, parts, leaves, cotangents)

    def _constants(self, given, ours, cotangents) -> list[str]:
        """The constants with which, rounded to float32, PyTorch gives what Paddle gives; [] if none does."""
        if found := self._rounded(given, ours, cotangents):
            return found
        noted: set[str] = set()
        with constants.noted(noted):
            self._reference("float64", given, (), cotangents)
        chosen, least = [], np.inf
        for name in (name for name in constants.WAYS if name in noted):
            found = self._reference("float64", given, (*chosen, name), cotangents)
            if isinstance(found, str):
                continue
            error = max(errors(found, ours)[kind] or 0.0 for kind in KINDS)
            if error < least / 2 or error <= self.entry.limit:
                chosen, least = [*chosen, name], error
            if error <= self.entry.limit:
                return [constants.WAYS[name].text for name in chosen]
        return []

    def _rounded(self, given, ours, cotangents) -> list[str]:
        """The arguments with which, rounded to float32, PyTorch gives what Paddle gives; [] if none does."""
        entry = self.entry
        known = arguments.signature_of(looked_up(torch, entry.torch)) | dict(self.options)
        single = {name: trained.single(value) for name, value in known.items()}
        single = {name: value for name, value in single.items() if value is not None and value != known[name]}
        for names in [[name] for name in single] + [list(single)] * (len(single) > 1):
            options = dict(self.options) | {name: single[name] for name in names}
            if self._equals(entry, options, given, ours, cotangents):
                return [", ".join(names)]
        return []

    def _equals(self, entry, options, given, ours, cotangents) -> bool:
        other = _Use(entry, None, options, self.seed)
        found = other._reference("float64", given, (), cotangents)
        return not isinstance(found, str) and max(errors(found, ours)[k] or 0.0 for k in KINDS) <= entry.limit


def errors(truth: Numbers, ours: Numbers) -> dict[str, Any]:
    """Return the largest errors of outputs and state, and of gradients (None without any), and where each is."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        wanted = {name: array for name, array in truth.items() if name.startswith("gradient") == (kind == "gradient")}
        mine = {name for name in ours if name.startswith("gradient") == (kind == "gradient")}
        least = 1e-3 * max((_size(array) for array in wanted.values()), default=0.0)
        each = {name: _error(array, ours.get(name), least) for name, array in wanted.items()}
        extra = [name for name in sorted(mine - wanted.keys()) if _counts(name, ours[name])]
        each |= dict.fromkeys(extra, (float("inf"), "is in Paddle only"))
        found[kind] = max((error for error, _ in each.values()), default=None if kind == "gradient" else 0.0)
        if found[kind]:
            worst = max(each, key=lambda name: each[name][0])
            found[f"{kind} at"] = f"{worst} {each[worst][1]}".strip()
    kinds = [(truth[name].dtype, ours[name].dtype) for name in truth if name.startswith("output") and name in ours]
    if odd := [f"{b} for {a}" for a, b in kinds if a != b]:
        found["dtype"] = odd[0]
    return found


def _counts(name: str, array: np.ndarray) -> bool:
    """Whether a tensor that only Paddle has is a difference: not zeros for no gradient, nor a state of its own."""
    return not name.startswith("state") and ("of input" not in name or bool(np.any(array)))


def _size(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)]).astype(float)
    return float(finite.max()) if finite.size else 0.0


def _error(truth: np.ndarray, ours: np.ndarray | None, least: float) -> tuple[float, str]:
    """The largest difference relative to the largest value, and what is wrong where it has none.

    NaN and infinity agree with themselves; a gradient that is not there is one of zeros.
    """
    if ours is None and not np.any(truth):
        return 0.0, ""
    if ours is None or truth.shape != ours.shape:
        return float("inf"), "is missing" if ours is None else f"has the shape {_shape(ours)}, not {_shape(truth)}"
    truth, ours = (np.asarray(array, complex if array.dtype.kind == "c" else float) for array in (truth, ours))
    strange = ~np.isfinite(truth) | ~np.isfinite(ours)
    if not np.array_equal(truth[strange], ours[strange], equal_nan=True):
        return float("inf"), "has NaN or infinity elsewhere"
    if not ours.any() and truth.any():
        return 1.0, "is zero"
    difference = np.abs(truth[~strange] - ours[~strange])
    if not difference.size or not difference.max():
        return 0.0, ""
    return float(difference.max() / (max(_size(truth), least) or 1.0)), ""


def _shape(array: np.ndarray) -> str:
    return f"({','.join(map(str, array.shape))})"


def _line(error: BaseException) -> str:
    """The line of an exception that says most: Paddle puts it behind "Error:" or a hint, after its call stack."""
    lines: Iterable[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if "Error:" in line or line.startswith("(")] or list(lines)
    text = said[0] if said else ""
    return f"{type(error).__name__}: {text.partition('[Hint')[0].strip()}"[:160]
