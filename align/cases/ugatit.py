"""U-GAT-IT's layers and networks as cases."""

from align.cases import fast
from align.cases.case import Case
from align.cases.training import TrainingCase, images

_EQ1 = "(rho a_I + (1 - rho) a_L) gamma + beta; a = (x - mean) / sqrt(var + 1e-5), unbiased variance"
_EQ1_INITIAL = _EQ1.replace("unbiased variance", "variance of variances, axis by axis")
_EQ1_TENSORFLOW = _EQ1.replace("unbiased", "biased")
_SN = "(W / sigma) x, sigma = u^T W v, one power iteration per forward"
_CAM = "[w_gap x, w_gmp x]; logit [w_gap mean(x), w_gmp max(x)]"
_NORM, _SPECTRAL, _MODEL = "layers/norm.py", "layers/spectral_norm.py", "models/ugatit.py"
_MAP, _MAPS = (1, 8, 8, 8), (3, 8, 9, 7)  # batch 1, even; batch 3, odd


def _style(maps):
    """Shapes of AdaILN's arguments: x, gamma, beta."""
    return [maps, maps[:2], maps[:2]]


def _spectral_conv(layers):
    return layers.spectral_norm(layers.Conv2D(3, 8, 4, stride=2))


def _spectral_linear(layers):
    return layers.spectral_norm(layers.Linear(8, 8, bias=False))


LAYER_CASES = [
    Case(
        "conv", lambda L: L.Conv2D(3, 8, 3, stride=2), [(3, 3, 11, 8)], "W * x + b", "layers/convolution.py", "Conv2D"
    ),
    Case("linear", lambda L: L.Linear(8, 8), [(3, 8)], "x W^T + b", "layers/linear.py", "Linear"),
    Case(
        "reflection-pad",
        lambda L: L.ReflectionPad2D(3),
        [_MAPS],
        "y[-i] = x[i]",
        "layers/reflection_pad.py",
        "ReflectionPad2D",
    ),
    Case("upsample", lambda L: L.Upsample(), [_MAPS], "y[i, j] = x[i/2, j/2]", "layers/upsample.py", "Upsample"),
    Case(
        "leaky-relu",
        lambda L: L.LeakyReLU(0.2),
        [_MAPS],
        "max(x, 0.2 x)",
        "layers/leaky_relu.py",
        "LeakyReLU",
        zeros=True,
    ),
    Case(
        "instance-norm",
        lambda L: L.InstanceNorm2D(8),
        [_MAPS],
        "(x - mean) / sqrt(var + 1e-5), biased variance",
        _NORM,
        "InstanceNorm2D",
    ),
    Case("adailn", lambda L: L.AdaILN(8), _style(_MAP), _EQ1, _NORM, "AdaILN"),
    Case("adailn-odd", lambda L: L.AdaILN(8), _style(_MAPS), _EQ1, _NORM, "AdaILN"),
    Case("adailn-initial", lambda L: L.AdaILN(8, revision="initial"), _style(_MAPS), _EQ1_INITIAL, _NORM, "AdaILN"),
    Case(
        "adailn-tensorflow",
        lambda L: L.AdaILN(8, revision="tensorflow"),
        _style(_MAPS),
        _EQ1_TENSORFLOW + ", rho = clip(rho - 0.1, 0, 1)",
        _NORM,
        "AdaILN",
    ),
    Case(
        "adailn-tensorflow-beyond",  # some rho above 1.1, so that the clip acts on either side
        lambda L: L.AdaILN(8, revision="tensorflow"),
        _style(_MAPS),
        _EQ1_TENSORFLOW + ", rho = clip(rho - 0.1, 0, 1)",
        _NORM,
        "AdaILN",
        gain=3.0,
    ),
    Case("iln-tensorflow", lambda L: L.ILN(8, revision="tensorflow"), [_MAPS], _EQ1_TENSORFLOW, _NORM, "ILN"),
    Case(
        "instance-norm-affine",
        lambda L: L.InstanceNorm2D(8, affine=True),
        [_MAPS],
        "w (x - mean) / sqrt(var + 1e-5) + b, biased variance",
        _NORM,
        "InstanceNorm2D",
    ),
    Case("iln", lambda L: L.ILN(8), [_MAPS], _EQ1, _NORM, "ILN"),
    Case("iln-initial", lambda L: L.ILN(8, revision="initial"), [_MAPS], _EQ1_INITIAL, _NORM, "ILN"),
    Case("residual-block", lambda L: L.ResnetBlock(8), [_MAPS], "x + IN(W IN(W x)+)", _MODEL, "ResnetBlock"),
    Case(
        "adailn-block",
        lambda L: L.ResnetAdaILNBlock(8),
        _style(_MAPS),
        "x + AdaILN(W AdaILN(W x)+)",
        _MODEL,
        "ResnetAdaILNBlock",
    ),
    Case(
        "adailn-block-initial",
        lambda L: L.ResnetAdaILNBlock(8, "initial"),
        _style(_MAPS),
        "AdaILN(W AdaILN(W x)+), no skip",
        _MODEL,
        "ResnetAdaILNBlock",
    ),
    Case("cam-head", lambda L: L.CamHead(8, spectral=False), [_MAPS], _CAM, _MODEL, "attend"),
    Case(
        "cam-head-spectral",
        lambda L: L.CamHead(8, spectral=True),
        [_MAPS],
        _CAM + "; attention with the raw weight",
        _MODEL,
        "attend",
        calls=3,
    ),
    Case("spectral-conv", _spectral_conv, [(3, 3, 11, 8)], _SN, _SPECTRAL, "spectral_norm", calls=3),
    Case("spectral-conv-eval", _spectral_conv, [(3, 3, 11, 8)], _SN, _SPECTRAL, "spectral_norm", 3, training=False),
    Case("spectral-linear", _spectral_linear, [(3, 8)], _SN, _SPECTRAL, "spectral_norm", calls=3),
    Case("spectral-linear-eval", _spectral_linear, [(3, 8)], _SN, _SPECTRAL, "spectral_norm", 3, training=False),
]


