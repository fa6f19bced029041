"""Layers with weights, norms, pooling, padding, resizing."""

import numpy as np
from paddle import nn

from align.api.entry import Entry
from align.api.inputs import fixed, several, shaped, values
from align.api.tables.layer_recipes import (
    adaptive,
    attention,
    batch_norm,
    conv,
    counting_padding,
    decoder_layer,
    encoder_layer,
    folded,
    grouped,
    instance_norm,
    linear,
    one_layer,
    pairwise,
    rooted_sums,
    upsample,
    weighted_norm,
)

SECTION = "Layers"
MAPS = {1: shaped((2, 4, 9), (3, 4, 7)), 2: shaped((2, 4, 9, 9), (1, 4, 7, 8)), 3: shaped((2, 4, 5, 6, 5))}
ROWS = shaped((4, 6), (2, 3, 6))
TOKENS = several((2, 5, 8))


def _ids(rng):
    return [("(3,4)", [rng.integers(0, 7, (3, 4))]), ("empty", [np.zeros((0, 4), int)], {}, True)]


def _pair(rng):
    return [("(4,6) (4,6)", [values(rng, (4, 6)), values(rng, (4, 6))])]


_CONV = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
_RNN = {"input_size": 8, "hidden_size": 5, "batch_first": True}
_WIDE = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0, "batch_first": True}
_NORM_OWN = {1: "", 2: "`layers/batch_norm.py`: PyTorch's running variance", 3: ""}
_UP = (
    {"scale_factor": 2, "mode": "nearest"},
    {"scale_factor": 2, "mode": "bilinear"},
    {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
    {"size": [13, 13], "mode": "bilinear"},
    {"scale_factor": 2, "mode": "bicubic"},
)


def _convolutions():
    for n in (1, 2, 3):
        uses = [_CONV, _CONV | {"stride": 2, "padding": 1}, _CONV | {"bias": False}]
        uses += (
            [_CONV | {"groups": 2, "dilation": 2}, _CONV | {"padding": 1, "padding_mode": "reflect"}] if n < 3 else []
        )
        uses += [_CONV | {"padding": "same"}, _CONV | {"padding": 1, "padding_mode": "replicate"}] if n == 2 else []
        own = "`layers/convolution.py`: PyTorch's initial values" if n == 2 else ""
        yield Entry(f"nn.Conv{n}d", f"nn.Conv{n}D", "layer", MAPS[n], uses, recipe=conv(n), own=own)
        uses = [_CONV, _CONV | {"stride": 2, "padding": 1, "output_padding": 1}]
        yield Entry(f"nn.ConvTranspose{n}d", f"nn.Conv{n}DTranspose", "layer", MAPS[n], uses, own=own)


def _norms():
    for n in (1, 2, 3):
        own = _NORM_OWN[n]
        uses = (
            {"num_features": 4},
            {"num_features": 4, "eps": 1e-3, "momentum": 0.3},
            {"num_features": 4, "affine": False},
        )
        names = {"affine": "weight_attr"}
        yield Entry(
            f"nn.BatchNorm{n}d", f"nn.BatchNorm{n}D", "layer", MAPS[n], uses, names, batch_norm(n), own, training=True
        )
        uses = ({"num_features": 4}, {"num_features": 4, "affine": True, "eps": 1e-3})
        own = "`layers/norm.py`: no weights, eps in the dtype of the maps" if n == 2 else ""
        yield Entry(
            f"nn.InstanceNorm{n}d", f"nn.InstanceNorm{n}D", "layer", MAPS[n], uses, names, instance_norm(n), own
        )
    yield Entry(
        "nn.LayerNorm",
        "nn.LayerNorm",
        "layer",
        ROWS,
        (
            {"normalized_shape": 6},
            {"normalized_shape": 6, "eps": 1e-3},
            {"normalized_shape": 6, "elementwise_affine": False},
        ),
        recipe=weighted_norm,
    )
    yield Entry(
        "nn.GroupNorm",
        "nn.GroupNorm",
        "layer",
        MAPS[2],
        ({"num_groups": 2, "num_channels": 4}, {"num_groups": 4, "num_channels": 4, "eps": 1e-3}),
        recipe=grouped,
    )
    yield Entry(
        "nn.LocalResponseNorm",
        "nn.LocalResponseNorm",
        "layer",
        MAPS[2],
        ({"size": 3}, {"size": 2, "alpha": 0.1, "k": 2.0}),
    )


def _pools():
    for n in (1, 2, 3):
        uses = (
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            {"kernel_size": 2, "stride": 2, "ceil_mode": True},
        )
        yield Entry(f"nn.AvgPool{n}d", f"nn.AvgPool{n}D", "layer", MAPS[n], uses, recipe=counting_padding(n))
        uses = (
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 2},
            {"kernel_size": 2, "ceil_mode": True},
        )
        yield Entry(f"nn.MaxPool{n}d", f"nn.MaxPool{n}D", "layer", MAPS[n], uses)
        own = "`layers/channels.py`: the mean over the map, whose gradient is exact" if n == 2 else ""
        yield Entry(
            f"nn.AdaptiveAvgPool{n}d",
            f"nn.AdaptiveAvgPool{n}D",
            "layer",
            MAPS[n],
            ({"output_size": 1}, {"output_size": 3}),
            recipe=adaptive(n),
            own=own,
        )
        yield Entry(
            f"nn.AdaptiveMaxPool{n}d",
            f"nn.AdaptiveMaxPool{n}D",
            "layer",
            MAPS[n],
            ({"output_size": 1}, {"output_size": 2}),
        )
    yield Entry(
        "nn.LPPool2d", "nn.LPPool2D", "layer", MAPS[2], ({"norm_type": 2, "kernel_size": 2},), recipe=rooted_sums
    )
    yield Entry(
        "nn.LPPool1d", "nn.LPPool1D", "layer", MAPS[1], ({"norm_type": 2, "kernel_size": 2},), recipe=rooted_sums
    )


