"""The networks of the public TensorFlow code of U-GAT-IT, from its checkpoints (revision "tensorflow").

Every variable is found by its name. Convolutions are (k,k,in,out) there and (out,in,k,k) here; the weights of a Linear
are (in,out) in both, and everything else keeps its values too: rho is not smoothed. Files from before 2019-08-20 have
two CAM heads in a generator: CAM_logit/dense is that of the logits, CAM_logit that of the image.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np

from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.formats.tensorflow_bundle import Bundle
from paddle_ugatit.weights.rules import State, WeightError, listed
from paddle_ugatit.weights.shapes import count

SCOPES = {  # our name -> its scope there; generator_B makes images of domain B
    "genA2B": "generator_B",
    "genB2A": "generator_A",
    "disGA": "discriminator_A/global",
    "disGB": "discriminator_B/global",
    "disLA": "discriminator_A/local",
    "disLB": "discriminator_B/local",
}
_MOMENT = re.compile(r".+/Adam(_1)?|(.*/)?beta[12]_power(_\d+)?")
_OLDER = "CAM_logit/dense/kernel"
_Layout = Callable[[np.ndarray], np.ndarray]
_Table = dict[str, tuple[str, _Layout]]  # our key -> the variable's name in its scope, and how its array is laid out


def _keep(array: np.ndarray) -> np.ndarray:
    return array


def _convolution(array: np.ndarray) -> np.ndarray:
    return array.transpose(3, 2, 0, 1)


def _channels(array: np.ndarray) -> np.ndarray:
    return array[None, :, None, None]


def _vector(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1)


@dataclass(frozen=True)
class _Scope:
    """The variables of one network, by their names without its scope."""

    name: str
    where: str
    state: State

    def converted(self, table: _Table) -> State:
        """Return the arrays under our keys. Raises WeightError if a variable is missing or malformed."""
        missing = [f"{self.name}/{theirs}" for theirs, _ in table.values() if theirs not in self.state]
        if missing:
            raise WeightError(f"{self.where}: lacks {listed(missing)}")
        return {key: self._laid_out(theirs, layout) for key, (theirs, layout) in table.items()}

    def _laid_out(self, theirs: str, layout: _Layout) -> np.ndarray:
        array = self.state[theirs]
        if layout is _convolution and array.ndim != 4:
            raise WeightError(f"{self.where}: '{self.name}/{theirs}' has the shape {array.shape}, not 4 axes")
        return layout(array)


def translated(bundle: Bundle, path: FilePath, only: Collection[str] | None = None) -> Checkpoint:
    """Return the networks of a TensorFlow checkpoint in Paddle's layout, as views of the file.

    With `only`, the others of its networks are not read, if it has one of those. Every array that is used is verified
    by its checksum. Raises WeightError if no network is there, or if one is incomplete, and CheckpointError if a
    variable is damaged.
    """
    variables, account = bundle.networks[""], bundle.account
    found = {name: _scope(variables, scope, f"{path}: {name}") for name, scope in SCOPES.items()}
    found = {name: scope for name, scope in found.items() if scope.state}
    if not found:
        raise WeightError(f"{path}: is not a TensorFlow checkpoint of U-GAT-IT: its variables are {_some(variables)}")
    older = any(_OLDER in scope.state for scope in found.values())
    wanted = [name for name in found if only is None or name in only] or list(found)
    networks: dict[str, State] = {}
    used: set[str] = set()
    for name in wanted:
        scope = found[name]
        if name.startswith("dis") and not any(key.endswith("/u") for key in scope.state):
            account.dropped[scope.name] = "a discriminator without spectral normalisation, which is not supported"
            continue
        table = generator_table(scope.state) if name.startswith("gen") else discriminator_table(scope.state, older)
        networks[name] = scope.converted(table)
        if name.startswith("dis"):
            networks[name] |= _right_vectors(networks[name], scope, table)
        used |= {f"{scope.name}/{theirs}" for theirs, _ in table.values()}
    if not networks:
        raise WeightError(f"{path}: has only discriminators without spectral normalisation, which are not supported")
    _leave_aside(bundle, used, set(found) - set(wanted))
    with Progress("verifying", sum(variables[each].nbytes for each in used), "B") as progress:
        bundle.require_intact(sorted(used), progress)
    account.notes += _notes(networks, older, path)
    return Checkpoint(networks, "paddle", bundle.metadata, account=account)


def _scope(variables: State, scope: str, where: str) -> _Scope:
    start = f"{scope}/"
    names = (name for name in variables if name.startswith(start) and not _MOMENT.fullmatch(name))
    return _Scope(scope, where, {name.removeprefix(start): variables[name] for name in names})


def _some(names: Iterable[str]) -> str:
    return listed([name[:80] for name in names])


def _leave_aside(bundle: Bundle, used: set[str], unread: set[str]) -> None:
    """Enter every variable that is not used in the account."""
    starts = tuple(f"{SCOPES[name]}/" for name in unread)
    for name in bundle.networks[""]:
        if name in used:
            continue
        if _MOMENT.fullmatch(name):
            why = "the state of the optimiser Adam"
        else:
            why = "of a network that is not asked for" if name.startswith(starts) else "not needed by the networks"
        bundle.account.dropped[name] = why


def _notes(networks: dict[str, State], older: bool, path: FilePath) -> list[str]:
    """Return lines on what was found, and on what is assumed since no variable shows it."""
    sources = ", ".join(f"{name} from {SCOPES[name]}" for name in networks)
    notes = [f"{path}: is of the public TensorFlow code{', before 2019-08-20' if older else ''}: {sources}"]
    folders = [os.path.basename(each) for each in (os.path.abspath(path), os.path.dirname(os.path.abspath(path)))]
    named = next((name for name in folders if re.match(r"UGATIT.*_sn(_|$)", name)), "")
    if named and not named.endswith("_smoothing"):
        notes.append(
            f"{path}: the folder's name {named!r} says that it was trained without smoothing of rho; it is used with"
        )
    return notes


def generator_table(state: Collection[str]) -> _Table:
    """Return where the arrays of a generator are, whose variables have the names in `state`."""
    table: _Table = {}

    def weights(ours: str, theirs: str, layout: _Layout) -> None:
        table[f"{ours}.weight"] = (f"{theirs}/kernel", layout)
        table[f"{ours}.bias"] = (f"{theirs}/bias", _keep)

    def norm(ours: str, theirs: str) -> None:
        table[f"{ours}.weight"], table[f"{ours}.bias"] = (f"{theirs}/gamma", _keep), (f"{theirs}/beta", _keep)

    for place, suffix in ((1, ""), (5, "_0"), (9, "_1")):
        weights(f"DownBlock.{place}", f"conv{suffix}/conv2d", _convolution)
        norm(f"DownBlock.{place + 1}", f"ins_norm{suffix}")
    blocks = count(state, r"resblock_(\d{1,6})/", 0)
    for block in range(blocks):
        for half, place in ((1, 1), (2, 5)):
            ours, theirs = f"DownBlock.{12 + block}.conv_block", f"resblock_{block}/res{half}"
            weights(f"{ours}.{place}", f"{theirs}/conv_0/conv2d", _convolution)
            norm(f"{ours}.{place + 1}", f"{theirs}/instance_norm")
    weights("cam_fc", "CAM_logit", _keep)
    if _OLDER in state:
        weights("logit_fc", "CAM_logit/dense", _keep)
    weights("conv1x1", "conv_1x1/conv2d", _convolution)
    for ours, theirs in (("FC.0", "linear_0"), ("FC.2", "linear_1"), ("gamma", "gamma"), ("beta", "beta")):
        weights(ours, f"MLP/{theirs}/dense", _keep)
    for block in range(max(blocks, count(state, r"adaptive_resblock(\d{1,6})/", 0))):
        for half in (1, 2):
            ours, theirs = f"UpBlock1_{block + 1}", f"adaptive_resblock{block}/res{half}"
            weights(f"{ours}.conv{half}", f"{theirs}/conv_0/conv2d", _convolution)
            table[f"{ours}.norm{half}.rho"] = (f"{theirs}/instance_layer_norm/rho", _channels)
    for i, place in enumerate((2, 7)):
        weights(f"UpBlock2.{place}", f"up_conv_{i}/conv2d", _convolution)
        for leaf in ("rho", "gamma", "beta"):
            table[f"UpBlock2.{place + 1}.{leaf}"] = (f"layer_ins_norm_{i}/{leaf}", _channels)
    weights("UpBlock2.11", "G_logit/conv2d", _convolution)
    return table


def discriminator_table(state: Collection[str], older: bool) -> _Table:
    """Return where the arrays of a discriminator are, whose variables have the names in `state`."""
    table: _Table = {}
    layers = [f"conv_{i}" for i in range(count(state, r"conv_(\d{1,6})/kernel$", 0))] + ["conv_last"]
    named = {f"model.{1 + 3 * i}": layer for i, layer in enumerate(layers)}
    named |= {"raw_cam_fc" if older else "cam_fc": "CAM_logit", "conv": "D_logit"}
    for ours, theirs in named.items():
        table[f"{ours}.weight_orig"] = (f"{theirs}/kernel", _keep if theirs == "CAM_logit" else _convolution)
        table[f"{ours}.bias"] = (f"{theirs}/bias", _keep)
        table[f"{ours}.weight_u"] = (f"{theirs}/u", _vector)
    table["conv1x1.weight"] = ("conv_1x1/conv2d/kernel", _convolution)
    table["conv1x1.bias"] = ("conv_1x1/conv2d/bias", _keep)
    return table


def _right_vectors(state: State, scope: _Scope, table: _Table) -> State:
    """Return every `weight_v`, which the files lack: W^T u divided by its length, as every forward computes it anew.

    Raises WeightError if u does not fit its kernel.
    """
    found: State = {}
    for key in [key for key in table if key.endswith(".weight_u")]:
        layer, u = key.removesuffix(".weight_u"), state[key]
        kernel = scope.state[table[f"{layer}.weight_orig"][0]]
        if kernel.ndim not in (2, 4) or kernel.shape[-1:] != u.shape or 0 in kernel.shape:
            raise WeightError(f"{scope.where}: '{scope.name}/{table[key][0]}' does not fit its kernel {kernel.shape}")
        v = np.moveaxis(np.tensordot(kernel, u, 1), -1, 0).ravel()
        found[f"{layer}.weight_v"] = (v / max(float(np.linalg.norm(v)), 1e-6)).astype(u.dtype)
    return found
