"""Models as somebody might port them, each written once for both frameworks: MODELS maps a name to a Stranger.

`build(L)` gets the layers and functions of one framework under common names. `L.flaw` is the mistake that the port's
own code makes, "" for none; mistakes in layers are planted into the finished model (align/faults/strangers.py).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as pF  # noqa: N812
import torch
import torch.nn.functional as tF  # noqa: N812
from paddle import nn as pnn
from torch import nn as tnn

TORCH = SimpleNamespace(
    Module=tnn.Module,
    Chain=tnn.Sequential,
    Linear=tnn.Linear,
    Embedding=tnn.Embedding,
    Conv1d=tnn.Conv1d,
    Conv=tnn.Conv2d,
    Up=tnn.ConvTranspose2d,
    LSTM=lambda i, o: tnn.LSTM(i, o, batch_first=True),
    LayerNorm=tnn.LayerNorm,
    BatchNorm1d=tnn.BatchNorm1d,
    BatchNorm=tnn.BatchNorm2d,
    InstanceNorm=lambda c: tnn.InstanceNorm2d(c, affine=True),
    GroupNorm=tnn.GroupNorm,
    ReLU=tnn.ReLU,
    LeakyReLU=tnn.LeakyReLU,
    ELU=tnn.ELU,
    GELU=tnn.GELU,
    SiLU=tnn.SiLU,
    Tanh=tnn.Tanh,
    Sigmoid=tnn.Sigmoid,
    Softmax=tnn.Softmax,
    AvgPool=lambda k, s, p: tnn.AvgPool2d(k, s, p),
    MaxPool=tnn.MaxPool2d,
    Resize=lambda: tnn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    Pad=lambda n: tnn.ReflectionPad2d(n),
    Flatten=tnn.Flatten,
    flaw="",
    swap=lambda x, a, b: x.transpose(a, b),
    softmax=lambda x, axis: torch.softmax(x, axis),  # looked up when called, as in anyone's code
    cat=torch.cat,
    relu=lambda x: tF.relu(x),
    gelu=lambda x: tF.gelu(x),
    fill=lambda x, mask: x.masked_fill(mask, -1e9),
)
PADDLE = SimpleNamespace(
    Module=pnn.Layer,
    Chain=pnn.Sequential,
    Linear=pnn.Linear,
    Embedding=pnn.Embedding,
    Conv1d=pnn.Conv1D,
    Conv=pnn.Conv2D,
    Up=pnn.Conv2DTranspose,
    LSTM=pnn.LSTM,
    LayerNorm=pnn.LayerNorm,
    BatchNorm1d=pnn.BatchNorm1D,
    BatchNorm=pnn.BatchNorm2D,
    InstanceNorm=pnn.InstanceNorm2D,
    GroupNorm=pnn.GroupNorm,
    ReLU=pnn.ReLU,
    LeakyReLU=pnn.LeakyReLU,
    ELU=pnn.ELU,
    GELU=pnn.GELU,
    SiLU=pnn.Silu,
    Tanh=pnn.Tanh,
    Sigmoid=pnn.Sigmoid,
    Softmax=pnn.Softmax,
    AvgPool=lambda k, s, p: pnn.AvgPool2D(k, s, p, exclusive=False),
    MaxPool=pnn.MaxPool2D,
    Resize=lambda: pnn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    Pad=lambda n: pnn.Pad2D(n, mode="reflect"),
    Flatten=pnn.Flatten,
    flaw="",
    swap=lambda x, a, b: x.transpose([{a: b, b: a}.get(i, i) for i in range(x.ndim)]),
    softmax=pF.softmax,
    cat=paddle.concat,
    relu=pF.relu,
    gelu=pF.gelu,
    fill=lambda x, mask: paddle.where(mask, paddle.full([], -1e9, x.dtype), x),
)


@dataclass(frozen=True)
class Stranger:
    """A model: `build(L)` of one framework, shapes or a function that draws the inputs, and the flaws of its code.

    `flaws` maps the name of a flaw to (the layer that receives what is wrong, "" for the model's output; words of which
    the cause must contain one).
    """

    build: Callable[[SimpleNamespace], Any]
    shapes: list[tuple[int, ...]]
    flaws: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    draw: Callable[[np.random.Generator], list] | None = None


def _mlp(L):
    return L.Chain(
        L.Linear(6, 8),
        L.LayerNorm(8),
        L.GELU(),
        L.Linear(8, 8),
        L.LeakyReLU(0.2),
        L.Linear(8, 8),
        L.ELU(),
        L.Linear(8, 3),
    )


def _cnn(L):
    return L.Chain(
        L.Conv(3, 8, 3, padding=1),
        L.BatchNorm(8),
        L.LeakyReLU(0.2),
        L.AvgPool(3, 2, 1),
        L.Conv(8, 8, 3, padding=1),
        L.GroupNorm(4, 8),
        L.SiLU(),
        L.Conv(8, 8, 3, padding=1),
        L.ELU(),
        L.MaxPool(2),
        L.Flatten(),
        L.Linear(32, 4),
        L.Softmax(-1),
    )


def _generator(L):
    return L.Chain(
        L.Up(4, 6, 4, 2, 1),
        L.InstanceNorm(6),
        L.ReLU(),
        L.Pad(1),
        L.Conv(6, 6, 3),
        L.InstanceNorm(6),
        L.LeakyReLU(0.1),
        L.Resize(),
        L.Conv(6, 3, 3, padding=1),
        L.Tanh(),
    )


def _residual(L):
    class Residual(L.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = L.Conv(4, 4, 3, padding=1), L.BatchNorm(4)
            self.conv2, self.bn2 = L.Conv(4, 4, 3, padding=1), L.BatchNorm(4)
            self.act, self.head = L.ReLU(), L.Linear(4, 3)

        def forward(self, x):
            h = self.act(self.bn1(self.conv1(x)))
            h = self.bn2(self.conv2(h))
            h = h if L.flaw == "no skip" else h + 2 * x if L.flaw == "skip twice" else h + x
            h = L.relu(h) if L.flaw != "no activation" else h
            h = h.sum((2, 3)) if L.flaw == "sum for mean" else h.mean((2, 3))
            return self.head(h.detach() if L.flaw == "detached" else h)

    return Residual()


def _attention(L):
    class Attention(L.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.norm = L.Embedding(11, 8), L.LayerNorm(8)
            self.q, self.k, self.v, self.out = (L.Linear(8, 8) for _ in range(4))
            self.norm2, self.up, self.down = L.LayerNorm(8), L.Linear(8, 16), L.Linear(16, 8)

        def heads(self, x):
            batch, length, _ = x.shape
            if L.flaw == "heads reshaped":
                return x.reshape([batch, 2, length, 4])
            return L.swap(x.reshape([batch, length, 2, 4]), 1, 2)

        def forward(self, ids, mask):
            x = self.embed(ids)
            h = self.norm(x)
            q, k, v = self.heads(self.q(h)), self.heads(self.k(h)), self.heads(self.v(h))
            scores = q @ L.swap(k, 2, 3)
            scores = scores if L.flaw == "no scale" else scores / math.sqrt(4)
            mask = mask.reshape([mask.shape[0], 1, 1, mask.shape[1]])
            if L.flaw != "no mask":
                scores = L.fill(scores, ~mask if L.flaw == "mask inverted" else mask)
            weights = L.softmax(scores, -2 if L.flaw == "softmax axis" else -1)
            h = L.swap(weights @ v, 1, 2).reshape([x.shape[0], x.shape[1], 8])
            x = self.out(h) if L.flaw == "no residual" else x + self.out(h)
            h = self.up(self.norm2(x))
            h = L.relu(h) if L.flaw == "relu for gelu" else L.gelu(h)
            return x + self.down(h)

    return Attention()


def _unet(L):
    class Unet(L.Module):
        def __init__(self):
            super().__init__()
            self.down, self.norm, self.act = L.Conv(3, 4, 3, 2, 1), L.GroupNorm(2, 4), L.SiLU()
            self.mid, self.up, self.merge = L.Conv(4, 4, 3, padding=1), L.Resize(), L.Conv(8, 4, 3, padding=1)
            self.first, self.last = L.Conv(3, 4, 3, padding=1), L.Conv(4, 3, 1)

        def forward(self, x):
            skip = self.first(x)
            h = self.act(self.norm(self.down(x)))
            h = self.up(self.mid(h))
            pair = [skip, h] if L.flaw == "order of cat" else [h, skip]
            h = self.merge(L.cat(pair, 1))
            h = self.last(h)
            return h if L.flaw == "no tanh" else h.tanh()

    return Unet()


def _squeeze(L):
    class Squeeze(L.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = L.Conv(3, 8, 3, padding=1), L.BatchNorm(8)
            self.fc1, self.act, self.fc2, self.gate = L.Linear(8, 8), L.ReLU(), L.Linear(8, 8), L.Sigmoid()
            self.head = L.Conv(8, 3, 1)

        def forward(self, x):
            h = self.bn(self.conv(x))
            pooled = h.amax((2, 3)) if L.flaw == "max for mean" else h.mean((2, 3))
            scale = self.gate(self.fc2(self.act(self.fc1(pooled))))
            scale = scale.reshape([scale.shape[0], 8, 1, 1])
            return self.head(h + scale if L.flaw == "sum for product" else h * scale)

    return Squeeze()


def _audio(L):
    class Audio(L.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn, self.act = L.Conv1d(2, 6, 3, padding=1), L.BatchNorm1d(6), L.LeakyReLU(0.3)
            self.conv2, self.gelu, self.norm = L.Conv1d(6, 6, 3, padding=1), L.GELU(), L.LayerNorm(6)
            self.rnn, self.head = L.LSTM(6, 5), L.Linear(5, 2)

        def forward(self, x):
            h = self.gelu(self.conv2(self.act(self.bn(self.conv1(x)))))
            h, _ = self.rnn(self.norm(L.swap(h, 1, 2)))
            return self.head(h[:, 0] if L.flaw == "first for last" else h[:, -1])

    return Audio()


def _mixer(L):
    class Mixer(L.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.tokens1, self.act1, self.tokens2 = L.LayerNorm(8), L.Linear(6, 6), L.GELU(), L.Linear(6, 6)
            self.norm2, self.mix1, self.act2, self.mix2 = L.LayerNorm(8), L.Linear(8, 8), L.SiLU(), L.Linear(8, 8)

        def forward(self, x):
            h = L.swap(self.norm1(x), 1, 2)
            h = L.swap(self.tokens2(self.act1(self.tokens1(h))), 1, 2)
            x = h if L.flaw == "no skip" else x + h
            return x + self.mix2(self.act2(self.mix1(self.norm2(x))))

    return Mixer()


def _tokens(rng):
    mask = np.zeros((3, 5), bool)
    mask[:, 3:] = rng.random((3, 2)) < 0.7
    mask[0, 4] = True
    return [rng.integers(0, 11, (3, 5)), mask]


MODELS = {
    "mlp": Stranger(_mlp, [(5, 6)]),
    "cnn": Stranger(_cnn, [(2, 3, 8, 8)]),
    "generator": Stranger(_generator, [(2, 4, 5, 6)]),
    "residual": Stranger(
        _residual,
        [(3, 4, 6, 5)],
        {
            "no skip": ("head", ()),
            "skip twice": ("head", ()),
            "no activation": ("head", ("identity for relu",)),
            "sum for mean": ("head", ("times 30",)),
            "detached": ("head", ("argument 0 detached",)),
        },
    ),
    "attention": Stranger(
        _attention,
        [],
        {
            "heads reshaped": ("out", ("another order",)),
            "no scale": ("out", ("not scaled", "without its scale")),
            "mask inverted": ("out", ("mask inverted",)),
            "no mask": ("out", ("masked_fill left out",)),
            "softmax axis": ("out", ("softmax over axis -2",)),
            "no residual": ("norm2", ("term missing", "only the output of out")),
            "relu for gelu": ("down", ("relu for gelu",)),
        },
        _tokens,
    ),
    "unet": Stranger(
        _unet,
        [(2, 3, 8, 8)],
        {
            "order of cat": ("merge", ("order", "shifted", "exchanged", "swapped")),
            "no tanh": ("", ("identity for tanh",)),
        },
    ),
    "squeeze": Stranger(_squeeze, [(3, 3, 6, 7)], {"max for mean": ("fc1", ()), "sum for product": ("head", ())}),
    "audio": Stranger(_audio, [(3, 2, 9)], {"first for last": ("head", ())}),
    "mixer": Stranger(_mixer, [(3, 6, 8)], {"no skip": ("norm2", ("term missing",))}),
}