def _pads():
    kinds = {
        "Reflection": "reflect",
        "Replication": "replicate",
        "Constant": "constant",
        "Circular": "circular",
        "Zero": "constant",
    }
    for kind, mode in kinds.items():
        for n in (1, 2, 3):
            use = {"padding": 2 if n < 3 else 1} | ({"value": 0.5} if kind == "Constant" else {})
            uses = (use, use | {"padding": tuple(range(2 * n))}) if n < 3 else (use,)
            always = {} if kind == "Zero" else {"mode": mode}
            theirs, ours = f"nn.{kind}Pad{n}d", f"nn.ZeroPad{n}D" if kind == "Zero" else f"nn.Pad{n}D"
            own = "`layers/reflection_pad.py`: twice differentiable" if (kind, n) == ("Reflection", 2) else ""
            yield Entry(theirs, ours, "layer", MAPS[n], uses, always=always, own=own)


def _others():
    yield Entry(
        "nn.Linear",
        "nn.Linear",
        "layer",
        ROWS,
        (
            {"in_features": 6, "out_features": 5},
            {"in_features": 6, "out_features": 6},
            {"in_features": 6, "out_features": 5, "bias": False},
        ),
        recipe=linear,
        own="`layers/linear.py`: PyTorch's initial values",
    )
    yield Entry(
        "nn.Bilinear",
        "nn.Bilinear",
        "layer",
        several((4, 6), (4, 5)),
        ({"in1_features": 6, "in2_features": 5, "out_features": 3},),
        {"in1_features": "in1_features", "in2_features": "in2_features"},
    )
    yield Entry(
        "nn.Embedding",
        "nn.Embedding",
        "layer",
        fixed(_ids),
        ({"num_embeddings": 7, "embedding_dim": 4}, {"num_embeddings": 7, "embedding_dim": 4, "padding_idx": 2}),
    )
    yield Entry(
        "nn.Flatten",
        "nn.Flatten",
        "layer",
        MAPS[2],
        ({}, {"start_dim": 2}),
        {"start_dim": "start_axis", "end_dim": "stop_axis"},
    )
    yield Entry(
        "nn.Unflatten",
        "nn.Unflatten",
        "layer",
        MAPS[2],
        ({"dim": 1, "unflattened_size": (2, 2)},),
        {"unflattened_size": "shape"},
    )
    yield Entry(
        "nn.Unfold", "nn.Unfold", "layer", MAPS[2], ({"kernel_size": 3}, {"kernel_size": 2, "stride": 2, "padding": 1})
    )
    yield Entry(
        "nn.Fold",
        "nn.Fold",
        "layer",
        several((2, 8, 9)),
        ({"output_size": (4, 4), "kernel_size": (2, 2)},),
        {"output_size": "output_sizes"},
        recipe=folded,
    )


