"""Functions of torch.nn.functional besides activations and losses: convolution, pooling, padding, norms, sampling."""

import numpy as np
import paddle
import paddle.nn.functional as F

from align.api.entry import Entry
from align.api.inputs import fixed, several, shaped, values

SECTION = "Functions of layers"
_F = "nn.functional."
MAPS = {1: shaped((2, 4, 9), (3, 4, 7)), 2: shaped((2, 4, 9, 9), (1, 4, 7, 8)), 3: shaped((2, 4, 5, 6, 5))}


def transposed_weight(x, weight, bias=None):
    """Paddle's weight is (in, out)."""
    return F.linear(x, weight.t(), bias)


def averaged(n):
    """The recipe for n axes."""
    pool = getattr(F, f"avg_pool{n}d")

    def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        """exclusive is the opposite of count_include_pad, and its default too."""
        return pool(x, kernel_size, stride, padding, ceil_mode=ceil_mode, exclusive=not count_include_pad)

    return avg_pool


def mean_of_map(n):
    """The recipe for n axes."""

    def adaptive_avg_pool(x, output_size):
        """A mean over the whole map has an exact gradient."""
        return x.mean(list(range(-n, 0)), keepdim=True) if output_size == 1 else paddle.reshape(x, [-1])

    return adaptive_avg_pool


def interpolated(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Weights of PyTorch's grid, computed in the dtype of the maps, as two products."""
    if mode not in ("bilinear", "bicubic"):
        return F.interpolate(x, size, scale_factor, mode, bool(align_corners), 0)
    height, width = size or [n * scale_factor for n in x.shape[2:]]
    rows, columns = (
        _grid(n, m, align_corners, mode, x.dtype) for n, m in zip(x.shape[2:], (height, width), strict=True)
    )
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True)


def _grid(length, size, corners, mode, dtype):
    places = (
        np.arange(size) * ((length - 1) / (size - 1)) if corners else (np.arange(size) + 0.5) * (length / size) - 0.5
    )
    weights = np.zeros((size, length))
    places = places if mode == "bicubic" else np.clip(places, 0, length - 1)
    for step in range(-1, 3):  # beyond the border stands the border's own value
        cells = np.floor(places) + step
        np.add.at(
            weights, (np.arange(size), np.clip(cells, 0, length - 1).astype(int)), _share(np.abs(places - cells), mode)
        )
    return paddle.to_tensor(weights).astype(dtype)


def _share(far, mode):
    if mode == "bilinear":
        return np.maximum(1 - far, 0)
    near, a = far <= 1, -0.75
    return np.where(near, ((a + 2) * far - (a + 3)) * far**2 + 1, a * (((far - 5) * far + 8) * far - 4))


def padded_evenly(x, pad, mode="constant", value=0.0):
    """With zeros for the axes that are not given, which Paddle 2.6 needs."""
    return F.pad(x, [*pad, *[0] * (2 * (x.ndim - 2) - len(pad))], mode, value)


