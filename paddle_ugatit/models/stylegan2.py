"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) in its small public form: style network, generator, discriminator.

Contents: EqualLinear, StyleVectorizer (S), Conv2DMod, RGBBlock, GeneratorBlock, StyleGAN2Generator (G),
DiscriminatorBlock, StyleGAN2Discriminator (D). Twin: torch_ref/models/stylegan2.py. Attribute names are those of the
public checkpoint. Its images are in [0,1], not in [-1,1].
"""

import math

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.backend.compat import constant, copied_transpose
from paddle_ugatit.backend.mixed import full
from paddle_ugatit.layers.twice_differentiable import (
    BilinearUpsample,
    Blur,
    SmoothConv2D,
    SmoothLeakyReLU,
    SmoothLinear,
    spread,
)

SLOPE = 0.2  # of every leaky ReLU


class EqualLinear(nn.Layer):
    """x (lr_mul W) + lr_mul b with W from N(0,1), which in effect scales the learning rate: (B,in) -> (B,out)."""

    def __init__(self, in_features: int, out_features: int, lr_mul: float = 0.1):
        super().__init__()
        self.lr_mul = lr_mul
        normal, zeros = nn.initializer.Normal(0.0, 1.0), nn.initializer.Constant(0.0)
        self.weight = self.create_parameter([in_features, out_features], default_initializer=normal)
        self.bias = self.create_parameter([out_features], default_initializer=zeros)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.linear(x, self.weight * self.lr_mul, self.bias * self.lr_mul)


class StyleVectorizer(nn.Layer):
    """S: maps latents to styles, (B,latent) -> (B,latent); appendix B."""

    def __init__(self, latent_dim: int = 512, depth: int = 8, lr_mul: float = 0.1):
        super().__init__()
        pairs = [(EqualLinear(latent_dim, latent_dim, lr_mul), SmoothLeakyReLU(SLOPE)) for _ in range(depth)]
        self.net = nn.Sequential(*[layer for pair in pairs for layer in pair])

    def forward(self, z: paddle.Tensor) -> paddle.Tensor:
        length = paddle.sqrt((z * z).sum(1, keepdim=True))
        return self.net(z / paddle.maximum(length, constant(1e-12, length)))


class Conv2DMod(nn.Layer):
    """Convolution with w (y + 1), eq. 1, normalised if `demod`, eq. 3: (B,in,H,W), (B,in) -> (B,out,H,W).

    Computed as conv(x (y + 1)) / norm, which modulates the activations. The sums are the same in another order, up to 3
    times as fast on a CPU for small maps, and have correct second derivatives. The paper's form is one grouped
    convolution with a filter for each image: there a gradient in the style may pass through the filter alone, where
    Paddle's second derivative is wrong (layers/twice_differentiable.py). Raises ValueError if the kernel is even.
    """

    grouped = False  # whether to compute as the paper does, for comparison

    def __init__(self, in_channels: int, out_channels: int, kernel: int, demod: bool = True, eps: float = 1e-8):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"Conv2DMod needs an odd kernel, got {kernel}")
        self.demod, self.eps, self.padding = demod, eps, kernel // 2
        normal = nn.initializer.Normal(0.0, math.sqrt(2 / (in_channels * kernel**2)))
        self.weight = self.create_parameter([out_channels, in_channels, kernel, kernel], default_initializer=normal)

    def forward(self, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        scale = y + 1
        if self.grouped:
            return self._grouped(x, scale)
        out = F.conv2d(x * spread(scale, x), self.weight, padding=self.padding)
        if not self.demod:
            return out
        squares = paddle.matmul(scale * scale, (self.weight * self.weight).sum([2, 3]), transpose_y=True)  # (B,out)
        return out * spread(paddle.rsqrt(squares + constant(self.eps, squares)), out)

    def _grouped(self, x: paddle.Tensor, scale: paddle.Tensor) -> paddle.Tensor:
        batch, channels, height, width = x.shape
        weight = self.weight.unsqueeze(0) * scale.reshape([batch, 1, channels, 1, 1])  # (B,out,in,k,k)
        if self.demod:
            squares = (weight * weight).sum([2, 3, 4], keepdim=True)
            weight = weight * paddle.rsqrt(squares + constant(self.eps, squares))
        x = x.reshape([1, batch * channels, height, width])
        out = F.conv2d(x, weight.reshape([-1, *weight.shape[2:]]), padding=self.padding, groups=batch)
        return out.reshape([batch, -1, height, width])


class RGBBlock(nn.Layer):
    """Add a block's image to the image of the blocks before it, and double its size if `upsample`; figure 7.

    (B,in,H,W), (B,3,H,W) or None, (B,latent) -> (B,3,2H,2W) or (B,3,H,W).
    """

    def __init__(self, latent_dim: int, in_channels: int, upsample: bool):
        super().__init__()
        self.to_style = SmoothLinear(latent_dim, in_channels)
        self.conv = Conv2DMod(in_channels, 3, 1, demod=False)
        self.upsample = nn.Sequential(BilinearUpsample(), Blur()) if upsample else None

    def forward(self, x: paddle.Tensor, previous: paddle.Tensor | None, style: paddle.Tensor) -> paddle.Tensor:
        image = self.conv(x, self.to_style(style))
        image = image if previous is None else image + previous
        return image if self.upsample is None else self.upsample(image)


def noise_map(noise: paddle.Tensor) -> paddle.Tensor:
    """Return the noise as a map: (B,H,W,C) -> (B,C,W,H).

    quirk: rows and columns are swapped.
    """
    return copied_transpose(noise, [0, 3, 2, 1])


class GeneratorBlock(nn.Layer):
    """Two modulated convolutions with noise, and an image from the result; figure 2 (d).

    (B,in,H,W), image or None, style (B,latent), noise (B,S,S,1) -> (B,filters,2H,2W), image. The first block does not
    upsample its map, the last one not its image.
    """

    def __init__(
        self, latent_dim: int, in_channels: int, filters: int, upsample: bool = True, upsample_rgb: bool = True
    ):
        super().__init__()
        self.upsample = BilinearUpsample() if upsample else None
        self.to_style1 = SmoothLinear(latent_dim, in_channels)
        self.to_noise1 = _silent(SmoothLinear(1, filters))
        self.conv1 = Conv2DMod(in_channels, filters, 3)
        self.to_style2 = SmoothLinear(latent_dim, filters)
        self.to_noise2 = _silent(SmoothLinear(1, filters))
        self.conv2 = Conv2DMod(filters, filters, 3)
        self.activation = SmoothLeakyReLU(SLOPE)
        self.to_rgb = RGBBlock(latent_dim, filters, upsample_rgb)

    def forward(
        self, x: paddle.Tensor, image: paddle.Tensor | None, style: paddle.Tensor, noise: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        x = x if self.upsample is None else self.upsample(x)
        noise = noise[:, : x.shape[2], : x.shape[3]]
        x = self.activation(self.conv1(x, self.to_style1(style)) + noise_map(self.to_noise1(noise)))
        x = self.activation(self.conv2(x, self.to_style2(style)) + noise_map(self.to_noise2(noise)))
        return x, self.to_rgb(x, image, style)


class StyleGAN2Generator(nn.Layer):
    """G: styles (B,layers,latent), one for each block, and noise (B,S,S,1) in [0,1] -> images (B,3,S,S).

    Raises ValueError if the image size is invalid, or if styles or noise have another shape.
    """

    def __init__(self, image_size: int, latent_dim: int = 512, network_capacity: int = 16, fmap_max: int = 512):
        super().__init__()
        require_image_size(image_size)
        self.image_size, self.latent_dim = image_size, latent_dim
        self.num_layers = round(math.log2(image_size)) - 1
        widths = [min(fmap_max, network_capacity * 2 ** (i + 1)) for i in reversed(range(self.num_layers))]
        normal = nn.initializer.Normal(0.0, 1.0)
        self.initial_block = self.create_parameter([1, widths[0], 4, 4], default_initializer=normal)
        self.initial_conv = SmoothConv2D(widths[0], widths[0], 3, padding=1)
        pairs = enumerate(zip([widths[0], *widths], widths, strict=False))
        self.blocks = nn.LayerList(
            [GeneratorBlock(latent_dim, n, m, i > 0, i < self.num_layers - 1) for i, (n, m) in pairs]
        )

    def forward(self, styles: paddle.Tensor, noise: paddle.Tensor) -> paddle.Tensor:
        require_generator_input(self, styles, noise)
        x = self.initial_block.expand([styles.shape[0], *self.initial_block.shape[1:]])
        x, image = self.initial_conv(x), None
        for block, style in zip(self.blocks, styles.unbind(1), strict=True):
            x, image = block(x, image, style, noise)
        return full(image)


class DiscriminatorBlock(nn.Layer):
    """Residual block that halves the size if `downsample`: (B,in,H,W) -> (B,filters,H/2,W/2); figure 7."""

    def __init__(self, in_channels: int, filters: int, downsample: bool = True):
        super().__init__()
        self.conv_res = SmoothConv2D(in_channels, filters, 1, stride=2 if downsample else 1)
        self.net = nn.Sequential(
            SmoothConv2D(in_channels, filters, 3, padding=1),
            SmoothLeakyReLU(SLOPE),
            SmoothConv2D(filters, filters, 3, padding=1),
            SmoothLeakyReLU(SLOPE),
        )
        halving = [Blur(), SmoothConv2D(filters, filters, 3, stride=2, padding=1)]
        self.downsample = nn.Sequential(*halving) if downsample else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.net(x)
        out = out if self.downsample is None else self.downsample(out)
        return (out + self.conv_res(x)) * (1 / math.sqrt(2))


class StyleGAN2Discriminator(nn.Layer):
    """D: images (B,3,S,S) in [0,1] -> logits (B,). Raises ValueError if the image size is invalid."""

    def __init__(self, image_size: int, network_capacity: int = 16, fmap_max: int = 512):
        super().__init__()
        require_image_size(image_size)
        self.image_size, count = image_size, round(math.log2(image_size))
        widths = [3, *[min(fmap_max, network_capacity * 4 * 2**i) for i in range(count)]]
        pairs = enumerate(zip(widths[:-1], widths[1:], strict=True))
        self.blocks = nn.LayerList([DiscriminatorBlock(n, m, i < count - 1) for i, (n, m) in pairs])
        self.final_conv = SmoothConv2D(widths[-1], widths[-1], 3, padding=1)
        self.to_logit = SmoothLinear(4 * widths[-1], 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        size = self.image_size
        if tuple(x.shape[2:]) != (size, size):
            raise ValueError(f"this discriminator takes {size}x{size} images only, got {x.shape[2]}x{x.shape[3]}")
        for block in self.blocks:
            x = block(x)
        x = self.final_conv(x)  # (B,C,2,2)
        return full(self.to_logit(x.reshape([x.shape[0], -1]))).squeeze(1)


def _silent(layer: nn.Layer) -> nn.Layer:
    """Set the weight and bias of a Linear to zero, and return it."""
    for parameter in (layer.weight, layer.bias):
        nn.initializer.Constant(0.0)(parameter)
    return layer


def require_image_size(image_size: int) -> None:
    """Raise ValueError if the networks cannot be built for this image size."""
    if image_size < 4 or image_size & (image_size - 1):
        raise ValueError(f"StyleGAN2 needs an image size that is a power of 2 and 4 or more, got {image_size}")


def require_generator_input(generator: StyleGAN2Generator, styles: paddle.Tensor, noise: paddle.Tensor) -> None:
    """Raise ValueError unless there is a style for every block and noise for every pixel."""
    size = generator.image_size
    if list(styles.shape[1:]) != [generator.num_layers, generator.latent_dim]:
        wanted = f"(B,{generator.num_layers},{generator.latent_dim})"
        raise ValueError(f"this generator takes styles of the shape {wanted}, got {tuple(styles.shape)}")
    if list(noise.shape) != [styles.shape[0], size, size, 1]:
        raise ValueError(f"this generator takes noise of the shape (B,{size},{size},1), got {tuple(noise.shape)}")


# The names that scripts import.
Generator, Discriminator = StyleGAN2Generator, StyleGAN2Discriminator
