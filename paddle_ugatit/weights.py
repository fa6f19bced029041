"""Conversion of weights between PyTorch and Paddle: the rules, and whole checkpoints by them.

Keys are the same in both. A rule goes by the type of the layer that owns an array and the array's name in it: PyTorch
keeps a Linear's weight as (out, in), Paddle as (in, out); everything else is the same. Keys, shapes and owners come
from the Paddle network itself. Nothing is guessed and nothing dropped in silence: a key too few or too many, a wrong
shape or dtype is a WeightError.
"""

import functools
import math
import re
import warnings
from dataclasses import dataclass

import paddle
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.formats.torch_upgrade import modernised
from paddle_ugatit.layers.batch_norm import FrozenBatchNorm2D
from paddle_ugatit.layers.norm import ILN, AdaILN, require_revision
from paddle_ugatit.models.inception import InceptionV3
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator

# Name -> revision; shapes do not tell U-GAT-IT's two apart.
MODELS = {"ugatit": "current", "ugatit-initial": "initial", "inception": "2015-12-05"}
KINDS = {
    "genA2B": "generator",
    "genB2A": "generator",
    "disGA": "discriminator",
    "disGB": "discriminator",
    "disLA": "discriminator",
    "disLB": "discriminator",
}
_INCEPTION_KEY = "Conv2d_1a_3x3.conv.weight"
_FLOATS = ("float32", "float64", "float16", "bfloat16")

_KEEP, _TRANSPOSE = False, True
_SPECTRAL = {"weight_u": _KEEP, "weight_v": _KEEP}
_RULES = {  # owner type -> leaf name -> rule
    nn.Linear: {"weight": _TRANSPOSE, "weight_orig": _TRANSPOSE, "bias": _KEEP, **_SPECTRAL},
    nn.Conv2D: {"weight": _KEEP, "weight_orig": _KEEP, "bias": _KEEP, **_SPECTRAL},
    AdaILN: {"rho": _KEEP},
    ILN: {"rho": _KEEP, "gamma": _KEEP, "beta": _KEEP},
    FrozenBatchNorm2D: {"weight": _KEEP, "bias": _KEEP, "running_mean": _KEEP, "running_var": _KEEP},
}


class WeightError(formats.CheckpointError):
    """Weights that do not belong to the network they are meant for; one line naming file, network, key and shapes."""


@dataclass(frozen=True)
class Rule:
    """One array of a network: its shape on either side, and whether the two are each other's transpose."""

    shape_torch: tuple
    shape_paddle: tuple
    transpose: bool


def layout(layer) -> dict[str, Rule]:
    """Key -> Rule for every entry of a Paddle layer's state dict, in its order. WeightError where a rule is missing."""
    rules = rules_of(layer)
    if missing := [key for key, rule in rules.items() if rule is None]:
        raise WeightError(f"no conversion rule for {_listed(missing)} of {type(layer).__name__}")
    return rules


def rules_of(layer) -> dict:
    """`layout`, with None where there is no rule."""
    rules = {}
    for path, owner in layer.named_sublayers(include_self=True):
        parameters, buffers = owner.named_parameters("", False), owner.named_buffers("", False)
        for leaf, tensor in [*parameters, *buffers]:
            rules[f"{path}.{leaf}" if path else leaf] = _rule(owner, leaf, tuple(tensor.shape))
    return {key: rules.get(key) for key in layer.state_dict()}


def _rule(owner, leaf, shape):
    for kind, leaves in _RULES.items():
        if isinstance(owner, kind) and leaf in leaves:
            return Rule(shape[::-1] if leaves[leaf] else shape, shape, leaves[leaf])
    return None


def to_paddle(state, layer, where=""):
    """A PyTorch state dict of arrays as Paddle lays it out, in the order of `layer`: a Paddle layer or its layout.

    Arrays are views of those given. `where` (file, network) begins the message of a WeightError.
    """
    return _converted(state, layer, where, "torch")


def to_torch(state, layer, where=""):
    """The way back: a Paddle state dict of arrays as PyTorch lays it out."""
    return _converted(state, layer, where, "paddle")


def _converted(state, layer, where, source):
    rules = layer if isinstance(layer, dict) else layout(layer)
    _require_match(state, rules, where, source)
    return {key: state[key].T if rule.transpose else state[key] for key, rule in rules.items()}


