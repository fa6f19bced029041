"""The fault catalogue: CATALOGUE (number -> what it is), and every fault planted into a model with its cause.

MODEL_FAULTS are those of layers.py, small.py, sagan.py, adain.py and stylegan2.py and a few more; CAUSES holds the
cause that must be named for each. Faults of training, data, metrics and initial values are in their own modules.
"""

import paddle

from align.compare.paddle_side import PaddleSide
from align.faults import adain as adain_faults
from align.faults import layers as faults
from align.faults import sagan as sagan_faults
from align.faults import small as small_faults
from align.faults import small_twins, stylegan2
from align.planting import Fault, local, patched
from paddle_ugatit.layers import spectral_norm

CATALOGUE = {
    1: "Linear not transposed, square",
    2: "BatchNorm's mean and variance not loaded",
    3: "InstanceNorm's affine left on",
    4: "frozen extra affine parameters",
    5: "spectral norm's u, v not copied",
    6: "spectral norm of a Linear over the wrong dim",
    7: "sigma detached from the graph",
    8: "power iteration skipped, or run in evaluation too",
    9: "CAM by the normalised weight for the raw one",
    10: "gmp by gap's weight",
    11: "a key silently dropped",
    12: "two equal-shaped weights swapped",
    13: "BatchNorm's momentum inverted",
    14: "BatchNorm's eps given in momentum's place",
    15: "biased variance in AdaILN",
    16: "eps 2e-5 or 1e-6 for 1e-5 in one norm",
    17: "average pool counting padding",
    18: "max pool's ceil_mode",
    19: "pad order",
    20: "zero pad for reflect pad",
    21: "nearest and bilinear grids",
    22: "ReLU before ILN",
    23: "AdaILN's residual missing, or present in the initial revision",
    24: "nested variance for a single one, and the reverse",
    25: "rho's start value",
    26: "LeakyReLU's slope 0.01",
    27: "gamma and beta swapped",
    28: "heatmap's mean for sum",
    29: "tanh missing",
    30: "flattened in NHWC order before the full FC",
    31: "GELU's tanh form",
    32: "dropout's mode",
    33: "ConvTranspose's weight layout, output padding",
    34: "demodulation's eps, or missing + 1",
    35: "noise's H and W swapped",
    36: "loss of (N,1) with (N,) broadcast",
    37: "LeakyReLU's gradient at exactly 0",
    38: "gradients of tied maxima",
    39: "a term wrongly detached",
    40: "a term not detached that should be",
    41: "gradients accumulated across steps",
    42: "generators get gradients of the discriminators' step",
    43: "second derivative of a conv of which only the filter's gradient is asked",
    44: "AdamW for Adam with L2",
    45: "beta1 0.9",
    46: "weight decay left off rho or biases",
    47: "eps placement",
    48: "gradient zero where it should be none",
    49: "LR decays a step early, late, or per epoch",
    50: "rho clip missing, before the step, or of one generator",
    51: "D sees real and translated in the other order",
    52: "an extra D forward per iteration",
    53: "translations of the wrong direction to a discriminator",
    54: "CAM loss by MSE for BCE",
    55: "Paddle's default initialisation left",
    56: "N(0, 0.02) written to the derived weight",
    57: "resize without antialiasing",
    58: "bicubic for bilinear",
    59: "BGR for RGB",
    60: "other units of scaling",
    61: "uint8 truncation for rounding",
    62: "crop before resize",
    63: "biased MMD for unbiased",
    64: "kernel's gamma or coef0",
    65: "std with another ddof",
    66: "float32 paddle.var over a big map",
    67: "spectral norm's u frozen by to_static",
}
CASES = faults.CASES | small_twins.CASES | sagan_faults.CASES
_load = PaddleSide.load


def _loads_all_but(key):
    def load(self, model, state):
        kept = model.state_dict()[key].numpy()
        _load(self, model, state)
        model.state_dict()[key].set_value(kept)

    return ((PaddleSide, "load", load),)


def _affine(layer):
    """InstanceNorm with a trainable scale and bias, at 1 and 0."""
    kind, features = type(layer), layer.num_features
    layer.scale = layer.create_parameter([features], default_initializer=paddle.nn.initializer.Constant(1.0))
    layer.bias = layer.create_parameter([features], is_bias=True)

    def forward(self, x):
        scale, bias = (p.astype(x.dtype).reshape([1, -1, 1, 1]) for p in (self.scale, self.bias))
        return kind.forward(self, x) * scale + bias

    layer.__class__ = type("Affine", (kind,), {"forward": forward})


def _frozen(norm):
    """Iterate the vectors for this forward and forget them, as a graph does that holds them as constants."""
    u, v = norm.layer.weight_u.clone(), norm.layer.weight_v.clone()
    _advance(norm)
    norm.layer.weight_u.set_value(u)
    norm.layer.weight_v.set_value(v)


_advance = spectral_norm.SpectralNorm.advance
_LOCAL, _LIGHT = "discriminator-local", "generator-light"
_U, _V, _W = "model.4.weight_u", "gap_fc.weight_v", "UpBlock1_2.conv1.weight"


def _dropped(number, name, case, key):
    layer = key.rpartition(".")[0]
    return Fault(number, name, case, layer, layer, patches=_loads_all_but(key))


