"""Whole checkpoints between PyTorch and Paddle: finds out what each network in a file is and applies the rules.

What is particular to a system stands in the module of its name here; paddle_ugatit/systems.py says what such a module
has.
"""

import copy
import math
import warnings
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import paddle
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.backend.errors import Note
from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.formats.checkpoint import held_dtype, is_text
from paddle_ugatit.formats.tensorflow_bundle import Bundle
from paddle_ugatit.formats.torch_upgrade import modernised
from paddle_ugatit.layers.norm import require_revision
from paddle_ugatit.systems import SYSTEMS
from paddle_ugatit.weights import foreign, paddlegan, ugatit_tensorflow
from paddle_ugatit.weights.identify import blank, checkpoints_of, infer_options, layout_of, models
from paddle_ugatit.weights.rules import FLOATS, Options, State, WeightError, to_paddle, to_torch
from paddle_ugatit.weights.values import not_finite, of_one_dtype

_SHOWN = {"tensorflow"}  # revisions that keys show


def convert(
    checkpoint: Checkpoint,
    framework: str,
    path: FilePath,
    model: str | None = None,
    packed: bool = True,
    given: Options | None = None,
    averaged: bool = False,
    only: Collection[str] | None = None,
) -> tuple[Checkpoint, list[str]]:
    """Convert a checkpoint to the layout of `framework`, "torch" or "paddle"; return it and notes for the user.

    Every network is checked against the network that its shapes describe, even if nothing needs to be transposed.
    `model`, a key of `models()`, is by default taken from the file's metadata, or else from its keys. `given` are
    options that neither keys nor shapes show, which are otherwise taken from the metadata. With `averaged`, running
    means of networks are taken instead of the networks. Of a TensorFlow checkpoint, whose files are large, only the
    networks named in `only` are read, if it has one of them. The result's metadata hold model, revision, dtype and each
    network's options; its account, of which the notes are the lines, says what became of all that the file holds. For
    PyTorch the result has the form of the system's public files or, if not `packed`, named networks. Raises
    WeightError, whose message begins with `path`, if a network is unknown or incomplete.
    """
    model = _model(checkpoint.metadata, path, model)
    checkpoint = replace(checkpoint, account=copy.deepcopy(checkpoint.account))
    notes = checkpoint.account.notes
    partly = isinstance(checkpoint, Bundle) and only is not None
    if isinstance(checkpoint, Bundle):
        checkpoint = ugatit_tensorflow.translated(checkpoint, path, only)
    checkpoint = _unpacked(foreign.cleaned(checkpoint, path), path, notes)
    checkpoint = _unpacked(foreign.named(checkpoint, path, averaged), path, notes)
    checkpoint = paddlegan.without_frozen(checkpoint, path)
    texts = _texts(checkpoint, path)
    networks: dict[str, State] = {}
    options: dict[str, Options] = {}
    for name, state in checkpoint.networks.items():
        where = f"{path}: {name}" if name else f"{path}"
        if checkpoint.framework == "torch":
            state = modernised(state, where, notes)
        state = of_one_dtype(state, where, notes)
        options[name] = infer_options(state, checkpoint.framework, where)
        options[name] |= _hidden(options[name]["kind"], name, checkpoint.metadata, given or {}, path)
        networks[name] = _checked(state, options[name], checkpoint.framework, framework, where)
    model = _require_one_system(options, model, path)
    if not partly:
        _note_absent(options, path, notes)
    _require_taken(given or {}, options, path)
    dtypes = {formats.dtype_name(next(iter(state.values()))) for state in networks.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else "mixed"
    metadata: dict[str, Any] = {"model": model, "revision": models()[model], "dtype": dtype, "networks": options}
    if texts:
        metadata["texts"] = texts
        notes.append(f"kept beside the networks: {', '.join(f'{name} {text!r}' for name, text in texts.items())}")
    texts = texts if framework == "torch" else {}
    converted = Checkpoint(networks, framework, metadata, texts, checkpoint.account)
    return _packed(converted) if packed else converted, checkpoint.account.lines(path)


def _checked(state: State, options: Options, source: str, framework: str, where: str) -> State:
    """Return a state dict in the layout of `framework`, with every key and shape checked."""
    try:
        rules = layout_of(options)
    except ValueError as error:
        raise WeightError(f"{where}: {error}") from error
    state = {key: array for key, array in state.items() if key in rules or not key.endswith(".num_batches_tracked")}
    state = (to_paddle if source == "torch" else to_torch)(state, rules, where)
    if framework == source:
        state = (to_torch if framework == "torch" else to_paddle)(state, rules, where)
    return state


def _hidden(kind: str, name: str, metadata: dict[str, Any], given: Options, path: FilePath) -> Options:
    """Return the options of a network that neither keys nor shapes show, as far as they are not the usual ones."""
    noted = metadata.get("networks")
    noted = noted.get(name) if isinstance(noted, dict) else None
    noted = noted if isinstance(noted, dict) else {}
    found: Options = {}
    for option, usual in checkpoints_of({"kind": kind}).HIDDEN.get(kind, {}).items():
        value = given.get(option, noted.get(option, usual))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise WeightError(f"{path}: {option} must be a number above 0, got {value!r:.40}")
        if value != usual:
            found[option] = float(value)
    return found


def _require_taken(given: Options, options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError if an option was given that no network of the file has."""
    for option in given:
        if not any(option in checkpoints_of(each).HIDDEN.get(each["kind"], {}) for each in options.values()):
            raise WeightError(f"{path}: holds no network that has {option}")


def _note_absent(options: dict[str, Options], path: FilePath, notes: list[str]) -> None:
    """Note which networks are missing of a kind of which the file has some."""
    names = checkpoints_of(next(iter(options.values()))).NAMES
    kinds = {chosen["kind"] for name, chosen in options.items() if name}
    if absent := [name for name, kind in names.items() if kind in kinds and name not in options]:
        notes.append(f"{path}: has no {', '.join(absent)}")


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


def _usual_model(options: dict[str, Options]) -> str:
    """Return the model of the revision that the networks' options name, or else their system's first one."""
    first = next(iter(options.values()))
    named = checkpoints_of(first).MODELS
    return next((model for model, revision in named.items() if revision == first.get("revision")), next(iter(named)))


def _require_shown_revision(options: dict[str, Options], model: str, path: FilePath) -> None:
    """Raise WeightError if the keys of a network show that it is of another revision than the model."""
    for name, chosen in options.items():
        shown = chosen.get("revision")
        if models()[model] != shown and (shown or models()[model] in _SHOWN):
            other = _usual_model({name: chosen})
            raise WeightError(f"{path}: {name or 'the network'} is of the model {other} by its keys, not {model}")


def _require_one_system(options: dict[str, Options], model: str | None, path: FilePath) -> str:
    """Return the model of all networks, by default their system's first one, after checking their names."""
    own = checkpoints_of(next(iter(options.values())))
    model = model or _usual_model(options)
    if model not in own.MODELS or any(checkpoints_of(chosen) is not own for chosen in options.values()):
        raise WeightError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, not {model}")
    _require_shown_revision(options, model, path)
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
    checkpoint, notes = convert(formats.read(path), "paddle", path, model, only=only)
    options, found = checkpoint.metadata["networks"], checkpoint.metadata["revision"]
    if not model and found != models()[_usual_model(options)]:
        notes.append(f"{path}: its metadata say that it is of the model {checkpoint.metadata['model']}")
    wanted = {name: state for name, state in checkpoint.networks.items() if only is None or name in only}
    for note in notes + not_finite(wanted, path):
        warnings.warn(note, Note, stacklevel=2)
    return {name: _filled(options[name], found, state, dtype) for name, state in wanted.items()}


def _filled(options: Options, revision: str, state: State, dtype: str | None) -> nn.Layer:
    dtype = dtype or held_dtype(next(iter(state.values())))
    held = "float64" if dtype == "float64" else "float32"  # Paddle cannot initialise a narrower network on a CPU
    with default_dtype(held):
        network = blank(options, revision)
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