def generator_case(name, shape=(1, 3, 32, 32), training=True, spike=0.0, gain=1.0, **options):
    """Return a case of a generator with these options, on one batch of `shape`; see Case for `spike` and `gain`."""
    options = {"input_nc": 3, "output_nc": 3} | options
    given = {"shape": shape, **({} if training else {"training": False})}
    return Case(
        name,
        lambda L: L.ResnetGenerator(**options),
        [tuple(shape)],
        "image, CAM logit, heatmap",
        _MODEL,
        "ResnetGenerator",
        training=training,
        spike=spike,
        gain=gain,
        network=("generator", {**given, **options}),
    )


def discriminator_case(name, shape=(1, 3, 32, 32), training=True, calls=3, **options):
    """Return a case of a discriminator with these options; in training mode every call updates its spectral norms."""
    options = {"input_nc": 3} | options
    return Case(
        name,
        lambda L: L.Discriminator(**options),
        [tuple(shape)],
        "logit map, CAM logit, heatmap",
        _MODEL,
        "Discriminator",
        calls,
        training,
        network=("discriminator", {"shape": shape, "training": training, "calls": calls, **options}),
    )


_SMALL = {"ngf": 4, "n_blocks": 2, "img_size": 32}
NETWORK_CASES = [
    generator_case("generator-light", light=True, **_SMALL),
    generator_case("generator-light-initial", light=True, revision="initial", **_SMALL),
    generator_case("generator-light-odd", (3, 3, 37, 30), light=True, **_SMALL),
    # Wide enough for layers to run fused, by Winograd convolution.
    generator_case("generator-light-wide", (2, 3, 64, 128), light=True, ngf=16, n_blocks=1, img_size=64),
    # Activations beyond 6, where a clipped ReLU would differ.
    generator_case("generator-light-large", (2, 3, 64, 64), light=True, spike=300.0, gain=6.0, **_SMALL),
    generator_case("generator-light-eval", (2, 3, 32, 32), training=False, light=True, **_SMALL),
    # The published depths, as narrow as can be.
    generator_case("generator-light-4-blocks", (2, 3, 16, 16), light=True, ngf=2, n_blocks=4, img_size=16),
    generator_case("generator-full-6-blocks", (2, 3, 16, 16), ngf=2, n_blocks=6, img_size=16),
    generator_case("generator-full-eval", (3, 3, 32, 32), training=False, **_SMALL),
    generator_case("generator-full", **_SMALL),
    generator_case("generator-full-initial", (3, 3, 32, 32), revision="initial", **_SMALL),
    generator_case("generator-light-tensorflow", (2, 3, 32, 32), light=True, revision="tensorflow", **_SMALL),
    generator_case("generator-light-older", light=True, revision="tensorflow", older_cam=True, **_SMALL),
    generator_case("generator-full-tensorflow", (2, 3, 24, 24), revision="tensorflow", ngf=4, n_blocks=2, img_size=24),
    discriminator_case("discriminator-tensorflow", (2, 3, 48, 48), ndf=4, n_layers=5, revision="tensorflow"),
    discriminator_case(
        "discriminator-tensorflow-eval", (1, 3, 32, 32), training=False, ndf=4, n_layers=5, revision="tensorflow"
    ),
    discriminator_case("discriminator-older", ndf=4, n_layers=5, revision="tensorflow", older_cam=True),
    discriminator_case("discriminator-local", (1, 3, 32, 32), ndf=4, n_layers=5),
    discriminator_case("discriminator-local-odd", (3, 3, 35, 42), ndf=4, n_layers=5),
    discriminator_case("discriminator-local-eval", (3, 3, 32, 32), training=False, ndf=4, n_layers=5),
    discriminator_case("discriminator-local-two", (2, 3, 32, 32), ndf=4, n_layers=5),
    discriminator_case("discriminator-global", (1, 3, 96, 96), calls=2, ndf=2, n_layers=7),
    discriminator_case("discriminator-global-eval", (2, 3, 96, 96), training=False, calls=1, ndf=2, n_layers=7),
]

