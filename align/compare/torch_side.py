"""PyTorch's side of a comparison. Twin: align/compare/paddle_side.py, the same methods for Paddle.

Tensors never leave their side; arrays pass between the sides, parameters in PyTorch's layout.
"""

import os
from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from align.compare.side import Side
from paddle_ugatit.systems import SYSTEMS
from torch_ref.layers import twice_differentiable as smooth
from torch_ref.layers.batch_norm import FrozenBatchNorm2D
from torch_ref.layers.norm import ILN, AdaILN, AdaIN
from torch_ref.layers.spectral_norm import SpectralNormWrapper, spectral_norm
from torch_ref.models import sagan, stylegan2
from torch_ref.models.adain import Decoder, Encoder, StyleTransfer
from torch_ref.models.inception import InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionV3
from torch_ref.models.ugatit import Discriminator, ResnetAdaILNBlock, ResnetBlock, ResnetGenerator, attend


class TorchCamHead(nn.Module):
    """The class activation map alone, as in the generator or, with `spectral`, the discriminator."""

    def __init__(self, dim, spectral):
        super().__init__()
        wrap = spectral_norm if spectral else lambda layer: layer
        self.leaf = "weight_orig" if spectral else "weight"
        self.gap_fc = wrap(nn.Linear(dim, 1, bias=False))
        self.gmp_fc = wrap(nn.Linear(dim, 1, bias=False))
        self.conv1x1 = nn.Conv2d(2 * dim, dim, 1)

    def forward(self, x):
        x, logit = attend(x, self.gap_fc, self.gmp_fc, getattr(self.gap_fc, self.leaf), getattr(self.gmp_fc, self.leaf))
        return self.conv1x1(x), logit


class TorchTwoStyles(nn.Module):
    """Style transfer as in tools/stylize.py: two styles divided by a mask, and alpha below 1."""

    def __init__(self, transfer):
        super().__init__()
        self.transfer = transfer

    def forward(self, content, style, other, x):
        mask = x * x / (1 + x * x)
        return self.transfer(content, style, other, shares=(mask, 1 - mask), alpha=0.6)


class TorchViewed(nn.Module):
    """A layer whose first input is a view with strides: "transposed" from (B,H,W,C), "cropped" or "strided"."""

    def __init__(self, layer, kind):
        super().__init__()
        self.layer, self.kind = layer, kind

    def forward(self, x, *more):
        if self.kind == "transposed":
            return self.layer(x.permute(0, 3, 1, 2), *more)
        return self.layer(x[:, :, 1:-1, 2:-2] if self.kind == "cropped" else x[:, :, ::2, ::2], *more)


class TorchTurned(nn.Module):
    """A layer whose output is turned to (B,H,W,C), so that the gradient that reaches it is a view with strides."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        return self.layer(*inputs).permute(0, 2, 3, 1)


class TorchPlain(nn.Module):
    """A layer, which has but one way here; the twin of PaddlePlain."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        return self.layer(*inputs)


LAYERS = SimpleNamespace(
    framework="torch",
    AdaILN=AdaILN,
    AdaIN=AdaIN,
    BatchNorm2D=nn.BatchNorm2d,
    Chain=nn.Sequential,
    CamHead=TorchCamHead,
    Conv2D=nn.Conv2d,
    ConvTranspose2D=nn.ConvTranspose2d,
    Decoder=Decoder,
    Discriminator=Discriminator,
    Encoder=Encoder,
    FrozenBatchNorm2D=FrozenBatchNorm2D,
    GroupedConv2DMod=stylegan2.Conv2DMod,
    ILN=ILN,
    InceptionA=InceptionA,
    InceptionB=InceptionB,
    InceptionC=InceptionC,
    InceptionD=InceptionD,
    InceptionE=InceptionE,
    InceptionV3=InceptionV3,
    InstanceNorm2D=nn.InstanceNorm2d,
    LeakyReLU=nn.LeakyReLU,
    PReLU=nn.PReLU,
    Linear=nn.Linear,
    ReflectionPad2D=nn.ReflectionPad2d,
    ResnetAdaILNBlock=ResnetAdaILNBlock,
    ResnetBlock=ResnetBlock,
    ResnetGenerator=ResnetGenerator,
    SaganDiscriminator=sagan.SAGANDiscriminator,
    SaganGenerator=sagan.SAGANGenerator,
    SelfAttention=sagan.SelfAttention,
    Sequential=nn.Sequential,
    SpectralNormWrapper=SpectralNormWrapper,
    Plain=TorchPlain,
    StyleTransfer=StyleTransfer,
    TwoStyles=TorchTwoStyles,
    Upsample=lambda: nn.Upsample(scale_factor=2, mode="nearest"),
    Turned=TorchTurned,
    Twice=TorchPlain,
    Viewed=TorchViewed,
    smooth=smooth,
    spectral_norm=spectral_norm,
    **{system.name: import_module(f"torch_ref.models.{system.name}") for system in SYSTEMS},
)


