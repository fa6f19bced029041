"""Paddle's side of a comparison. Twin: align/compare/torch_side.py, the same methods for PyTorch.

Tensors never leave their side; arrays pass between the sides, parameters in PyTorch's layout.
"""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import paddle
from paddle import nn

from align.compare.side import Side
from paddle_ugatit import weights
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.layers import plain
from paddle_ugatit.layers import twice_differentiable as smooth
from paddle_ugatit.layers.batch_norm import BatchNorm2D, FrozenBatchNorm2D
from paddle_ugatit.layers.convolution import Conv2D, ConvTranspose2D
from paddle_ugatit.layers.fast.dispatch import twice_differentiable
from paddle_ugatit.layers.leaky_relu import LeakyReLU
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.norm import ILN, AdaILN, AdaIN, InstanceNorm2D
from paddle_ugatit.layers.prelu import PReLU
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.sequential import Sequential
from paddle_ugatit.layers.spectral_norm import SpectralNormWrapper, spectral_norm
from paddle_ugatit.layers.upsample import Upsample
from paddle_ugatit.models import sagan, stylegan2
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer
from paddle_ugatit.models.inception import InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionV3
from paddle_ugatit.models.ugatit import Discriminator, ResnetAdaILNBlock, ResnetBlock, ResnetGenerator, attend
from paddle_ugatit.systems import SYSTEMS


class PaddleCamHead(nn.Layer):
    """The class activation map alone, as in the generator or, with `spectral`, the discriminator."""

    def __init__(self, dim, spectral):
        super().__init__()
        wrap = spectral_norm if spectral else lambda layer: layer
        self.leaf = "weight_orig" if spectral else "weight"
        self.gap_fc = wrap(Linear(dim, 1, bias=False))
        self.gmp_fc = wrap(Linear(dim, 1, bias=False))
        self.conv1x1 = Conv2D(2 * dim, dim, 1)

    def forward(self, x):
        x, logit = attend(x, self.gap_fc, self.gmp_fc, getattr(self.gap_fc, self.leaf), getattr(self.gmp_fc, self.leaf))
        return self.conv1x1(x), logit


class GroupedConv2DMod(stylegan2.Conv2DMod):
    """StyleGAN2's modulated convolution as a grouped convolution, as in the paper and the PyTorch twin."""

    grouped = True


class PaddleTwoStyles(nn.Layer):
    """Style transfer as in tools/stylize.py: two styles divided by a mask, and alpha below 1."""

    def __init__(self, transfer):
        super().__init__()
        self.transfer = transfer

    def forward(self, content, style, other, x):
        mask = x * x / (1 + x * x)
        return self.transfer(content, style, other, shares=(mask, 1 - mask), alpha=0.6)


class PaddleViewed(nn.Layer):
    """A layer whose first input is a view with strides: "transposed" from (B,H,W,C), "cropped" or "strided"."""

    def __init__(self, layer, kind):
        super().__init__()
        self.layer, self.kind = layer, kind

    def forward(self, x, *more):
        if self.kind == "transposed":
            return self.layer(x.transpose([0, 3, 1, 2]), *more)
        return self.layer(x[:, :, 1:-1, 2:-2] if self.kind == "cropped" else x[:, :, ::2, ::2], *more)


class PaddleTurned(nn.Layer):
    """A layer whose output is turned to (B,H,W,C), so that the gradient that reaches it is a view with strides."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        return self.layer(*inputs).transpose([0, 2, 3, 1])


class PaddlePlain(nn.Layer):
    """A layer by its plain formulas, as on a GPU: every faster way is switched off."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        with plain():
            return self.layer(*inputs)


class PaddleTwice(PaddlePlain):
    """A layer by operations that have second derivatives, as a gradient penalty takes them."""

    def forward(self, *inputs):
        with twice_differentiable():
            return self.layer(*inputs)


LAYERS = SimpleNamespace(
    framework="paddle",
    AdaILN=AdaILN,
    AdaIN=AdaIN,
    BatchNorm2D=BatchNorm2D,
    Chain=Sequential,
    CamHead=PaddleCamHead,
    Conv2D=Conv2D,
    ConvTranspose2D=ConvTranspose2D,
    Decoder=Decoder,
    Discriminator=Discriminator,
    Encoder=Encoder,
    FrozenBatchNorm2D=FrozenBatchNorm2D,
    GroupedConv2DMod=GroupedConv2DMod,
    ILN=ILN,
    InceptionA=InceptionA,
    InceptionB=InceptionB,
    InceptionC=InceptionC,
    InceptionD=InceptionD,
    InceptionE=InceptionE,
    InceptionV3=InceptionV3,
    InstanceNorm2D=InstanceNorm2D,
    LeakyReLU=LeakyReLU,
    PReLU=PReLU,
    Linear=Linear,
    ReflectionPad2D=ReflectionPad2D,
    ResnetAdaILNBlock=ResnetAdaILNBlock,
    ResnetBlock=ResnetBlock,
    ResnetGenerator=ResnetGenerator,
    SaganDiscriminator=sagan.SAGANDiscriminator,
    SaganGenerator=sagan.SAGANGenerator,
    SelfAttention=sagan.SelfAttention,
    Sequential=nn.Sequential,
    SpectralNormWrapper=SpectralNormWrapper,
    Plain=PaddlePlain,
    StyleTransfer=StyleTransfer,
    TwoStyles=PaddleTwoStyles,
    Upsample=Upsample,
    Turned=PaddleTurned,
    Twice=PaddleTwice,
    Viewed=PaddleViewed,
    smooth=smooth,
    spectral_norm=spectral_norm,
    **{system.name: import_module(f"paddle_ugatit.models.{system.name}") for system in SYSTEMS},
)


