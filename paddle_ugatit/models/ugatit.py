"""U-GAT-IT (Kim et al., ICLR 2020, arXiv 1907.10830): generator and discriminator with class activation maps.

Contents: ResnetBlock, ResnetAdaILNBlock, ResnetGenerator, Discriminator; their revisions are those of the public
PyTorch code, now and at first, and of the public TensorFlow code. Twin: torch_ref/models/ugatit.py.
Attribute names are those of the public checkpoint. In mixed precision the CAM heads and the gamma-beta network compute
in float32, and what a network returns is float32.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.backend.mixed import full, in_float32
from paddle_ugatit.layers.channels import channel_scale, spatial_mean
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.leaky_relu import LeakyReLU
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.norm import ILN, AdaILN, InstanceNorm2D, require_revision
from paddle_ugatit.layers.recompute import recomputed
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.sequential import Sequential, chain
from paddle_ugatit.layers.spectral_norm import iterating_spectral_norm, spectral_norm
from paddle_ugatit.layers.upsample import Upsample

FLOAT32_SLOPE = 0.20000000298023224  # of the TensorFlow code's leaky ReLU: 0.2 as it is in float32


@in_float32
def attend(
    x: paddle.Tensor, gap_fc: nn.Layer, gmp_fc: nn.Layer, gap_weight: paddle.Tensor, gmp_weight: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Weight the maps by class activation: (B,C,h,w) -> attended maps (B,2C,h,w), cam_logit (B,2); section 2.1."""
    gap_logit = gap_fc(spatial_mean(x))
    gmp_logit = gmp_fc(F.adaptive_max_pool2d(x, 1).flatten(1))
    gap = channel_scale(x, gap_weight.reshape([1, -1, 1, 1]))
    gmp = channel_scale(x, gmp_weight.reshape([1, -1, 1, 1]))
    return paddle.concat([gap, gmp], 1), paddle.concat([gap_logit, gmp_logit], 1)


@in_float32
def cam_logits(x: paddle.Tensor, fc: nn.Layer) -> paddle.Tensor:
    """Classify a map by its mean and by its maximum, with the head of the TensorFlow code: (B,C,h,w) -> (B,2)."""
    pooled = spatial_mean(x), F.adaptive_max_pool2d(x, 1).flatten(1)
    return paddle.concat([fc(each) for each in pooled], 1)


@in_float32
def attend_twice(x: paddle.Tensor, factor: paddle.Tensor) -> paddle.Tensor:
    """Weight the maps by their class activation, a factor for each: (B,C,h,w), C values -> (B,2C,h,w).

    quirk: the TensorFlow code has one head for both poolings, so both halves of the result are the same.
    """
    attended = channel_scale(x, factor.reshape([1, -1, 1, 1]))
    return paddle.concat([attended, attended], 1)


