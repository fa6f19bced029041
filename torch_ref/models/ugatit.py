"""U-GAT-IT (Kim et al., ICLR 2020, arXiv 1907.10830): generator and discriminator with class activation maps.

Contents: ResnetBlock, ResnetAdaILNBlock, ResnetGenerator, Discriminator. Twin: paddle_ugatit/models/ugatit.py.
Attribute names are those of the public checkpoint.
"""

import torch
import torch.nn.functional as F
from torch import nn

from torch_ref.layers.norm import ILN, AdaILN, require_revision
from torch_ref.layers.spectral_norm import spectral_norm


def attend(
    x: torch.Tensor, gap_fc: nn.Module, gmp_fc: nn.Module, gap_weight: torch.Tensor, gmp_weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight the maps by class activation: (B,C,h,w) -> attended maps (B,2C,h,w), cam_logit (B,2); section 2.1."""
    gap_logit = gap_fc(x.mean((2, 3)))
    gmp_logit = gmp_fc(F.adaptive_max_pool2d(x, 1).flatten(1))
    gap = x * gap_weight[:, :, None, None]
    gmp = x * gmp_weight[:, :, None, None]
    return torch.cat([gap, gmp], 1), torch.cat([gap_logit, gmp_logit], 1)


class ResnetBlock(nn.Module):
    """Encoder residual block, x + IN(conv(ReLU(IN(conv(x))))): (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, dim: int):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(dim, dim, 3, bias=False),
            nn.InstanceNorm2d(dim),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(dim, dim, 3, bias=False),
            nn.InstanceNorm2d(dim),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class ResnetAdaILNBlock(nn.Module):
    """Decoder residual block whose AdaILNs take gamma and beta: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W)."""

    def __init__(self, dim: int, revision: str = "current"):
        super().__init__()
        self.revision = revision
        self.pad1 = nn.ReflectionPad2d(1)
        self.conv1 = nn.Conv2d(dim, dim, 3, bias=False)
        self.norm1 = AdaILN(dim, revision=revision)
        self.relu1 = nn.ReLU()
        self.pad2 = nn.ReflectionPad2d(1)
        self.conv2 = nn.Conv2d(dim, dim, 3, bias=False)
        self.norm2 = AdaILN(dim, revision=revision)

    def forward(self, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        out = self.norm1(self.conv1(self.pad1(x)), gamma, beta)
        out = self.norm2(self.conv2(self.pad2(self.relu1(out))), gamma, beta)
        # quirk: the initial revision has no skip here.
        return out + x if self.revision == "current" else out


class ResnetGenerator(nn.Module):
    """Generator: image (B,in,H,W) -> image (B,out,H,W) in [-1,1], cam_logit (B,2), heatmap (B,1,H/4,W/4).

    The light generator pools before its gamma-beta network and takes images of any size of 5 pixels or more; the full
    one takes images of `img_size` only. Raises ValueError if the size of the images does not fit.
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
    ):
        super().__init__()
        require_revision(revision)
        require_img_size(img_size, light)
        self.light, self.img_size, self.n_blocks = light, img_size, n_blocks
        dim = 4 * ngf
        self.DownBlock = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(input_nc, ngf, 7, bias=False),
            nn.InstanceNorm2d(ngf),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(ngf, 2 * ngf, 3, stride=2, bias=False),  # (B,2ngf,H/2,W/2)
            nn.InstanceNorm2d(2 * ngf),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(2 * ngf, dim, 3, stride=2, bias=False),  # (B,C,H/4,W/4), C = 4ngf
            nn.InstanceNorm2d(dim),
            nn.ReLU(),
            *[ResnetBlock(dim) for _ in range(n_blocks)],
        )
        self.gap_fc = nn.Linear(dim, 1, bias=False)
        self.gmp_fc = nn.Linear(dim, 1, bias=False)
        self.conv1x1 = nn.Conv2d(2 * dim, dim, 1)
        self.relu = nn.ReLU()
        self.FC = nn.Sequential(
            nn.Linear(dim if light else dim * (img_size // 4) ** 2, dim, bias=False),
            nn.ReLU(),
            nn.Linear(dim, dim, bias=False),
            nn.ReLU(),
        )
        self.gamma = nn.Linear(dim, dim, bias=False)
        self.beta = nn.Linear(dim, dim, bias=False)
        for i in range(n_blocks):
            setattr(self, f"UpBlock1_{i + 1}", ResnetAdaILNBlock(dim, revision))
        self.UpBlock2 = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),  # (B,C,H/2,W/2)
            nn.ReflectionPad2d(1),
            nn.Conv2d(dim, 2 * ngf, 3, bias=False),
            ILN(2 * ngf, revision=revision),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),  # (B,2ngf,H,W)
            nn.ReflectionPad2d(1),
            nn.Conv2d(2 * ngf, ngf, 3, bias=False),
            ILN(ngf, revision=revision),
            nn.ReLU(),
            nn.ReflectionPad2d(3),
            nn.Conv2d(ngf, output_nc, 7, bias=False),
            nn.Tanh(),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        require_generator_input(x, self.img_size, self.light)
        x = self.DownBlock(x)
        x, cam_logit = attend(x, self.gap_fc, self.gmp_fc, self.gap_fc.weight, self.gmp_fc.weight)
        x = self.relu(self.conv1x1(x))
        heatmap = x.sum(1, keepdim=True)
        style = self.FC(x.mean((2, 3)) if self.light else x.flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        for i in range(self.n_blocks):
            x = getattr(self, f"UpBlock1_{i + 1}")(x, gamma, beta)
        return self.UpBlock2(x), cam_logit, heatmap


class Discriminator(nn.Module):
    """PatchGAN with class activation maps: image (B,in,H,W) -> logit map (B,1,h-1,w-1), cam_logit (B,2), heatmap.

    The heatmap is (B,1,h,w) with h = H/2^(n_layers-2) - 1. The global discriminator has n_layers = 7, the local one 5.
    """

    def __init__(self, input_nc: int, ndf: int = 64, n_layers: int = 5):
        super().__init__()
        if n_layers < 3:
            raise ValueError(f"Discriminator needs n_layers >= 3, got {n_layers}")
        self.n_layers = n_layers
        widths = [input_nc] + [ndf * 2**i for i in range(n_layers - 1)]
        layers = []
        for i in range(n_layers - 1):
            stride = 1 if i == n_layers - 2 else 2
            layers += [
                nn.ReflectionPad2d(1),
                spectral_norm(nn.Conv2d(widths[i], widths[i + 1], 4, stride=stride)),
                nn.LeakyReLU(0.2),
            ]
        self.model = nn.Sequential(*layers)
        dim = widths[-1]
        self.gap_fc = spectral_norm(nn.Linear(dim, 1, bias=False))
        self.gmp_fc = spectral_norm(nn.Linear(dim, 1, bias=False))
        self.conv1x1 = nn.Conv2d(2 * dim, dim, 1)
        self.leaky_relu = nn.LeakyReLU(0.2)
        self.pad = nn.ReflectionPad2d(1)
        self.conv = spectral_norm(nn.Conv2d(dim, 1, 4, bias=False))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        require_discriminator_input(x, self.n_layers)
        x = self.model(x)
        # quirk: the CAM logit is computed with the normalised weight, the attended maps with the raw one.
        x, cam_logit = attend(x, self.gap_fc, self.gmp_fc, self.gap_fc.weight_orig, self.gmp_fc.weight_orig)
        x = self.leaky_relu(self.conv1x1(x))
        heatmap = x.sum(1, keepdim=True)
        return self.conv(self.pad(x)), cam_logit, heatmap


def require_img_size(img_size: int, light: bool) -> None:
    """Raise ValueError if a generator cannot be built for this `img_size`."""
    if not light and (img_size < 8 or img_size % 4):
        raise ValueError(f"the full generator needs an img_size that is a multiple of 4 and at least 8, got {img_size}")
    if light and img_size < 5:
        raise ValueError(f"the light generator needs an img_size of 5 or more, got {img_size}")


def require_generator_input(x: torch.Tensor, img_size: int, light: bool) -> None:
    """Raise ValueError if the generator cannot take images of x's height and width."""
    height, width = x.shape[2:]
    if light and min(height, width) < 5:
        raise ValueError(f"the light generator needs images of 5x5 pixels or more, got {height}x{width}")
    if not light and (height, width) != (img_size, img_size):
        raise ValueError(f"this full generator takes {img_size}x{img_size} images only, got {height}x{width}")


def require_discriminator_input(x: torch.Tensor, n_layers: int) -> None:
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
