"""The layers and networks of AdaIN style transfer as cases."""

from align.cases.case import Case
from align.cases.training import TrainingCase, images

_NORM, _MODEL = "layers/norm.py", "models/adain.py"
_AdaIN = "sigma(y) (x - mu(x)) / sigma(x) + mu(y); sigma = sqrt(var + 1e-5), unbiased variance"
_MAP, _MAPS, _STYLES = (1, 8, 8, 8), (3, 8, 9, 7), (3, 8, 5, 6)  # batch 1, even; batch 3, odd


def encoder_case(name, shape=(1, 3, 32, 32), ch=64, gain=1.0):
    """Return a case of the encoder with `ch` channels in its first layer, on one batch of `shape`."""
    outputs = "relu1_1, relu2_1, relu3_1, relu4_1"
    return Case(name, lambda L: L.Encoder(ch), [tuple(shape)], outputs, _MODEL, "Encoder", gain=gain)


def decoder_case(name, shape=(1, 3, 32, 32), ch=64, gain=1.0):
    """Return a case of the decoder on a map of the shape that the encoder makes of a batch of `shape`."""
    batch, _, height, width = shape
    maps = (batch, 8 * ch, -(-height // 8), -(-width // 8))
    return Case(name, lambda L: L.Decoder(ch), [maps], "image", _MODEL, "Decoder", gain=gain)


def _transfer(L):
    return L.StyleTransfer(L.Encoder(4), L.Decoder(4))


CASES = [
    Case("adain", lambda L: L.AdaIN(), [_MAP, _MAP], _AdaIN, _NORM, "AdaIN"),
    Case("adain-odd", lambda L: L.AdaIN(), [_MAPS, _STYLES], _AdaIN, _NORM, "AdaIN"),
    Case("adain-one-style", lambda L: L.AdaIN(), [_MAPS, (1, *_STYLES[1:])], _AdaIN, _NORM, "AdaIN"),
    encoder_case("encoder", ch=4),
    encoder_case("encoder-odd", (3, 3, 37, 30), ch=4),
    encoder_case("encoder-large", ch=4, gain=8.0),  # activations beyond 6
    decoder_case("decoder", ch=4),
    decoder_case("decoder-odd", (3, 3, 37, 30), ch=4),
    decoder_case("decoder-large", ch=4, gain=4.0),
    Case(
        "style-transfer",
        _transfer,
        [(3, 3, 37, 30), (3, 3, 20, 33)],
        "decoder(AdaIN(f(c), f(s)))",
        _MODEL,
        "StyleTransfer",
    ),
    Case(
        "style-transfer-two",
        lambda L: L.TwoStyles(_transfer(L)),
        [(3, 3, 37, 30), (1, 3, 20, 33), (1, 3, 24, 24), (3, 1, 5, 4)],
        "decoder(0.4 f(c) + 0.6 (m AdaIN_m(f(c), f(s)) + (1 - m) AdaIN_1-m(f(c), f(s'))))",
        _MODEL,
        "StyleTransfer",
    ),
]

TRAINING = TrainingCase("adain", {"ch": 4, "img_size": 24, "load_size": 24}, images, schedules=({}, {"lr_decay": 0.5}))


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/adain.py describes it."""
    case = encoder_case if kind == "encoder" else decoder_case
    return case(name, (batch, 3, size or 256, size or 256), **options)