class ResnetBlock(nn.Layer):
    """Encoder residual block, x + IN(conv(ReLU(IN(conv(x))))): (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, dim: int, revision: str = "current"):
        super().__init__()
        tensorflow = revision == "tensorflow"
        self.conv_block = Sequential(
            ReflectionPad2D(1),
            Conv2D(dim, dim, 3, bias=tensorflow),
            InstanceNorm2D(dim, affine=tensorflow),
            nn.ReLU(),
            ReflectionPad2D(1),
            Conv2D(dim, dim, 3, bias=tensorflow),
            InstanceNorm2D(dim, affine=tensorflow),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.conv_block(x)


class ResnetAdaILNBlock(nn.Layer):
    """Decoder residual block whose AdaILNs take gamma and beta: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W)."""

    recompute = False  # see ResnetGenerator.recompute_blocks

    def __init__(self, dim: int, revision: str = "current"):
        super().__init__()
        self.revision, tensorflow = revision, revision == "tensorflow"
        self.pad1 = ReflectionPad2D(1)
        self.conv1 = Conv2D(dim, dim, 3, bias=tensorflow)
        self.norm1 = AdaILN(dim, revision=revision)
        self.relu1 = nn.ReLU()
        self.pad2 = ReflectionPad2D(1)
        self.conv2 = Conv2D(dim, dim, 3, bias=tensorflow)
        self.norm2 = AdaILN(dim, revision=revision)

    def forward(self, x: paddle.Tensor, gamma: paddle.Tensor, beta: paddle.Tensor) -> paddle.Tensor:
        out = recomputed(self._branch, x, gamma, beta) if self.recompute else self._branch(x, gamma, beta)
        # quirk: the initial revision has no skip here.
        return out if self.revision == "initial" else out + x

    def _branch(self, x: paddle.Tensor, gamma: paddle.Tensor, beta: paddle.Tensor) -> paddle.Tensor:
        out = self.norm1(chain(x, self.pad1, self.conv1), gamma, beta)
        return self.norm2(chain(out, self.relu1, self.pad2, self.conv2), gamma, beta)


def upsampling(ngf: int, output_nc: int, revision: str) -> Sequential:
    """Return the generator's last layers, which enlarge its maps: (B,4ngf,H/4,W/4) -> (B,out,H,W)."""
    return Sequential(
        Upsample(),  # (B,C,H/2,W/2)
        ReflectionPad2D(1),
        Conv2D(4 * ngf, 2 * ngf, 3, bias=revision == "tensorflow"),
        ILN(2 * ngf, revision=revision),
        nn.ReLU(),
        Upsample(),  # (B,2ngf,H,W)
        ReflectionPad2D(1),
        Conv2D(2 * ngf, ngf, 3, bias=revision == "tensorflow"),
        ILN(ngf, revision=revision),
        nn.ReLU(),
        ReflectionPad2D(3),
        Conv2D(ngf, output_nc, 7, bias=revision == "tensorflow"),
        nn.Tanh(),
    )


