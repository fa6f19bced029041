"""Faults of SAGAN's layers: FAULTS, numbered as in the catalogue, and in CAUSES the cause to name for each."""

import paddle

from align.cases import Case
from align.faults.layers import iterate_always, sigma_detached
from align.planting import local, patched, put_weight, run, swap
from paddle_ugatit.layers import spectral_norm
from paddle_ugatit.layers.channels import channel_scale


def _square_wrapped(layers):
    return layers.SpectralNormWrapper(layers.ConvTranspose2D(8, 8, 4, stride=2, padding=1))


_FILE = "layers/spectral_norm.py"
CASES = {
    case.name: case
    for case in [
        Case("spectral-wrapper-square", _square_wrapped, [(3, 8, 9, 7)], "", _FILE, "SpectralNormWrapper", calls=3),
    ]
}
_MATRIX, _ADVANCE = (spectral_norm.SpectralNorm, "matrix"), (spectral_norm.SpectralNorm, "advance")
_ATTENTION = "self-attention"
_SQUARE, _EVAL = "spectral-wrapper-square", "spectral-wrapper-eval"


def _second_axis(norm):
    """As PyTorch's and Paddle's own spectral norm do it for a transposed convolution."""
    return norm.weight.transpose([1, 0, 2, 3]).flatten(1)


def _maps(layer, x):
    return [conv(x).flatten(2) for conv in (layer.query_conv, layer.key_conv, layer.value_conv)]


def _ended(layer, x, out, attention):
    return channel_scale(
        out.reshape(x.shape), layer.gamma.reshape([1, 1, 1, 1]).expand([1, x.shape[1], 1, 1])
    ) + x, attention


def _attended(layer, x, query, key, value, scale=1.0, turned=True):
    attention = layer.softmax(paddle.matmul(query, key, transpose_x=True) * scale)
    return paddle.matmul(value, attention, transpose_y=turned), attention


def _scaled(own, layer, x):
    query, key, value = _maps(layer, x)
    return _ended(layer, x, *_attended(layer, x, query, key, value, scale=query.shape[1] ** -0.5))


def _without_skip(own, layer, x):
    out, attention = own(x)
    return out - x, attention


def _value_not_convolved(own, layer, x):
    query, key = layer.query_conv(x).flatten(2), layer.key_conv(x).flatten(2)
    return _ended(layer, x, *_attended(layer, x, query, key, x.flatten(2)))


def _attention_detached(own, layer, x):
    query, key, value = _maps(layer, x)
    attention = layer.softmax(paddle.matmul(query, key, transpose_x=True)).detach()
    return _ended(layer, x, paddle.matmul(value, attention, transpose_y=True), attention)


_weights_swapped = swap("query_conv.weight", "key_conv.weight")

FAULTS = [
    patched(6, "wrapper over the second axis", _SQUARE, "module", "module", _MATRIX, _second_axis),
    patched(7, "sigma detached in a wrapper", "spectral-wrapper", None, "module", _ADVANCE, sigma_detached),
    patched(8, "wrapper iterates in evaluation too", _EVAL, "module", "module", _ADVANCE, iterate_always),
    local(
        12,
        "query's and key's weights swapped",
        _ATTENTION,
        "",
        _weights_swapped,
        forward="query_conv",
        backward="key_conv",
    ),
    local(33, "wrapped layout transposed", _SQUARE, "module", put_weight("weight_bar", lambda w: w.swapaxes(0, 1))),
    local(39, "attention detached", _ATTENTION, "", run(_attention_detached), forward=None, backward="softmax"),
    local(0, "energy divided by a root", _ATTENTION, "", run(_scaled), forward="softmax", backward="key_conv"),
    local(0, "attention without its skip", _ATTENTION, "", run(_without_skip)),
    local(
        0, "value not convolved", _ATTENTION, "", run(_value_not_convolved), forward="value_conv", backward="value_conv"
    ),
]
CAUSES = {
    "wrapper over the second axis": "spectral norm over the wrong dim",
    "sigma detached in a wrapper": "sigma detached",
    "wrapper iterates in evaluation too": "power iteration in evaluation too",
    "query's and key's weights swapped": "the values of key_conv.weight",
    "wrapped layout transposed": "transposed",
    "attention detached": "attention detached",
    "energy divided by a root": "energy divided by the root of the key's channels",
    "attention without its skip": "attention without its skip",
    "value not convolved": "value not convolved",
}