class TorchSide(Side):
    """PyTorch in one dtype, "float64" or "float32"."""

    name, version = "torch", torch.__version__

    def __init__(self, dtype, jitter=None, units=1):
        """With `jitter`, a NumPy generator, every input value moves by up to half a unit in its last place, or more.

        `units` is how many half units.
        """
        self.units = units * {"float32": 2.0**-24, "float64": 2.0**-53}[dtype]
        self.dtype, self.jitter = dtype, jitter
        # PyTorch follows OMP_NUM_THREADS only if it is loaded after the variable is set.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or torch.get_num_threads()))

    def build(self, build, seed):
        """Build a freshly initialised model."""
        torch.manual_seed(seed)
        default = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, self.dtype))
        try:
            return build(LAYERS)
        finally:
            torch.set_default_dtype(default)

    def load(self, model, state):
        """Copy a state dict of arrays into the model. Raises RuntimeError if a name or shape does not match."""
        tensors = {key: torch.from_numpy(np.array(value, self.dtype)) for key, value in state.items()}
        model.load_state_dict(tensors)

    def state(self, model):
        """Return copies of all parameters and buffers."""
        return {key: value.detach().numpy().copy() for key, value in model.state_dict().items()}

    def set_buffers(self, model, state):
        """Reset the buffers to their values in `state`."""
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(torch.from_numpy(np.array(state[name], self.dtype)))

    def buffers(self, model):
        """Return copies of the buffers by name."""
        return {name: buffer.detach().numpy().copy() for name, buffer in model.named_buffers()}

    def leaves(self, model):
        """Return path -> layer for every layer without sublayers."""
        return {path: layer for path, layer in model.named_modules() if not list(layer.children())}

    def layer_types(self, model):
        """Return path -> class name for every layer."""
        return {path: type(layer).__name__ for path, layer in model.named_modules()}

    def tensor(self, array, grad=False, like=None):
        """Return a tensor in this side's dtype; with `grad`, a leaf that accumulates its gradient.

        `like` is a tensor that it stands for, whose dtype a side for models of any kind takes over.
        """
        return torch.from_numpy(np.asarray(self._jittered(array), self.dtype, order="C")).requires_grad_(grad)

    def _jittered(self, array):
        if self.jitter is None:
            return array
        noise = self.jitter.uniform(-self.units, self.units, min(array.size, 65537))  # repeated in a large map
        return array * (1 + np.resize(noise, array.shape))

    def learned(self, model, state):
        """Return those arrays of a state that may be moved away from their initial values; here all of them."""
        return state

    def facts(self, model):
        """Return what else a reference holds about the model; here nothing."""
        return {}

    def takes_gradient(self, value):
        """Return whether this is a tensor that a gradient can be passed to."""
        return self.is_tensor(value) and value.requires_grad

    def is_tensor(self, value):
        """Return whether this is a tensor of this framework."""
        return isinstance(value, torch.Tensor)

    def array(self, tensor):
        """Return the tensor's values as an array that shares its memory; None for None."""
        return None if tensor is None else tensor.detach().numpy()

    def branch(self, tensor):
        """Return the same values on a separate branch of the graph, whose gradient is that of one consumer."""
        return tensor.view_as(tensor)

    def layer_by_layer(self):
        """A context in which no layers are fused; here they never are."""
        return nullcontext()

    def no_gradients(self):
        """Return a context in which no graph is recorded."""
        return torch.no_grad()

    def cross_zero(self, tensor, distance):
        """Flip the sign of values closer to zero than `distance`; gradients pass unchanged."""
        with torch.no_grad():
            shift = torch.where(tensor.abs() < distance, -2 * tensor, torch.zeros_like(tensor))
        return tensor + shift

    def kinks(self, model):
        """Return the paths of the leaves whose derivative jumps at zero."""
        return {
            path for path, leaf in self.leaves(model).items() if isinstance(leaf, nn.ReLU | nn.LeakyReLU | nn.PReLU)
        }

    def watch_gradient(self, tensor, call):
        """Have `call(array)` called with the tensor's gradient once it is known; never if the tensor takes none."""
        if tensor.requires_grad:
            tensor.register_hook(lambda grad: call(self.array(grad)))

    def backward(self, tensors, gradients, keep=False):
        """Backpropagate sum(<tensor, gradient>) over the tensors that take a gradient; `keep` retains the graph."""
        pairs = zip(tensors, gradients, strict=True)
        wanted = [(t, self.tensor(g, like=t)) for t, g in pairs if g is not None and self.takes_gradient(t)]
        if wanted:
            torch.autograd.backward(*zip(*wanted, strict=True), retain_graph=keep)

    def gradient(self, tensor):
        """Return the gradient accumulated so far as an array, or None."""
        return self.array(tensor.grad)

    def parameter_gradients(self, model):
        """Return name -> gradient as an array, or None."""
        return {name: self.array(parameter.grad) for name, parameter in model.named_parameters()}

    def clear_gradients(self, model):
        """Clear all parameter gradients."""
        model.zero_grad(set_to_none=True)