class ResnetGenerator(nn.Layer):
    """Generator: image (B,in,H,W) -> image (B,out,H,W) in [-1,1], cam_logit (B,2), heatmap (B,1,H/4,W/4).

    The light generator pools before its gamma-beta network and takes images of any size of 5 pixels or more; the full
    one takes images of `img_size` only. The TensorFlow revision has biases everywhere, norms with parameters in its
    encoder, and one head for its class activation; with `older_cam` it has a head of its own for the logits, as files
    from before 2019-08-20 have. Raises ValueError if the size of the images does not fit.
    """

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        ngf: int = 64,
        n_blocks: int = 6,
        img_size: int = 256,
        light: bool = False,
        revision: str = "current",
        older_cam: bool = False,
    ):
        super().__init__()
        require_revision(revision)
        require_img_size(img_size, light)
        require_cam(revision, older_cam)
        self.light, self.img_size, self.n_blocks = light, img_size, n_blocks
        self.tensorflow, self.older_cam = revision == "tensorflow", older_cam
        dim, tensorflow = 4 * ngf, self.tensorflow
        self.DownBlock = nn.Sequential(
            ReflectionPad2D(3),
            Conv2D(input_nc, ngf, 7, bias=tensorflow),
            InstanceNorm2D(ngf, affine=tensorflow),
            nn.ReLU(),
            ReflectionPad2D(1),
            Conv2D(ngf, 2 * ngf, 3, stride=2, bias=tensorflow),  # (B,2ngf,H/2,W/2)
            InstanceNorm2D(2 * ngf, affine=tensorflow),
            nn.ReLU(),
            ReflectionPad2D(1),
            Conv2D(2 * ngf, dim, 3, stride=2, bias=tensorflow),  # (B,C,H/4,W/4), C = 4ngf
            InstanceNorm2D(dim, affine=tensorflow),
            nn.ReLU(),
            *[ResnetBlock(dim, revision) for _ in range(n_blocks)],
        )
        if tensorflow:
            self.cam_fc = Linear(dim, 1)
            if older_cam:
                self.logit_fc = Linear(dim, 1)
        else:
            self.gap_fc = Linear(dim, 1, bias=False)
            self.gmp_fc = Linear(dim, 1, bias=False)
        self.conv1x1 = Conv2D(2 * dim, dim, 1)
        self.relu = nn.ReLU()
        self.FC = nn.Sequential(
            Linear(dim if light else dim * (img_size // 4) ** 2, dim, bias=tensorflow),
            nn.ReLU(),
            Linear(dim, dim, bias=tensorflow),
            nn.ReLU(),
        )
        self.gamma = Linear(dim, dim, bias=tensorflow)
        self.beta = Linear(dim, dim, bias=tensorflow)
        for i in range(n_blocks):
            setattr(self, f"UpBlock1_{i + 1}", ResnetAdaILNBlock(dim, revision))
        self.UpBlock2 = upsampling(ngf, output_nc, revision)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        require_generator_input(x, self.img_size, self.light)
        x = self.DownBlock(x)
        x, cam_logit = self._attend(x)
        x = self.relu(self.conv1x1(x))
        heatmap = full(x).sum(1, keepdim=True)
        gamma, beta = self._styles(x)
        for i in range(self.n_blocks):
            x = getattr(self, f"UpBlock1_{i + 1}")(x, gamma, beta)
        return full(self.UpBlock2(x)), cam_logit, heatmap

    def recompute_blocks(self) -> None:
        """Have the residual blocks and the upsampling compute their activations again in the backward pass.

        That takes less memory and more time, for the same gradients.
        """
        for layer in self.sublayers():
            if isinstance(layer, Sequential | ResnetAdaILNBlock):
                layer.recompute = True

    def _attend(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        if not self.tensorflow:
            return attend(x, self.gap_fc, self.gmp_fc, self.gap_fc.weight, self.gmp_fc.weight)
        # quirk: the bias of the logit is part of the factor of every map.
        factor = self.cam_fc.weight + self.cam_fc.bias
        return attend_twice(x, factor), cam_logits(x, self.logit_fc if self.older_cam else self.cam_fc)

    @in_float32
    def _styles(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return gamma and beta of the decoder's norms: (B,C,h,w) -> (B,C), (B,C)."""
        # A product with a few rows takes less time than a cast of the weights to half precision.
        style = self.FC(spatial_mean(x) if self.light else self._flatten(x))
        return self.gamma(style), self.beta(style)

    def _flatten(self, x: paddle.Tensor) -> paddle.Tensor:
        # quirk: TensorFlow's maps have their channels last: the rows of its first Linear run over (h,w,C).
        return (x.transpose([0, 2, 3, 1]) if self.tensorflow else x).flatten(1)


class Discriminator(nn.Layer):
    """PatchGAN with class activation maps: image (B,in,H,W) -> logit map (B,1,h-1,w-1), cam_logit (B,2), heatmap.

    The heatmap is (B,1,h,w) with h = H/2^(n_layers-2) - 1. The global discriminator has n_layers = 7, the local one 5.
    In the TensorFlow revision h = H/2^(n_layers-2), the logit map has that size too, and every forward makes a power
    iteration; with `older_cam` the attended maps are computed with the raw weight, as in its code before 2019-08-19.
    """

    def __init__(
        self, input_nc: int, ndf: int = 64, n_layers: int = 5, revision: str = "current", older_cam: bool = False
    ):
        super().__init__()
        require_revision(revision)
        require_cam(revision, older_cam)
        if n_layers < 3:
            raise ValueError(f"Discriminator needs n_layers >= 3, got {n_layers}")
        self.tensorflow, self.older_cam = revision == "tensorflow", older_cam
        self.n_layers, tensorflow = n_layers, self.tensorflow
        normalise = iterating_spectral_norm if tensorflow else spectral_norm
        slope = FLOAT32_SLOPE if tensorflow else 0.2
        widths = [input_nc] + [ndf * 2**i for i in range(n_layers - 1)]
        layers = []
        for i in range(n_layers - 1):
            stride = 1 if i == n_layers - 2 else 2
            layers += [
                ReflectionPad2D(1, 2) if tensorflow and stride == 1 else ReflectionPad2D(1),
                normalise(Conv2D(widths[i], widths[i + 1], 4, stride=stride)),
                LeakyReLU(slope),
            ]
        self.model = nn.Sequential(*layers)
        dim = widths[-1]
        if tensorflow:
            setattr(self, "raw_cam_fc" if older_cam else "cam_fc", normalise(Linear(dim, 1)))
        else:
            self.gap_fc = normalise(Linear(dim, 1, bias=False))
            self.gmp_fc = normalise(Linear(dim, 1, bias=False))
        self.conv1x1 = Conv2D(2 * dim, dim, 1)
        self.leaky_relu = LeakyReLU(slope)
        self.pad = ReflectionPad2D(1, 2) if tensorflow else ReflectionPad2D(1)
        self.conv = normalise(Conv2D(dim, 1, 4, bias=tensorflow))

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        require_discriminator_input(x, self.n_layers)
        x = self.model(x)
        x, cam_logit = self._attend(x)
        x = self.leaky_relu(self.conv1x1(x))
        heatmap = full(x).sum(1, keepdim=True)
        return full(self.conv(self.pad(x))), cam_logit, heatmap

    def _attend(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        if not self.tensorflow:
            # quirk: the CAM logit is computed with the normalised weight, the attended maps with the raw one.
            return attend(x, self.gap_fc, self.gmp_fc, self.gap_fc.weight_orig, self.gmp_fc.weight_orig)
        fc = self.raw_cam_fc if self.older_cam else self.cam_fc
        logit = cam_logits(x, fc)
        # All passes in one forward have the same sigma up to rounding error, the length of the only row.
        weight = fc.weight_orig if self.older_cam else fc.weight_orig / fc.spectral.sigma[0]
        return attend_twice(x, weight + fc.bias), logit


def require_cam(revision: str, older_cam: bool) -> None:
    """Raise ValueError if `older_cam` is asked for in a revision that has no such heads."""
    if older_cam and revision != "tensorflow":
        raise ValueError(f"older_cam is of the revision tensorflow only, not of {revision}")


def require_img_size(img_size: int, light: bool) -> None:
    """Raise ValueError if a generator cannot be built for this `img_size`."""
    if not light and (img_size < 8 or img_size % 4):
        raise ValueError(f"the full generator needs an img_size that is a multiple of 4 and at least 8, got {img_size}")
    if light and img_size < 5:
        raise ValueError(f"the light generator needs an img_size of 5 or more, got {img_size}")


def require_generator_input(x: paddle.Tensor, img_size: int, light: bool) -> None:
    """Raise ValueError if the generator cannot take images of x's height and width."""
    height, width = x.shape[2:]
    if light and min(height, width) < 5:
        raise ValueError(f"the light generator needs images of 5x5 pixels or more, got {height}x{width}")
    if not light and (height, width) != (img_size, img_size):
        raise ValueError(f"this full generator takes {img_size}x{img_size} images only, got {height}x{width}")


def require_discriminator_input(x: paddle.Tensor, n_layers: int) -> None:
    """Raise ValueError if images of x's height and width are too small for the discriminator."""
    height, width = x.shape[2:]
    require_discriminator_size(height, width, n_layers)


def require_discriminator_size(height: int, width: int, n_layers: int) -> None:
    """Raise ValueError if images of this size are too small for a discriminator of `n_layers`."""
    smallest = 3 * 2 ** (n_layers - 2)  # the last reflect pad needs a map of 2x2 or more
    if min(height, width) < smallest:
        raise ValueError(
            f"a discriminator of {n_layers} layers needs images of {smallest}x{smallest} pixels or more, "
            f"got {height}x{width}: use fewer layers or larger images"
        )
