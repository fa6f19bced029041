"""Whole checkpoints between PyTorch and Paddle: finds out what each network in a file is and applies the rules.

What is particular to a system stands in the module of its name here; paddle_ugatit/systems.py says what such a module
has.
"""

import functools
import warnings
from collections.abc import Collection
from typing import Any

import paddle
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.formats.checkpoint import held_dtype, is_text
from paddle_ugatit.formats.torch_upgrade import modernised
from paddle_ugatit.layers.norm import require_revision
from paddle_ugatit.systems import SYSTEMS, CheckpointRules, System
from paddle_ugatit.weights.rules import FLOATS, Options, Rule, State, WeightError, layout, listed, to_paddle, to_torch


def models() -> dict[str, str]:
    """Return the revision of every model by its name."""
    return {name: revision for system in SYSTEMS for name, revision in system.checkpoints.MODELS.items()}


def infer_options(state: State, framework: str, where: str = "") -> Options:
    """Infer what a network was built with from its keys and the shapes of its arrays in the layout of `framework`.

    Returns {"kind": ...} and what its system's `infer_options` adds. Raises WeightError, whose message begins with
    `where`, if no system has such a network.
    """
    prefix = f"{where}: " if where else ""
    for system in SYSTEMS:
        if (options := system.checkpoints.infer_options(state, framework, prefix)) is not None:
            return options
    raise WeightError(f"{prefix}is not a known network: its keys are {listed(list(state))}")


def system_of(kind: str) -> System:
    """Return the system that has networks of this kind."""
    return next(system for system in SYSTEMS if kind in system.checkpoints.KINDS)


def _checkpoints_of(options: Options) -> CheckpointRules:
    return system_of(options["kind"]).checkpoints


def build(options: Options, revision: str = "current") -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    return _checkpoints_of(options).build(options, revision)


def layout_of(options: Options) -> dict[str, Rule]:
    """Return the layout of the network that `options` describe, without allocating a generator's weights."""
    return _cached_layout(tuple(sorted(options.items())))


@functools.lru_cache(maxsize=16)
def _cached_layout(options: tuple[tuple[str, Any], ...]) -> dict[str, Rule]:
    return layout(_blank(dict(options)))


def _blank(options: Options, revision: str = "current") -> nn.Layer:
    """Build a network; where possible, its weights are not allocated before they are set."""
    if options["kind"] in _checkpoints_of(options).EAGER:
        return build(options, revision)
    with paddle.LazyGuard():
        return build(options, revision)


