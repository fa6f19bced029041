"""Small twins of layers that U-GAT-IT lacks, for faults of the catalogue that it cannot show: CASES.

Each layer is defined twice, as `Torch...` and `Paddle...`, with the same attributes. Random values (noise, dropout's
mask) are arguments, drawn once for both sides.
"""

import paddle
import paddle.nn.functional as PF
import torch
import torch.nn.functional as TF

from align.cases import Case
from align.faults.small_layer import SmallLayer, twin
from align.planting import grid_matrix, run
from paddle_ugatit.backend.compat import constant
from paddle_ugatit.layers.convolution import Conv2D

_FILE = "../align/faults/small_twins.py"


class TorchBatchNorm2D(torch.nn.Module):
    """Batch normalisation that does not count batches."""

    def __init__(self, features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = (torch.nn.Parameter(torch.full([features], value)) for value in (1.0, 0.0))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x):
        state = self.running_mean, self.running_var, self.weight, self.bias
        return TF.batch_norm(x, *state, self.training, self.momentum, self.eps)


class PaddleBatchNorm2D(SmallLayer):
    """(x - mean) / sqrt(var + eps) weight + bias, with batch statistics or, in evaluation, running ones."""

    def __init__(self, features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = self.parameter(features, value=1.0), self.parameter(features, value=0.0)
        self.register_buffer("running_mean", paddle.zeros([features]))
        self.register_buffer("running_var", paddle.ones([features]))

    def forward(self, x):
        if self.training:
            mean = x.mean([0, 2, 3])
            var = ((x - mean.reshape([1, -1, 1, 1])) ** 2).mean([0, 2, 3])
            self._move(mean.detach(), var.detach(), x.size // x.shape[1])
        else:
            mean, var = self.running_mean, self.running_var
        scale = self.weight * paddle.rsqrt(var + constant(self.eps, x))
        return (x - mean.reshape([1, -1, 1, 1])) * scale.reshape([1, -1, 1, 1]) + self.bias.reshape([1, -1, 1, 1])

    def _move(self, mean, var, count):
        for buffer, new in ((self.running_mean, mean), (self.running_var, var * (count / (count - 1)))):
            buffer.set_value(buffer * (1 - self.momentum) + new * self.momentum)


class PaddleAvgPool2D(SmallLayer):
    """Average pooling, 3x3, stride 2, padding 1; the padding is not counted."""

    def forward(self, x):
        count = PF.unfold(paddle.ones([1, 1, *x.shape[2:]], x.dtype), 3, 2, 1).sum(1)
        b, c, h, w = x.shape
        patches = PF.unfold(x, 3, 2, 1).reshape([b, c, 9, -1])  # avg_pool2d's gradient is off by 3e-8 in float64
        return (patches.sum(2) / count).reshape([b, c, (h + 1) // 2, (w + 1) // 2])


class PaddleMaxPool2D(SmallLayer):
    """Max pooling, 2x2, with ceil_mode: odd sizes keep their last row and column."""

    def forward(self, x):
        return PF.max_pool2d(x, 2, 2, ceil_mode=True)


class PaddleZeroPad2D(SmallLayer):
    """Zero padding; `padding` is left, right, top, bottom."""

    def __init__(self, padding):
        super().__init__()
        self.padding = padding

    def forward(self, x):
        return PF.pad(x, list(self.padding))


class TorchResize(torch.nn.Module):
    """Bilinear resize by a factor of 1.5."""

    def forward(self, x):
        return TF.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=False)


class PaddleResize(SmallLayer):
    """Twin of TorchResize, as two matrix products; `kind` is the grid."""

    def __init__(self):
        super().__init__()
        self.kind = "half"

    def forward(self, x):
        for axis in (2, 3):
            length = x.shape[axis]
            weight = paddle.to_tensor(grid_matrix(length, int(1.5 * length), self.kind).astype(x.numpy().dtype))
            x = paddle.matmul(weight, x) if axis == 2 else paddle.matmul(x, weight, transpose_y=True)
        return x


class TorchDropout(torch.nn.Module):
    """Dropout: in training it keeps values where `draw` > 0 and scales them by 1 / (1 - p)."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x, draw):
        return x * (draw > 0).to(x.dtype) / (1 - self.p) if self.training else x * 1


class PaddleDropout(SmallLayer):
    """Twin of TorchDropout."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p, self.mode = p, "upscale_in_train"

    def forward(self, x, draw):
        upscale = self.mode == "upscale_in_train"
        if not self.training:
            return x * (1 if upscale else 1 - self.p)
        return x * (draw > 0).astype(x.dtype) / ((1 - self.p) if upscale else 1)


class PaddleConvTranspose2D(SmallLayer):
    """Transposed convolution, weight (in,out,h,w)."""

    def __init__(self, channels, output_padding):
        super().__init__()
        self.output_padding = output_padding
        self.weight, self.bias = self.parameter(channels, channels, 3, 3), self.parameter(channels)

    def forward(self, x):
        return PF.conv2d_transpose(x, self.weight, self.bias, 2, 1, self.output_padding)


class TorchModulated(torch.nn.Module):
    """StyleGAN2's modulated convolution: weight (style + 1), divided by its length per output."""

    def __init__(self, channels, eps=1e-8):
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.randn(channels, channels, 3, 3) * 0.3), eps

    def forward(self, x, style):
        scale = style + 1
        squares = (scale**2) @ (self.weight**2).sum((2, 3)).t()
        out = TF.conv2d(x * scale[:, :, None, None], self.weight)
        return out * torch.rsqrt(squares + self.eps)[:, :, None, None]


class PaddleModulated(SmallLayer):
    """Twin of TorchModulated; `shift` is added to the style."""

    def __init__(self, channels, eps=1e-8):
        super().__init__()
        self.weight, self.eps, self.shift = self.parameter(channels, channels, 3, 3), eps, 1.0

    def forward(self, x, style):
        scale = style + self.shift
        squares = paddle.matmul(scale**2, (self.weight**2).sum([2, 3]), transpose_y=True)
        out = PF.conv2d(x * scale.unsqueeze([2, 3]), self.weight)
        return out * paddle.rsqrt(squares + constant(self.eps, x)).unsqueeze([2, 3])


class TorchNoise(torch.nn.Module):
    """x + strength noise: (B,C,H,W), (B,1,H,W)."""

    def __init__(self, channels):
        super().__init__()
        self.strength = torch.nn.Parameter(torch.randn(1, channels, 1, 1))

    def forward(self, x, noise):
        return x + self.strength * noise


class PaddleNoise(SmallLayer):
    """Twin of TorchNoise."""

    def __init__(self, channels):
        super().__init__()
        self.strength = self.parameter(1, channels, 1, 1)

    def forward(self, x, noise):
        return x + self.strength * noise


class TorchLoss(torch.nn.Module):
    """Mean squared difference of predictions (N,1) and targets (N,)."""

    def forward(self, x, target):
        return ((x.squeeze(1) - target) ** 2).mean().reshape(1)


class PaddleLoss(SmallLayer):
    """Twin of TorchLoss."""

    def forward(self, x, target):
        return ((x.squeeze(1) - target) ** 2).mean().reshape([1])


class TorchFilterGradient(torch.nn.Module):
    """The gradient of sum(conv(x)^3) with respect to the filter; its own gradient is a second derivative."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3) * 0.3)

    def forward(self, x):
        with torch.enable_grad():
            total = (TF.conv2d(x, self.weight) ** 3).sum()
            return torch.autograd.grad(total, self.weight, create_graph=True)[0]

    def mistakes(self):
        """Return name -> plant, for align/causes/mistakes.py."""

        def direct(_own, layer, x):
            gradient = 3 * TF.conv2d(x, layer.weight).detach() ** 2
            return torch.nn.grad.conv2d_weight(x, layer.weight.shape, gradient)

        return {"the second derivative through the output lost": run(direct)}


class PaddleFilterGradient(SmallLayer):
    """Twin of TorchFilterGradient; `asked_alone` asks the convolution's own derivative for the filter only."""

    def __init__(self):
        super().__init__()
        self.weight, self.asked_alone = self.parameter(4, 3, 3, 3), False

    def forward(self, x):
        with paddle.enable_grad():
            if self.asked_alone:
                total = (PF.conv2d(x, self.weight) ** 3).sum()
                return paddle.grad(total, [self.weight], create_graph=True)[0]
            patches = PF.unfold(x, 3)  # (B,27,pixels)
            out = paddle.matmul(self.weight.reshape([4, 27]), patches)
            return (paddle.matmul(3 * out * out, patches, transpose_y=True)).sum(0).reshape([4, 3, 3, 3])


_BN = twin(
    lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), TorchBatchNorm2D(8), torch.nn.ReLU()),
    lambda: paddle.nn.Sequential(Conv2D(3, 8, 3), PaddleBatchNorm2D(8), paddle.nn.ReLU()),
)
_MAP, _ODD = (3, 6, 8, 8), (3, 6, 9, 7)