# Networks small enough for their recording to ship with the project.
_MINI = {"shape": (1, 3, 16, 16), "ngf": 2, "n_blocks": 1, "img_size": 16}
MINI_CASES = [
    generator_case("generator-light-mini", light=True, **_MINI),
    generator_case("generator-light-initial-mini", light=True, revision="initial", **_MINI),
    generator_case("generator-full-mini", **_MINI),
    generator_case("generator-full-initial-mini", revision="initial", **_MINI),
    discriminator_case("discriminator-mini", (1, 3, 24, 24), calls=2, ndf=2, n_layers=5),
    discriminator_case("discriminator-eval-mini", (1, 3, 24, 24), calls=2, training=False, ndf=2, n_layers=5),
]
CASES = LAYER_CASES + fast.CASES + NETWORK_CASES


def rho_at_its_limits(name, state):
    """Move a part of every rho to 0 or 1, in place, so that the clip after the step acts on either side.

    A step moves a rho by 1e-4 or so: drawn at random, none would come to a limit in a few steps.
    """
    for key, array in state.items():
        if key.rpartition(".")[2] == "rho":
            array.flat[0::4], array.flat[1::4] = 0, 1


# The decay of the learning rate begins within the run, and the last step has a rate of 0.
TRAINING = TrainingCase(
    "ugatit",
    {"light": True, "ch": 4, "n_res": 1, "img_size": 48, "global_layers": 6, "local_layers": 4, "iteration": 6},
    images,
    rho_at_its_limits,
    schedules=({"decay_flag": True}, {"decay_flag": False}),
    variants={"recomputed": {"recompute": True}},
)


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/ugatit.py describes it."""
    pixels = size or options.get("img_size") or 256
    shape = (batch, options["input_nc"], pixels, pixels)
    if kind == "generator":
        return generator_case(name, shape, revision=revision, **options)
    # The first two revisions have the same discriminators.
    variant = {"revision": revision} if revision == "tensorflow" else {}
    return discriminator_case(name, shape, calls=2, **variant, **options)
