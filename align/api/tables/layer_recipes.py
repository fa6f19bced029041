"""What makes Paddle's layers do what PyTorch's do: each takes PyTorch's arguments and returns a layer."""

import paddle
from paddle import nn


def batch_norm(n):
    """The recipe for n axes."""

    def layer(num_features, eps=1e-5, momentum=0.1, affine=True):
        """momentum is what is kept, the unbiased variance by hand (UNBIASED in align/api/tables/layer_recipes.py)."""
        given = {} if affine else {"weight_attr": False, "bias_attr": False}
        return UNBIASED[n](num_features, 1 - momentum, eps, **given)

    return layer


def unbiased(base):
    """Return a batch norm of Paddle that keeps the running variance as PyTorch does."""

    class Unbiased(base):
        def forward(self, x):
            if self.training:
                axes, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
                mean = x.mean(axes)
                centred = x - mean.reshape(shape)
                variance = (centred * centred).mean(axes)
                count = x.size // x.shape[1]
                new = 1 - self._momentum
                self._mean.set_value((self._mean * self._momentum + mean * new).detach())
                self._variance.set_value(
                    (self._variance * self._momentum + variance * (new * count / (count - 1))).detach()
                )
                x = centred / paddle.sqrt(variance + paddle.full([], self._epsilon, x.dtype)).reshape(shape)
                return x if self.weight is None else x * self.weight.reshape(shape) + self.bias.reshape(shape)
            return super().forward(x)

    return Unbiased


UNBIASED = {n: unbiased(getattr(nn, f"BatchNorm{n}D")) for n in (1, 2, 3)}


def instance_norm(n):
    """The recipe for n axes."""

    def layer(num_features, eps=1e-5, affine=False):
        """Without weights unless they are asked for."""
        given = {} if affine else {"weight_attr": False, "bias_attr": False}
        return getattr(nn, f"InstanceNorm{n}D")(num_features, eps, **given)

    return layer


def counting_padding(n):
    """The recipe for n axes."""

    def layer(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        """exclusive is the opposite of count_include_pad, and its default too."""
        return getattr(nn, f"AvgPool{n}D")(
            kernel_size, stride, padding, ceil_mode=ceil_mode, exclusive=not count_include_pad
        )

    return layer


def upsample(size=None, scale_factor=None, mode="nearest", align_corners=False):
    """align_mode=0 is PyTorch's grid; maps without height need another data format."""
    formats = {"linear": "NCW", "trilinear": "NCDHW"}
    return nn.Upsample(size, scale_factor, mode, bool(align_corners), 0, data_format=formats.get(mode, "NCHW"))


def weighted_norm(normalized_shape, eps=1e-5, elementwise_affine=True):
    """Weights are left out by attributes."""
    given = {} if elementwise_affine else {"weight_attr": False, "bias_attr": False}
    return nn.LayerNorm(normalized_shape, eps, **given)


def grouped(num_groups, num_channels, eps=1e-5, affine=True):
    """Weights are left out by attributes."""
    given = {} if affine else {"weight_attr": False, "bias_attr": False}
    return nn.GroupNorm(num_groups, num_channels, eps, **given)


def one_layer(cell):
    """The recipe for a kind of recurrent layer."""

    def layer(input_size, hidden_size, num_layers=1, batch_first=True, bidirectional=False, **more):
        """time_major is the opposite of batch_first, direction a word."""
        direction = "bidirect" if bidirectional else "forward"
        return cell(input_size, hidden_size, num_layers, direction, not batch_first, **more)

    return layer


def attention(embed_dim, num_heads, batch_first=True):
    """Always batch first; weights are not averaged over the heads."""
    return nn.MultiHeadAttention(embed_dim, num_heads)


def encoder_layer(d_model, nhead, dim_feedforward=2048, dropout=0.1, batch_first=True, norm_first=False):
    """normalize_before is PyTorch's norm_first."""
    return nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, normalize_before=norm_first)


def decoder_layer(d_model, nhead, dim_feedforward=2048, dropout=0.1, batch_first=True, norm_first=False):
    """normalize_before is PyTorch's norm_first."""
    return nn.TransformerDecoderLayer(d_model, nhead, dim_feedforward, dropout, normalize_before=norm_first)


def linear(in_features, out_features, bias=True):
    """With PyTorch's initial values; the weight is stored transposed."""
    return nn.Linear(in_features, out_features, bias_attr=None if bias else False)


def conv(n, transposed=False):
    """The recipe for n axes."""

    def layer(*sizes, bias=True, **more):
        """bias_attr=False leaves the bias out."""
        kind = getattr(nn, f"Conv{n}DTranspose" if transposed else f"Conv{n}D")
        return kind(*sizes, **more, bias_attr=None if bias else False)

    return layer


class Functional(nn.Layer):
    """A function with fixed arguments as a layer."""

    def __init__(self, function, **options) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *tensors):
        """Call the function."""
        return self.function(*tensors, **self.options)


def pairwise(p=2.0, eps=1e-6):
    """By its formula, with the exponent 1/p in the dtype of x."""
    return Functional(
        lambda x, y: ((x - y + paddle.full([], eps, x.dtype)).abs() ** p).sum(-1) ** paddle.full([], 1 / p, x.dtype)
    )


def rooted_sums(norm_type, kernel_size):
    """The sums of each patch by unfold, with the exponent 1/p in the dtype of x."""

    def pooled(x):
        maps = x if x.ndim == 4 else x.unsqueeze(2)
        kernel = (kernel_size if x.ndim == 4 else 1, kernel_size)
        batch, channels, height, width = maps.shape
        patches = nn.functional.unfold(maps**norm_type, kernel, kernel).reshape(
            [batch, channels, -1, height // kernel[0], width // kernel[1]]
        )
        out = patches.sum(2) ** paddle.full([], 1 / norm_type, x.dtype)
        return out if x.ndim == 4 else out.squeeze(2)

    return Functional(pooled)


def adaptive(n):
    """The recipe for n axes."""

    def layer(output_size):
        """A mean over the whole map has an exact gradient; other sizes have none."""
        if output_size == 1:
            return Functional(lambda x: x.mean(list(range(-n, 0)), keepdim=True))
        return getattr(nn, f"AdaptiveAvgPool{n}D")(output_size)

    return layer


def folded(output_size, kernel_size, stride=1, padding=0, dilation=1):
    """The same, with plural names."""
    return nn.Fold(output_size, kernel_size, stride, padding, dilation)