_MORE = [
    local(3, "affine of an InstanceNorm left on", _LIGHT, "DownBlock.2", _affine),
    _dropped(5, "u dropped while loading", _LOCAL, _U),
    _dropped(5, "v dropped while loading", _LOCAL, _V),
    _dropped(11, "a weight dropped while loading", _LIGHT, _W),
    patched(
        67, "u frozen as by to_static", _LOCAL, "model.1", "conv", (spectral_norm.SpectralNorm, "advance"), _frozen
    ),
]
MODEL_FAULTS = faults.FAULTS + small_faults.FAULTS + sagan_faults.FAULTS + _MORE
MODEL_FAULTS += adain_faults.FAULTS
MODEL_FAULTS += stylegan2.FAULTS

_LOST, _TURNED = "never loaded: still at its initial value", "weight transposed"
_EXTRA = "a parameter that PyTorch lacks, at a value without effect"
_DIM, _FOLDED = "spectral norm over the wrong dim", "biased variance of the instance, and the layer's made from it"
_DROPOUT, _BOTH = "dropout scales in evaluation, not in training", "arguments 1 and 2 swapped"
CAUSES = (
    adain_faults.CAUSES
    | sagan_faults.CAUSES
    | {
        "square Linear loaded transposed": "transposed",
        "square Linear applied transposed": _TURNED,
        "frozen bias that PyTorch has not": _EXTRA,
        "affine of an InstanceNorm left on": _EXTRA,
        "u dropped while loading": _LOST,
        "v dropped while loading": _LOST,
        "a weight dropped while loading": _LOST,
        "running statistics not loaded": _LOST,
        "spectral norm of a Linear over the wrong dim": _DIM,
        "spectral norm of a Conv2D over the wrong dim": _DIM,
        "power iteration in evaluation too": "power iteration in evaluation too",
        "u frozen as by to_static": "u and v iterated but not kept",
        "attention by the normalised weight": "attention by the normalised weight",
        "gmp by gap's weight": "gmp by gap's weight",
        "no bias where PyTorch has one": "bias zero",
        "gamma's and beta's weights swapped": "the values of beta.weight",
        "two convolutions swapped": "the values of UpBlock1_1.conv2.weight",
        "momentum's meaning inverted": "momentum's meaning inverted",
        "eps given in momentum's place": "eps 0.1 and momentum 1e-05",
        "biased layer variance": "biased variance of the layer",
        "biased instance variance in AdaILN": _FOLDED,
        "eps 2e-5 in one AdaILN": "eps 2e-05 for 1e-05",
        "eps 1e-6 in one ILN": "eps 1e-06 for 1e-05",
        "average pool counts the padding": "count_include_pad True",
        "max pool without ceil_mode": "ceil_mode False",
        "pad order top, bottom, left, right": "pad order top, bottom, left, right",
        "zero pad for reflect pad": "zero pad",
        "bilinear for nearest": "resize bilinear, align_corners False",
        "corners aligned in a resize": "resize bilinear, align_corners True",
        "asymmetric grid in a resize": "resize bilinear, asymmetric grid",
        "ReLU before ILN": "layers UpBlock2.3 and UpBlock2.4 in the other order",
        "no skip in one block": "revision initial of UpBlock1_1 (skip absent)",
        "a skip in the initial revision": "revision current of the model (skip present)",
        "nested variance for a single one": "nested variance for a single one",
        "single variance for a nested one": "single variance for a nested one",
        "LeakyReLU's slope 0.01": "activation: slope 0.01",
        "gamma and beta swapped in one block": _BOTH,
        "heatmap as a mean": "mean over 16 channels for their sum",
        "tanh missing": "activation: none",
        "flattened as NHWC": "flattened as NHWC",
        "GELU by tanh": "activation: GELU by tanh",
        "dropout downscales in evaluation, seen in training": _DROPOUT,
        "dropout downscales in evaluation": _DROPOUT,
        "transposed convolution's layout": "transposed",
        "transposed convolution applied in the other layout": _TURNED,
        "output padding missing": "output padding 0",
        "demodulation's eps 1e-5": "eps 1e-05 for 1e-08",
        "style without + 1": "argument 1 shifted by -1",
        "noise's height and width swapped": "height and width of argument 1 swapped",
        "loss of (N,1) with (N,) broadcast": "(N,1) with (N,) broadcast to (N,N)",
        "paddle.var over a big map": "rounding of float32: the formula is right in float64",
        "NaN at one element": "unknown",
        "one element off by a half": "unknown",
        "one layer rounded to float32": "argument 0 rounded to float32",
        "encoder block left out": "DownBlock.12 left out",
        "discriminator's trunk run once more": "model called once more, after all",
        "sigma detached": "sigma detached",
        "LeakyReLU's gradient 1 at zero": "gradient 1 at exactly zero",
        "tied maxima share the gradient": "tied maxima share the gradient",
        "attention weight detached": "attention: gap's weight detached",
        "one weight frozen": "weight without a gradient",
        "power iteration with a gradient": "power iteration with a gradient",
        "filter's gradient asked alone": "the second derivative through the output lost",
    }
)
CAUSES |= stylegan2.CAUSES