def _moved():
    yield Entry("nn.PixelShuffle", "nn.PixelShuffle", "layer", MAPS[2], ({"upscale_factor": 2},))
    yield Entry("nn.PixelUnshuffle", "nn.PixelUnshuffle", "layer", shaped((2, 3, 6, 8)), ({"downscale_factor": 2},))
    yield Entry("nn.ChannelShuffle", "nn.ChannelShuffle", "layer", MAPS[2], ({"groups": 2},))
    yield Entry(
        "nn.Upsample",
        "nn.Upsample",
        "layer",
        MAPS[2],
        _UP,
        recipe=upsample,
        own="`layers/upsample.py`: nearest neighbours only, twice differentiable",
    )
    yield Entry("nn.UpsamplingNearest2d", "nn.UpsamplingNearest2D", "layer", MAPS[2], ({"scale_factor": 2},))
    yield Entry("nn.UpsamplingBilinear2d", "nn.UpsamplingBilinear2D", "layer", MAPS[2], ({"scale_factor": 2},))
    for name in ("Dropout", "AlphaDropout"):
        yield Entry(f"nn.{name}", f"nn.{name}", "layer", ROWS, ({"p": 0.3},))
    for n in (2, 3):
        yield Entry(f"nn.Dropout{n}d", f"nn.Dropout{n}D", "layer", MAPS[n], ({"p": 0.3},))
    yield Entry("nn.CosineSimilarity", "nn.CosineSimilarity", "layer", fixed(_pair), ({}, {"dim": 0}))
    yield Entry("nn.PairwiseDistance", "nn.PairwiseDistance", "layer", fixed(_pair), ({}, {"p": 3.0}), recipe=pairwise)


def _recurrent():
    for name in ("LSTM", "GRU"):
        uses = (_RNN, _RNN | {"num_layers": 2}, _RNN | {"bidirectional": True})
        names = {"batch_first": "", "bidirectional": ""}
        yield Entry(f"nn.{name}", f"nn.{name}", "layer", TOKENS, uses, names, one_layer(getattr(nn, name)))
    uses = (_RNN, _RNN | {"num_layers": 2})
    yield Entry(
        "nn.RNN",
        "nn.SimpleRNN",
        "layer",
        TOKENS,
        uses,
        {"batch_first": "", "nonlinearity": "activation"},
        one_layer(nn.SimpleRNN),
    )
    for theirs, ours in (("LSTMCell", "LSTMCell"), ("GRUCell", "GRUCell"), ("RNNCell", "SimpleRNNCell")):
        yield Entry(
            f"nn.{theirs}",
            f"nn.{ours}",
            "layer",
            several((3, 8)),
            ({"input_size": 8, "hidden_size": 5},),
            {"nonlinearity": "activation"},
        )
    use = {"embed_dim": 8, "num_heads": 2, "batch_first": True}
    yield Entry(
        "nn.MultiheadAttention",
        "nn.MultiHeadAttention",
        "layer",
        several((2, 5, 8), (2, 4, 8), (2, 4, 8)),
        (use,),
        {"batch_first": ""},
        attention,
    )
    names = {"batch_first": "", "norm_first": "normalize_before"}
    yield Entry(
        "nn.TransformerEncoderLayer",
        "nn.TransformerEncoderLayer",
        "layer",
        TOKENS,
        (_WIDE, _WIDE | {"norm_first": True}),
        names,
        encoder_layer,
    )
    yield Entry(
        "nn.TransformerDecoderLayer",
        "nn.TransformerDecoderLayer",
        "layer",
        several((2, 5, 8), (2, 4, 8)),
        (_WIDE, _WIDE | {"norm_first": True}),
        names,
        decoder_layer,
    )


TABLE = [*_others(), *_moved(), *_convolutions(), *_norms(), *_pools(), *_pads(), *_recurrent()]