def _require_match(state, rules, where, source):
    prefix = f"{where}: " if where else ""
    if missing := [key for key in rules if key not in state]:
        raise WeightError(f"{prefix}lacks {_listed(missing)}")
    if extra := [key for key in state if key not in rules]:
        raise WeightError(f"{prefix}has {_listed(extra)}, which the network does not")
    first = formats.dtype_name(state[next(iter(rules))]) if rules else None
    for key, rule in rules.items():
        wanted = rule.shape_torch if source == "torch" else rule.shape_paddle
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
        dtype = formats.dtype_name(state[key])
        if dtype not in _FLOATS:
            raise WeightError(f"{prefix}{key!r} is {dtype or state[key].dtype}, weights are {', '.join(_FLOATS)}")
        if dtype != first:
            raise WeightError(f"{prefix}{key!r} is {dtype}, but {next(iter(rules))!r} is {first}")


def _listed(keys):
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(map(repr, keys[:3])) + more


def infer_options(state, framework, where="") -> dict:
    """What a network was built with, from the shapes of its arrays in the layout of `framework`.

    {"kind": "generator", "input_nc", "output_nc", "ngf", "n_blocks", "img_size" (None if light), "light"} or
    {"kind": "discriminator", "input_nc", "ndf", "n_layers"} or {"kind": "inception", "narrow"}. WeightError for
    anything else.
    """
    prefix = f"{where}: " if where else ""
    if "DownBlock.1.weight" in state:
        return _generator_options(state, framework, prefix)
    if "model.1.weight_orig" in state:
        return _discriminator_options(state, prefix)
    if _INCEPTION_KEY in state:
        return {"kind": "inception", "narrow": 32 // min(32, _shape(state, _INCEPTION_KEY, 4, prefix)[0])}
    raise WeightError(
        f"{prefix}is no U-GAT-IT network: it has neither 'DownBlock.1.weight' nor 'model.1.weight_orig' "
        f"but {_listed(list(state))}"
    )


def _shape(state, key, axes, prefix):
    if key not in state:
        raise WeightError(f"{prefix}lacks {key!r}")
    shape = tuple(state[key].shape)
    if len(shape) != axes or 0 in shape:
        raise WeightError(f"{prefix}{key!r} has the shape {shape}, not {axes} axes of 1 or more")
    return shape


def _count(state, pattern, first, step=1):
    """How many of the numbers first, first + step, ... occur in keys of the `pattern`, without a gap."""
    found = {int(match[1]) for match in map(re.compile(pattern).match, state) if match}
    count = 0
    while first + step * count in found:
        count += 1
    return count


def _generator_options(state, framework, prefix):
    ngf, input_nc, _, _ = _shape(state, "DownBlock.1.weight", 4, prefix)
    output_nc = _shape(state, "UpBlock2.11.weight", 4, prefix)[0]
    n_blocks = _count(state, r"UpBlock1_(\d{1,6})\.", 1)
    shape = _shape(state, "FC.0.weight", 2, prefix)
    features = shape[1] if framework == "torch" else shape[0]
    dim = 4 * ngf
    light, side = features == dim, math.isqrt(features // dim)
    if not light and side * side * dim != features:
        raise WeightError(f"{prefix}'FC.0.weight' takes {features} inputs: not {dim}, nor {dim} times a square")
    img_size = None if light else 4 * side
    return {
        "kind": "generator",
        "input_nc": input_nc,
        "output_nc": output_nc,
        "ngf": ngf,
        "n_blocks": n_blocks,
        "img_size": img_size,
        "light": light,
    }


def _discriminator_options(state, prefix):
    ndf, input_nc, _, _ = _shape(state, "model.1.weight_orig", 4, prefix)
    convs = _count(state, r"model\.(\d{1,6})\.weight_orig$", 1, 3)
    for i in range(convs):  # first, since a network of that size is built for the rest
        key = f"model.{1 + 3 * i}.weight_orig"
        wanted = (ndf * 2**i, ndf * 2 ** (i - 1) if i else input_nc, 4, 4)
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
    if convs < 2:
        raise WeightError(f"{prefix}lacks 'model.4.weight_orig'")
    return {"kind": "discriminator", "input_nc": input_nc, "ndf": ndf, "n_layers": convs + 1}


def build(options, revision="current"):
    """A network from `infer_options`' result, with fresh weights."""
    given = {name: value for name, value in options.items() if name != "kind" and value is not None}
    if options["kind"] == "generator":
        return ResnetGenerator(**given, revision=revision)
    return (InceptionV3 if options["kind"] == "inception" else Discriminator)(**given)


def layout_of(options) -> dict[str, Rule]:
    """The layout of the network that `options` describe, without a generator's gigabyte of weights."""
    return _cached_layout(tuple(sorted(options.items())))


@functools.lru_cache(maxsize=8)
def _cached_layout(options):
    return layout(_blank(dict(options)))


def _blank(options, revision="current"):
    """`build`, but a generator's weights are not allocated before they are set."""
    if options["kind"] == "discriminator":
        return build(options)  # spectral normalisation reads its weights: they must exist
    with paddle.LazyGuard():
        return build(options, revision)


def convert(checkpoint, framework, path, model=None):
    """A checkpoint in the layout of `framework`, "torch" or "paddle", and notes for the user.

    Every network is checked against the network its shapes describe, also where nothing is to be transposed. `model`,
    a key of MODELS, is by default what the file's metadata say, or else what its keys do. The result's metadata name
    model, revision, dtype and each network's options. Raises WeightError, whose message begins with `path`.
    """
    model = _model(checkpoint.metadata, path, model)
    networks, options, notes = {}, {}, []
    for name, state in checkpoint.networks.items():
        where = f"{path}: {name}" if name else f"{path}"
        if checkpoint.framework == "torch":
            state = modernised(state, where, notes)
        options[name] = infer_options(state, checkpoint.framework, where)
        state = {key: array for key, array in state.items() if not key.endswith(".num_batches_tracked")}
        try:
            rules = layout_of(options[name])
        except ValueError as error:
            raise WeightError(f"{where}: {error}") from error
        state = (to_paddle if checkpoint.framework == "torch" else to_torch)(state, rules, where)
        if framework == checkpoint.framework:
            state = (to_torch if framework == "torch" else to_paddle)(state, rules, where)
        networks[name] = state
    _require_names(options, path)
    model = model or ("inception" if _is_inception(options) else "ugatit")
    if (model == "inception") != _is_inception(options):
        raise WeightError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, not {model}")
    dtypes = {formats.dtype_name(next(iter(state.values()))) for state in networks.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else "mixed"
    metadata = {"model": model, "revision": MODELS[model], "dtype": dtype, "networks": options}
    return formats.Checkpoint(networks, framework, metadata), notes


def _model(metadata, path, model):
    noted = metadata.get("model")
    if noted is not None and (not isinstance(noted, str) or noted not in MODELS):
        raise WeightError(f"{path}: is of the model {noted!r:.40}; this converts {' and '.join(MODELS)}")
    if model and noted and model != noted:
        raise WeightError(f"{path}: is of the model {noted} by its metadata, not {model}")
    return model or noted


def _is_inception(options):
    return any(chosen["kind"] == "inception" for chosen in options.values())


def _require_names(options, path):
    """The names that a checkpoint may have, and the kind of network under each."""
    for name, chosen in options.items():
        if name and name not in KINDS:
            raise WeightError(f"{path}: network {name!r} is none of {', '.join(KINDS)}")
        if name and chosen["kind"] != KINDS[name]:
            raise WeightError(f"{path}: {name} holds a {chosen['kind']}")
    if "" not in options and any(KINDS[name] == "discriminator" for name in options):
        missing = [name for name in KINDS if name not in options]
        if missing:
            raise WeightError(f"{path}: lacks {', '.join(missing)}: discriminators come with all six networks")


def load_networks(path, dtype=None, revision=None, only=None) -> dict:
    """Paddle networks with the weights of a file of either framework: name -> layer, "" for a bare state dict.

    `dtype` ("float32", "float64", "float16", "bfloat16") is by default the file's; `revision` what its metadata say, or
    else "current"; `only` names those to build, where not all in the file are needed. Raises CheckpointError and
    WeightError in one line, ValueError for a revision or dtype unknown.
    """
    if revision is not None:
        require_revision(revision)
    if dtype not in (None, *_FLOATS):
        raise ValueError(f"dtype must be one of {', '.join(_FLOATS)}, got {dtype!r}")
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
    default = paddle.get_default_dtype()
    paddle.set_default_dtype(held)
    try:
        network = _blank(options, revision)
    finally:
        paddle.set_default_dtype(default)
    own = network.state_dict()
    for key, array in state.items():
        own[key].set_value(formats.cast(formats.cast(array, dtype), held))
    if dtype != held:
        network.to(dtype=dtype)  # exact: the values were rounded above, since Paddle 2.6 truncates to bfloat16
    return network
