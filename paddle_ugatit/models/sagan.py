"""SAGAN (Zhang et al., ICML 2019, arXiv 1805.08318): a GAN with self-attention on the last two maps.

Contents: SelfAttention, SAGANGenerator, SAGANDiscriminator. Twin: torch_ref/models/sagan.py.
Attribute names are those of the public checkpoint, which is for images of 64 pixels. Here the depth follows from the
image size under the same names: l1, l2, ... change the size of the map, attn1 precedes the last of them, attn2 follows
it.
"""

import paddle
from paddle import nn

from paddle_ugatit.backend.mixed import full, in_float32
from paddle_ugatit.layers.batch_norm import BatchNorm2D
from paddle_ugatit.layers.channels import channel_scale
from paddle_ugatit.layers.convolution import Conv2D, ConvTranspose2D
from paddle_ugatit.layers.leaky_relu import LeakyReLU
from paddle_ugatit.layers.spectral_norm import SpectralNormWrapper
from paddle_ugatit.layers.twice_differentiable import SmoothSoftmax


class SelfAttention(nn.Layer):
    """gamma o + x with o = v softmax(q^T k)^T over all N = H W pixels, eq. 1 to 3: (B,C,H,W) -> (B,C,H,W), (B,N,N).

    Row i of the attention holds the weights with which pixel i attends to every pixel; it sums to 1.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.query_conv = Conv2D(dim, dim // 8, 1)
        self.key_conv = Conv2D(dim, dim // 8, 1)
        self.value_conv = Conv2D(dim, dim, 1)
        self.gamma = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))
        self.softmax = SmoothSoftmax(-1)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        # Reshaped, since Paddle's flatten has no second derivative.
        batch, _, height, width = x.shape
        query = self.query_conv(x).reshape([batch, -1, height * width])  # (B,C/8,N)
        key = self.key_conv(x).reshape([batch, -1, height * width])  # (B,C/8,N)
        value = self.value_conv(x).reshape([batch, -1, height * width])  # (B,C,N)
        attention = self._attention(query, key)  # (B,N,N)
        out = paddle.matmul(value, attention, transpose_y=True).reshape(x.shape)
        # Expanded, so that gamma's gradient is summed map by map: Paddle's own sum loses digits in float32.
        return channel_scale(out, self.gamma.reshape([1, 1, 1, 1]).expand([1, x.shape[1], 1, 1])) + x, attention

    @in_float32
    def _attention(self, query: paddle.Tensor, key: paddle.Tensor) -> paddle.Tensor:
        return self.softmax(paddle.matmul(query, key, transpose_x=True))


class SAGANGenerator(nn.Layer):
    """Latent (B,z) or (B,z,1,1) -> image (B,3,S,S) in [-1,1], attention (B,N,N) with N = (S/4)^2 and N = (S/2)^2."""

    def __init__(self, image_size: int = 64, z_dim: int = 100, conv_dim: int = 64):
        super().__init__()
        self.image_size, self.z_dim, self.depth = image_size, z_dim, depth_of(image_size)
        require_width(conv_dim)
        widths = [z_dim] + [conv_dim * 2**i for i in reversed(range(self.depth))]
        for i in range(self.depth):
            conv = ConvTranspose2D(widths[i], widths[i + 1], 4, **({"stride": 2, "padding": 1} if i else {}))
            layers = SpectralNormWrapper(conv), BatchNorm2D(widths[i + 1]), nn.ReLU()
            setattr(self, f"l{i + 1}", nn.Sequential(*layers))  # (B,widths[i+1],4 2^i,4 2^i)
        self.last = nn.Sequential(ConvTranspose2D(conv_dim, 3, 4, stride=2, padding=1), nn.Tanh())  # (B,3,S,S)
        self.attn1 = SelfAttention(2 * conv_dim)
        self.attn2 = SelfAttention(conv_dim)

    def forward(self, z: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        x = z.reshape([z.shape[0], self.z_dim, 1, 1])
        for i in range(1, self.depth):
            x = getattr(self, f"l{i}")(x)
        x, attention1 = self.attn1(x)
        x, attention2 = self.attn2(getattr(self, f"l{self.depth}")(x))
        return full(self.last(x)), attention1, attention2


class SAGANDiscriminator(nn.Layer):
    """Image (B,3,S,S) -> logit (B,), attention (B,N,N) with N = 8^2 and N = 4^2."""

    def __init__(self, image_size: int = 64, conv_dim: int = 64):
        super().__init__()
        self.image_size, self.depth = image_size, depth_of(image_size)
        require_width(conv_dim)
        widths = [3] + [conv_dim * 2**i for i in range(self.depth)]
        for i in range(self.depth):
            conv = Conv2D(widths[i], widths[i + 1], 4, stride=2, padding=1)
            setattr(self, f"l{i + 1}", nn.Sequential(SpectralNormWrapper(conv), LeakyReLU(0.1)))
        self.last = nn.Sequential(Conv2D(widths[-1], 1, 4))  # (B,1,1,1)
        self.attn1 = SelfAttention(widths[-2])
        self.attn2 = SelfAttention(widths[-1])

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        require_images(x, self.image_size)
        for i in range(1, self.depth):
            x = getattr(self, f"l{i}")(x)
        x, attention1 = self.attn1(x)
        x, attention2 = self.attn2(getattr(self, f"l{self.depth}")(x))
        return full(self.last(x)).reshape([-1]), attention1, attention2


def depth_of(image_size: int) -> int:
    """Return the number of layers l1, l2, ..., log2(S) - 2. Raises ValueError if the image size is invalid."""
    if image_size < 16 or image_size & (image_size - 1):
        raise ValueError(f"SAGAN needs an image size of 16, 32, 64, ..., got {image_size}")
    return image_size.bit_length() - 3


def require_width(conv_dim: int) -> None:
    """Raise ValueError if the width is below 8, since the attention's queries and keys have an eighth of it."""
    if conv_dim < 8:
        raise ValueError(f"SAGAN needs a conv_dim of 8 or more, got {conv_dim}")


def require_images(x: paddle.Tensor, image_size: int) -> None:
    """Raise ValueError unless x holds images of the discriminator's size."""
    if list(x.shape[2:]) != [image_size, image_size]:
        raise ValueError(f"this discriminator takes {image_size}x{image_size} images only, got {list(x.shape[2:])}")


# The names that scripts import.
Generator, Discriminator = SAGANGenerator, SAGANDiscriminator