def _case(name, of_torch, of_paddle, shapes, layer, **more):
    return Case(name, twin(of_torch, of_paddle), shapes, "", _FILE, layer, **more)


_ALL = [
    Case("conv-bn", _BN, [(3, 3, 9, 7)], "", _FILE, "PaddleBatchNorm2D", calls=2),
    Case("conv-bn-eval", _BN, [(3, 3, 9, 7)], "", _FILE, "PaddleBatchNorm2D", training=False),
    _case(
        "average-pool",
        lambda: torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        PaddleAvgPool2D,
        [_ODD],
        "PaddleAvgPool2D",
    ),
    _case(
        "max-pool", lambda: torch.nn.MaxPool2d(2, 2, ceil_mode=True), PaddleMaxPool2D, [(3, 6, 9, 7)], "PaddleMaxPool2D"
    ),
    _case(
        "zero-pad",
        lambda: torch.nn.ZeroPad2d((1, 2, 3, 0)),
        lambda: PaddleZeroPad2D((1, 2, 3, 0)),
        [_MAP],
        "PaddleZeroPad2D",
    ),
    _case("resize", TorchResize, PaddleResize, [(3, 6, 8, 6)], "PaddleResize"),
    _case("gelu", torch.nn.GELU, paddle.nn.GELU, [_ODD], "GELU"),
    _case("dropout", TorchDropout, PaddleDropout, [_ODD, _ODD], "PaddleDropout"),
    _case("dropout-eval", TorchDropout, PaddleDropout, [_ODD, _ODD], "PaddleDropout", training=False),
    _case(
        "conv-transpose",
        lambda: torch.nn.ConvTranspose2d(6, 6, 3, 2, 1, 1),
        lambda: PaddleConvTranspose2D(6, 1),
        [_ODD],
        "PaddleConvTranspose2D",
    ),
    _case(
        "modulated-conv",
        lambda: TorchModulated(6),
        lambda: PaddleModulated(6),
        [_ODD, (3, 6)],
        "PaddleModulated",
    ),
    _case("noise", lambda: TorchNoise(6), lambda: PaddleNoise(6), [_MAP, (3, 1, 8, 8)], "PaddleNoise"),
    _case("loss", TorchLoss, PaddleLoss, [(5, 1), (5,)], "PaddleLoss"),
    _case("filter-gradient", TorchFilterGradient, PaddleFilterGradient, [(2, 3, 6, 5)], "PaddleFilterGradient"),
]
CASES = {case.name: case for case in _ALL}