def normed(x, normalized_shape, eps=1e-5):
    """With eps in the dtype of x."""
    axes = list(range(-len(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    return centred / paddle.sqrt((centred * centred).mean(axes, keepdim=True) + paddle.full([], eps, x.dtype))


def instance_normed(x, eps=1e-5):
    """With eps in the dtype of x."""
    axes = list(range(2, x.ndim))
    centred = x - x.mean(axes, keepdim=True)
    return centred / paddle.sqrt((centred * centred).mean(axes, keepdim=True) + paddle.full([], eps, x.dtype))


def rms_normed(x, normalized_shape, eps=None):
    """By its formula."""
    eps = (
        {paddle.float64: 2.220446049250313e-16, paddle.float32: 1.1920928955078125e-07}[x.dtype] if eps is None else eps
    )
    return x / paddle.sqrt((x * x).mean(-1, keepdim=True) + paddle.full([], eps, x.dtype))


def attended(query, key, value):
    """By its formula; Paddle's own wants (batch, length, heads, channels) in half precision."""
    weights = paddle.matmul(query, key, transpose_y=True) * paddle.full([], query.shape[-1] ** -0.5, query.dtype)
    return paddle.matmul(F.softmax(weights, -1), value)


def sampled(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    """align_corners is False by default in PyTorch."""
    return F.grid_sample(x, grid, mode, padding_mode, align_corners)


def affine(theta, size, align_corners=False):
    """align_corners is False by default in PyTorch."""
    return F.affine_grid(theta, list(size), align_corners)


def grouped(x, num_groups, eps=1e-5):
    """By its formula: without a weight, the gradient of Paddle's is wrong; with one of ones it is right."""
    parts = x.reshape([x.shape[0], num_groups, -1])
    return normed(parts, parts.shape[2:], eps).reshape(x.shape)


def flattened(tensors):
    """By concat, which has a gradient."""
    return paddle.concat([x.reshape([-1]) for x in tensors])


def embedded(x, weight, padding_idx=None):
    """Without padding_idx, which makes zeros of that row in Paddle; in PyTorch it only stops its gradient."""
    if padding_idx is None:
        return F.embedding(x, weight)
    padding = (paddle.arange(weight.shape[0]) == padding_idx).unsqueeze(-1)
    return F.embedding(x, paddle.where(padding, weight.detach(), weight))


def batch_normed(x, mean, variance, momentum=0.1, eps=1e-5, training=False):
    """momentum is what is kept."""
    return F.batch_norm(x, mean, variance, momentum=1 - momentum, epsilon=eps, training=training)


def _statistics(rng):
    return [("(2,4,5,5)", [values(rng, (2, 4, 5, 5)), values(rng, (4,)), values(rng, (4,), "positive")])]


def _grid_of(rng):
    return [("(2,3,6,7)", [values(rng, (2, 3, 6, 7)), np.clip(values(rng, (2, 4, 5, 2)), -1.2, 1.2)])]


def _angle(rng):
    return [("(2,2,3)", [values(rng, (2, 2, 3))])]


def _table(rng):
    return [("(3,4)", [rng.integers(0, 7, (3, 4)), values(rng, (7, 4))])]


def _convolutions():
    kernels = {1: (3,), 2: (3, 3), 3: (2, 2, 2)}
    maps = {1: (9,), 2: (9, 8), 3: (5, 6, 5)}
    for n in (1, 2, 3):
        inputs = several((2, 4, *maps[n]), (6, 4, *kernels[n]), (6,))
        yield Entry(
            f"{_F}conv{n}d", f"{_F}conv{n}d", inputs=inputs, uses=({}, {"stride": 2, "padding": 1}, {"dilation": 2})
        )
        inputs = several((2, 4, *maps[n]), (4, 6, *kernels[n]), (6,))
        yield Entry(
            f"{_F}conv_transpose{n}d", f"{_F}conv{n}d_transpose", inputs=inputs, uses=({}, {"stride": 2, "padding": 1})
        )


def _pools():
    use = {"kernel_size": 3, "stride": 2, "padding": 1}
    for n in (1, 2, 3):
        uses = (use, {"kernel_size": 2}, use | {"count_include_pad": False})
        yield Entry(f"{_F}avg_pool{n}d", f"{_F}avg_pool{n}d", inputs=MAPS[n], uses=uses, recipe=averaged(n))
        yield Entry(
            f"{_F}max_pool{n}d", f"{_F}max_pool{n}d", inputs=MAPS[n], uses=(use, {"kernel_size": 2, "ceil_mode": True})
        )
        yield Entry(
            f"{_F}adaptive_avg_pool{n}d",
            f"{_F}adaptive_avg_pool{n}d",
            inputs=MAPS[n],
            uses=({"output_size": 1},),
            recipe=mean_of_map(n),
        )
        yield Entry(
            f"{_F}adaptive_max_pool{n}d", f"{_F}adaptive_max_pool{n}d", inputs=MAPS[n], uses=({"output_size": 2},)
        )


_RESIZED = (
    {"scale_factor": 2, "mode": "nearest"},
    {"size": (5, 6), "mode": "nearest"},
    {"scale_factor": 2, "mode": "bilinear"},
    {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
    {"size": (13, 5), "mode": "bilinear"},
    {"size": (13, 5), "mode": "bicubic"},
    {"size": (4, 4), "mode": "area"},
)
_PADDED = (
    {"pad": (1, 2, 0, 3)},
    {"pad": (1, 2)},
    {"pad": (1, 2, 2, 1), "mode": "reflect"},
    {"pad": (1, 2, 2, 1), "mode": "replicate"},
    {"pad": (1, 2, 2, 1), "mode": "circular"},
    {"pad": (1, 2, 2, 1), "value": 0.3},
)
TABLE = [
    *_convolutions(),
    *_pools(),
    Entry(_F + "linear", _F + "linear", inputs=several((4, 6), (6, 6), (6,)), recipe=transposed_weight),
    Entry(_F + "bilinear", _F + "bilinear", inputs=several((4, 6), (4, 5), (3, 6, 5))),
    Entry(_F + "embedding", _F + "embedding", inputs=fixed(_table), uses=({}, {"padding_idx": 2}), recipe=embedded),
    Entry(_F + "pad", _F + "pad", inputs=shaped((2, 3, 6, 7), edges=False), uses=_PADDED, recipe=padded_evenly),
    Entry(
        _F + "interpolate",
        _F + "interpolate",
        inputs=MAPS[2],
        uses=_RESIZED,
        recipe=interpolated,
        own="`layers/upsample.py`: nearest neighbours, twice differentiable",
    ),
    Entry(
        _F + "grid_sample",
        _F + "grid_sample",
        inputs=fixed(_grid_of),
        uses=(
            {},
            {"align_corners": True},
            {"align_corners": False, "padding_mode": "border"},
            {"align_corners": False, "mode": "nearest"},
        ),
        recipe=sampled,
    ),
    Entry(
        _F + "affine_grid",
        _F + "affine_grid",
        inputs=fixed(_angle),
        uses=({"size": (2, 3, 4, 5)}, {"size": (2, 3, 4, 5), "align_corners": True}),
        names={"size": "out_shape"},
        recipe=affine,
    ),
    Entry(
        _F + "layer_norm",
        _F + "layer_norm",
        inputs=shaped((4, 6), (2, 3, 6)),
        uses=({"normalized_shape": (6,)}, {"normalized_shape": (6,), "eps": 1e-3}),
        recipe=normed,
    ),
    Entry(
        _F + "instance_norm",
        _F + "instance_norm",
        inputs=MAPS[2],
        uses=({}, {"eps": 1e-3}),
        recipe=instance_normed,
        own="`layers/norm.py`: statistics in two exact passes",
    ),
    Entry(_F + "group_norm", _F + "group_norm", inputs=MAPS[2], uses=({"num_groups": 2},), recipe=grouped),
    Entry(
        _F + "batch_norm", _F + "batch_norm", inputs=fixed(_statistics), uses=({}, {"eps": 1e-3}), recipe=batch_normed
    ),
    Entry(
        _F + "rms_norm",
        _F + "rms_norm",
        inputs=shaped((4, 6), (2, 3, 6), edges=False),
        uses=({"normalized_shape": (6,)}, {"normalized_shape": (6,), "eps": 1e-3}),
        recipe=rms_normed,
    ),
    Entry(_F + "local_response_norm", _F + "local_response_norm", inputs=MAPS[2], uses=({"size": 3},)),
    Entry(
        _F + "unfold",
        _F + "unfold",
        inputs=MAPS[2],
        uses=({"kernel_size": 3}, {"kernel_size": 2, "stride": 2, "padding": 1}),
    ),
    Entry(
        _F + "fold",
        _F + "fold",
        inputs=several((2, 8, 9)),
        uses=({"output_size": (4, 4), "kernel_size": (2, 2)},),
        names={"output_size": "output_sizes"},
    ),
    Entry(_F + "pixel_shuffle", _F + "pixel_shuffle", inputs=MAPS[2], uses=({"upscale_factor": 2},)),
    Entry(_F + "pixel_unshuffle", _F + "pixel_unshuffle", inputs=shaped((2, 3, 6, 8)), uses=({"downscale_factor": 2},)),
    Entry(_F + "channel_shuffle", _F + "channel_shuffle", inputs=MAPS[2], uses=({"groups": 2},)),
    Entry(_F + "cosine_similarity", _F + "cosine_similarity", inputs=several((4, 6), (4, 6)), uses=({}, {"dim": 0})),
    Entry(_F + "pairwise_distance", _F + "pairwise_distance", inputs=several((4, 6), (4, 6))),
    Entry(
        _F + "scaled_dot_product_attention",
        _F + "scaled_dot_product_attention",
        inputs=several((2, 3, 5, 8), (2, 3, 4, 8), (2, 3, 4, 8)),
        recipe=attended,
        own="SAGAN's attention is written out",
    ),
    Entry(_F + "dropout", _F + "dropout", inputs=shaped((4, 6)), uses=({"p": 0.3, "training": False},)),
    Entry(_F + "alpha_dropout", _F + "alpha_dropout", inputs=shaped((4, 6)), uses=({"p": 0.3, "training": False},)),
    Entry(
        "nn.utils.parameters_to_vector",
        "nn.utils.parameters_to_vector",
        inputs=several((4, 6), (3,)),
        listed=True,
        recipe=flattened,
    ),
]
