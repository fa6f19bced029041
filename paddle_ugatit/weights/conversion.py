"""Whole checkpoints between PyTorch and Paddle: what each network in a file is, and its arrays by the rules.

SYSTEMS are the modules that know one system's checkpoints each; what such a module has is said in ugatit.py. Two
functions more, where a system's public files do not hold plain networks under names:
    unpacked(checkpoint, path, notes)   such a PyTorch file as named networks; None where it is another system's
    packed(checkpoint)                  the way back, before a PyTorch file is written
"""

import functools
import warnings

import paddle

from paddle_ugatit import formats
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.formats.checkpoint import is_text
from paddle_ugatit.formats.torch_upgrade import modernised
from paddle_ugatit.layers.norm import require_revision
from paddle_ugatit.weights import adain, inception, sagan, stylegan2, ugatit
from paddle_ugatit.weights.rules import FLOATS, Rule, WeightError, layout, listed, to_paddle, to_torch

SYSTEMS = (ugatit, inception, adain, sagan, stylegan2)
MODELS = {name: revision for system in SYSTEMS for name, revision in system.MODELS.items()}


def infer_options(state, framework, where="") -> dict:
    """What a network was built with, from its keys and the shapes of its arrays in the layout of `framework`.

    {"kind": ..., and what its system's `infer_options` adds}. WeightError for a network of no system.
    """
    prefix = f"{where}: " if where else ""
    for system in SYSTEMS:
        if (options := system.infer_options(state, framework, prefix)) is not None:
            return options
    raise WeightError(f"{prefix}is no network that this knows: its keys are {listed(list(state))}")


def _system_of(options):
    return next(system for system in SYSTEMS if options["kind"] in system.KINDS)


def build(options, revision="current"):
    """A network from `infer_options`' result, with fresh weights."""
    return _system_of(options).build(options, revision)


def layout_of(options) -> dict[str, Rule]:
    """The layout of the network that `options` describe, without a generator's gigabyte of weights."""
    return _cached_layout(tuple(sorted(options.items())))


@functools.lru_cache(maxsize=16)
def _cached_layout(options):
    return layout(_blank(dict(options)))


def _blank(options, revision="current"):
    """`build`, but weights are not allocated before they are set, where that can be."""
    if options["kind"] in _system_of(options).EAGER:
        return build(options, revision)
    with paddle.LazyGuard():
        return build(options, revision)


def convert(checkpoint, framework, path, model=None, packed=True):
    """A checkpoint in the layout of `framework`, "torch" or "paddle", and notes for the user.

    Every network is checked against the network its shapes describe, also where nothing is to be transposed. `model`,
    a key of MODELS, is by default what the file's metadata say, or else what its keys do. The result's metadata name
    model, revision, dtype and each network's options. For PyTorch it is what the system's public files are, or, if not
    `packed`, the networks by name. Raises WeightError, whose message begins with `path`.
    """
    model = _model(checkpoint.metadata, path, model)
    networks, options, notes = {}, {}, []
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
    metadata = {"model": model, "revision": MODELS[model], "dtype": dtype, "networks": options}
    if texts:
        metadata["texts"] = texts
        notes.append(f"kept beside the networks: {', '.join(f'{name} {text!r}' for name, text in texts.items())}")
    converted = formats.Checkpoint(networks, framework, metadata, texts if framework == "torch" else {})
    return _packed(converted) if packed else converted, notes


def _unpacked(checkpoint, path, notes):
    for system in SYSTEMS if checkpoint.framework == "torch" else ():
        if hasattr(system, "unpacked") and (found := system.unpacked(checkpoint, path, notes)) is not None:
            return found
    return checkpoint


def _texts(checkpoint, path):
    """The texts beside the networks that a public file has, or had where its metadata tell."""
    texts = checkpoint.texts or checkpoint.metadata.get("texts", {})
    if not isinstance(texts, dict) or not all(is_text(text) for pair in texts.items() for text in pair):
        raise WeightError(f"{path}: its metadata name texts that are none")
    return texts


def _packed(checkpoint):
    system = next(system for system in SYSTEMS if checkpoint.metadata["model"] in system.MODELS)
    return system.packed(checkpoint) if checkpoint.framework == "torch" and hasattr(system, "packed") else checkpoint


def _model(metadata, path, model):
    noted = metadata.get("model")
    if noted is not None and (not isinstance(noted, str) or noted not in MODELS):
        raise WeightError(f"{path}: is of the model {noted!r:.40}; this converts {' and '.join(MODELS)}")
    if model and noted and model != noted:
        raise WeightError(f"{path}: is of the model {noted} by its metadata, not {model}")
    return model or noted


def _require_one_system(options, model, path):
    """The model that all the networks are of, their names required to be its; by default their system's first."""
    system = _system_of(next(iter(options.values())))
    model = model or next(iter(system.MODELS))
    if model not in system.MODELS or any(_system_of(chosen) is not system for chosen in options.values()):
        raise WeightError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, not {model}")
    system.require_names(options, path)
    return model


def load_networks(path, dtype=None, revision=None, only=None) -> dict:
    """Paddle networks with the weights of a file of either framework: name -> layer, "" for a bare state dict.

    `dtype` ("float32", "float64", "float16", "bfloat16") is by default the file's; `revision` what its metadata say, or
    else "current"; `only` names those to build, where not all in the file are needed. Raises CheckpointError and
    WeightError in one line, ValueError for a revision or dtype unknown.
    """
    if revision is not None:
        require_revision(revision)
    if dtype not in (None, *FLOATS):
        raise ValueError(f"dtype must be one of {', '.join(FLOATS)}, got {dtype!r}")
    model = next((name for name, value in MODELS.items() if value == revision), None)
    checkpoint, notes = convert(formats.read(path), "paddle", path, model)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    options, revision = checkpoint.metadata["networks"], checkpoint.metadata["revision"]
    wanted = {name: state for name, state in checkpoint.networks.items() if only is None or name in only}
    return {name: _filled(options[name], revision, state, dtype) for name, state in wanted.items()}


def _filled(options, revision, state, dtype):
    dtype = dtype or formats.dtype_name(next(iter(state.values())))
    held = "float64" if dtype == "float64" else "float32"  # Paddle initialises no narrower network on a CPU
    with default_dtype(held):
        network = _blank(options, revision)
    own = network.state_dict()
    for key, array in state.items():
        counts = formats.dtype_name(array) not in FLOATS
        own[key].set_value(array if counts else formats.cast(formats.cast(array, dtype), held))
    if dtype != held:
        _narrow(network, dtype)
    return network


def _narrow(network, dtype):
    """Exact: the values were rounded before, since Paddle 2.6 truncates to bfloat16. Counts stay whole numbers."""
    layers = network.sublayers(include_self=True)
    buffers = [(layer, leaf, buffer) for layer in layers for leaf, buffer in layer._buffers.items()]
    counts = [(layer, leaf, buffer.clone()) for layer, leaf, buffer in buffers if buffer.dtype == paddle.int64]
    network.to(dtype=dtype)
    for layer, leaf, count in counts:
        setattr(layer, leaf, count)