class PaddleSide(Side):
    """Paddle in one dtype, "float64" or "float32"."""

    name, version = "paddle", paddle.__version__

    def __init__(self, dtype):
        self.dtype = dtype

    def build(self, build, seed):
        """Build a freshly initialised model."""
        paddle.seed(seed)
        with default_dtype(self.dtype):
            return build(LAYERS)

    def load(self, model, state):
        """Convert a PyTorch state dict of arrays and copy it into the model. Raises WeightError if it does not fit."""
        wanted = {key: self._of_dtype(value) for key, value in state.items()}
        own = model.state_dict()
        for key, value in weights.to_paddle(wanted, model).items():
            own[key].set_value(value)

    def load_matching(self, model, state, names=None):
        """Copy the arrays that fit by name and shape, and leave the others; for a model that `load` refuses.

        `names` maps the model's keys to those of `state` where they differ.
        """
        own = model.state_dict()
        for key, (name, transposed) in self._places(model).items():
            value = state.get((names or {}).get(name, name))
            value = value.T if transposed and value is not None else value
            if value is not None and list(value.shape) == list(own[key].shape):
                own[key].set_value(np.ascontiguousarray(self._of_dtype(value)))

    def _places(self, model):
        """Key of each parameter and buffer -> (PyTorch's key, whether the array is transposed)."""
        return {key: (key, bool(rule and rule.transpose)) for key, rule in weights.rules_of(model).items()}

    def _of_dtype(self, value):
        """Cast an array to this side's dtype; integers are left alone."""
        return np.asarray(value, None if value.dtype.kind == "i" else self.dtype)

    def state(self, model):
        """Return copies of all parameters and buffers in PyTorch's layout; those without a rule stay as they are."""
        return self._in_torch_layout(model, {key: value.numpy() for key, value in model.state_dict().items()})

    def _in_torch_layout(self, model, arrays):
        rules = weights.rules_of(model)
        transposed = {key for key, rule in rules.items() if rule and rule.transpose}
        return {key: a.T if key in transposed and a is not None else a for key, a in arrays.items()}

    def set_buffers(self, model, state):
        """Reset the buffers to their values in `state`."""
        for name, buffer in model.named_buffers():
            buffer.set_value(self._of_dtype(state[name]))

    def buffers(self, model):
        """Return copies of the buffers by name."""
        return {name: buffer.numpy() for name, buffer in model.named_buffers()}

    def leaves(self, model):
        """Return path -> layer for every layer without sublayers."""
        return {path: layer for path, layer in model.named_sublayers(include_self=True) if not list(layer.children())}

    def layer_types(self, model):
        """Return path -> class name for every layer."""
        return {path: type(layer).__name__ for path, layer in model.named_sublayers(include_self=True)}

    def tensor(self, array, grad=False, like=None):
        """Return a tensor in this side's dtype; with `grad`, a leaf that accumulates its gradient.

        `like` is a tensor that it stands for, whose dtype a side for models of any kind takes over.
        """
        return paddle.to_tensor(np.asarray(array, self.dtype), stop_gradient=not grad)

    def takes_gradient(self, value):
        """Return whether this is a tensor that a gradient can be passed to."""
        return self.is_tensor(value) and not value.stop_gradient

    def is_tensor(self, value):
        """Return whether this is a tensor of this framework."""
        return isinstance(value, paddle.Tensor)

    def array(self, tensor):
        """Return a copy of the tensor's values; None for None."""
        return None if tensor is None else tensor.numpy()

    def branch(self, tensor):
        """Return the same values on a separate branch of the graph, whose gradient is that of one consumer."""
        return tensor.clone()

    def layer_by_layer(self):
        """A context in which no layers are fused, so that each of them is called."""
        return plain("fused")

    def no_gradients(self):
        """Return a context in which no graph is recorded."""
        return paddle.no_grad()

    def watch_gradient(self, tensor, call):
        """Have `call(array)` called with the tensor's gradient once it is known; never if the tensor takes none."""
        if not tensor.stop_gradient:
            tensor.register_hook(lambda grad: call(self.array(grad)))

    def backward(self, tensors, gradients, keep=False):
        """Backpropagate sum(<tensor, gradient>) over the tensors that take a gradient; `keep` retains the graph."""
        pairs = zip(tensors, gradients, strict=True)
        pairs = [(t, self.tensor(g, like=t)) for t, g in pairs if g is not None and self.takes_gradient(t)]
        if len(pairs) == 1 and not pairs[0][0].is_leaf:
            pairs[0][0].backward(pairs[0][1], retain_graph=keep)
        elif pairs:  # Paddle's own backward rejects a tensor listed twice and, in 2.6, one that depends on another
            paddle.add_n([self._product(t, g) for t, g in pairs]).backward(retain_graph=keep)

    def _product(self, tensor, gradient):
        return (tensor * gradient).sum()

    def gradient(self, tensor):
        """Return the gradient accumulated so far as an array, or None."""
        return self.array(tensor.grad)

    def parameter_gradients(self, model):
        """Return name -> gradient as an array in PyTorch's layout, or None."""
        gradients = {name: self.gradient(parameter) for name, parameter in model.named_parameters()}
        return self._in_torch_layout(model, gradients)

    def clear_gradients(self, model):
        """Clear all parameter gradients."""
        for parameter in model.parameters():
            parameter.clear_gradient(False)  # to None, not to zero