def convert(
    checkpoint: Checkpoint, framework: str, path: FilePath, model: str | None = None, packed: bool = True
) -> tuple[Checkpoint, list[str]]:
    """Convert a checkpoint to the layout of `framework`, "torch" or "paddle"; return it and notes for the user.

    Every network is checked against the network that its shapes describe, even if nothing needs to be transposed.
    `model`, a key of `models()`, is by default taken from the file's metadata, or else from its keys. The result's
    metadata hold model, revision, dtype and each network's options. For PyTorch the result has the form of the system's
    public files or, if not `packed`, named networks. Raises WeightError, whose message begins with `path`, if a network
    is unknown or incomplete.
    """
    model = _model(checkpoint.metadata, path, model)
    networks: dict[str, State] = {}
    options: dict[str, Options] = {}
    notes: list[str] = []
    checkpoint = _unpacked(checkpoint, path, notes)
    texts = _texts(checkpoint, path)
    for name, state in checkpoint.networks.items():
        where = f"{path}: {name}" if name else f"{path}"
        if checkpoint.framework == "torch":
            state = modernised(state, where, notes)
        options[name] = infer_options(state, checkpoint.framework, where)
        try:
            rules = layout_of(options[name])
        except ValueError as error:
            raise WeightError(f"{where}: {error}") from error
        state = {key: array for key, array in state.items() if key in rules or not key.endswith(".num_batches_tracked")}
        state = (to_paddle if checkpoint.framework == "torch" else to_torch)(state, rules, where)
        if framework == checkpoint.framework:
            state = (to_torch if framework == "torch" else to_paddle)(state, rules, where)
        networks[name] = state
    model = _require_one_system(options, model, path)
    dtypes = {formats.dtype_name(next(iter(state.values()))) for state in networks.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else "mixed"
    metadata: dict[str, Any] = {"model": model, "revision": models()[model], "dtype": dtype, "networks": options}
    if texts:
        metadata["texts"] = texts
        notes.append(f"kept beside the networks: {', '.join(f'{name} {text!r}' for name, text in texts.items())}")
    converted = Checkpoint(networks, framework, metadata, texts if framework == "torch" else {})
    return _packed(converted) if packed else converted, notes


def _unpacked(checkpoint: Checkpoint, path: FilePath, notes: list[str]) -> Checkpoint:
    for system in SYSTEMS if checkpoint.framework == "torch" else ():
        if (found := system.checkpoints.unpacked(checkpoint, path, notes)) is not None:
            return found
    return checkpoint


def _texts(checkpoint: Checkpoint, path: FilePath) -> dict[str, str]:
    """Return the texts beside the networks of a public file, or of the one that a file's metadata tell it came from."""
    texts = checkpoint.texts or checkpoint.metadata.get("texts", {})
    if not isinstance(texts, dict) or not all(is_text(text) for pair in texts.items() for text in pair):
        raise WeightError(f"{path}: the texts in its metadata are malformed")
    return texts


def _packed(checkpoint: Checkpoint) -> Checkpoint:
    checkpoints = [system.checkpoints for system in SYSTEMS]
    own = next(each for each in checkpoints if checkpoint.metadata["model"] in each.MODELS)
    return own.packed(checkpoint) if checkpoint.framework == "torch" else checkpoint


def _model(metadata: dict[str, Any], path: FilePath, model: str | None) -> str | None:
    noted = metadata.get("model")
    if noted is not None and (not isinstance(noted, str) or noted not in models()):
        raise WeightError(f"{path}: is of the model {noted!r:.40}; known are {', '.join(models())}")
    if model and noted and model != noted:
        raise WeightError(f"{path}: is of the model {noted} by its metadata, not {model}")
    return model or noted


def _require_one_system(options: dict[str, Options], model: str | None, path: FilePath) -> str:
    """Return the model of all networks, by default their system's first one, after checking their names."""
    own = _checkpoints_of(next(iter(options.values())))
    model = model or next(iter(own.MODELS))
    if model not in own.MODELS or any(_checkpoints_of(chosen) is not own for chosen in options.values()):
        raise WeightError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, not {model}")
    own.require_names(options, path)
    return model


def load_networks(
    path: FilePath, dtype: str | None = None, revision: str | None = None, only: Collection[str] | None = None
) -> dict[str, nn.Layer]:
    """Load the networks in a file of either framework: name -> layer; a bare state dict has the name "".

    `dtype` ("float32", "float64", "float16", "bfloat16") is by default that of the file, `revision` the one in its
    metadata, or else "current". `only` names the networks to build, if not all are needed. Raises CheckpointError or
    WeightError, whose message is one line, if the file cannot be used, and ValueError if `revision` or `dtype` is
    unknown.
    """
    if revision is not None:
        require_revision(revision)
    if dtype not in (None, *FLOATS):
        raise ValueError(f"dtype must be one of {', '.join(FLOATS)}, got {dtype!r}")
    model = next((name for name, value in models().items() if value == revision), None)
    checkpoint, notes = convert(formats.read(path), "paddle", path, model)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    options, found = checkpoint.metadata["networks"], checkpoint.metadata["revision"]
    wanted = {name: state for name, state in checkpoint.networks.items() if only is None or name in only}
    return {name: _filled(options[name], found, state, dtype) for name, state in wanted.items()}


def _filled(options: Options, revision: str, state: State, dtype: str | None) -> nn.Layer:
    dtype = dtype or held_dtype(next(iter(state.values())))
    held = "float64" if dtype == "float64" else "float32"  # Paddle cannot initialise a narrower network on a CPU
    with default_dtype(held):
        network = _blank(options, revision)
    own = network.state_dict()
    for key, array in state.items():
        counts = formats.dtype_name(array) not in FLOATS
        own[key].set_value(array if counts else formats.cast(formats.cast(array, dtype), held))
    if dtype != held:
        _narrow(network, dtype)
    return network


def _narrow(network: nn.Layer, dtype: str) -> None:
    """Cast a network, exactly: its values are rounded already, since Paddle 2.6 truncates to bfloat16.

    Counters stay integers.
    """
    layers = network.sublayers(include_self=True)
    buffers = [(layer, leaf, buffer) for layer in layers for leaf, buffer in layer._buffers.items()]
    counts = [(layer, leaf, buffer.clone()) for layer, leaf, buffer in buffers if buffer.dtype == paddle.int64]
    network.to(dtype=dtype)
    for layer, leaf, count in counts:
        setattr(layer, leaf, count)
