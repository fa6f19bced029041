"""What the error of each tensor is relative to: its own size, or the size of what it was made from.

A value can be zero but for rounding: the normalised values of a one-colour picture, a logit in which a hundred products
cancel, the gradient of a bias before a norm. Its own size is then that of rounding errors, and says nothing. Such a
value is judged against the values that cancelled in it.
"""

from collections import defaultdict

import numpy as np

ZERO = 1e-9  # relative to what a tensor was made from: what is smaller in float64 has cancelled out
CANCELLED = 1e-4  # of what a tensor was made from; float64's limit is then 1e-14 of that, 45 units in the last place
SUMS = ("Linear", "Conv2d", "ConvTranspose2d")  # PyTorch's layers whose values are sums of products
NORMS, EPS = ("InstanceNorm2d", "ILN", "AdaILN", "BatchNorm2d"), 1e-5  # layers that divide by sqrt(variance + EPS)
_WEIGHTS = ("weight", "weight_orig", "weight_bar")
_FEW = 64  # values of an output of the model that may be a layer's output, passed on


class Scales:
    """The scales of a reference's tensors; `scales.of(dtype)` maps each Key to what its error is relative to."""

    def __init__(self, tensors, weights=None, types=None, order=()):
        self.tensors, self.weights, self.types = tensors, weights or {}, types or {}
        self.before = dict(zip(order[1:], order, strict=False))  # (layer, call) -> the one before it
        self.own = {key: largest(array) for key, array in tensors.items()}
        self.slots = defaultdict(list)
        for key, array in tensors.items():
            if array is not None and array.dtype.kind == "f":
                self.slots[key.what, key.layer, key.call].append(key)
        self._made = {key: self._made_from(key) for key in tensors}
        self._cache = {}

    def of(self, dtype):
        """Return Key -> scale, for tensors of this dtype."""
        if dtype not in self._cache:
            self._cache[dtype] = self._passed_on(self._all(dtype))
        return self._cache[dtype]

    def made_from(self, key):
        """Return the size that a tensor would have if nothing in it cancelled; 0 if that is not known."""
        return self._made[key]

    @property
    def undetermined(self):
        """Whether a layer's output is zero but for rounding, so that what follows may depend on rounding alone."""
        return any(key.what == "output" and 0 < self.own[key] < ZERO * made for key, made in self._made.items())

    def _all(self, dtype):
        layers = defaultdict(float)
        for key, own in self.own.items():
            if key.what == "grad_param":
                layers[key.layer] = max(layers[key.layer], own)
        scales = {}
        for key, own in self.own.items():
            scale = _beside(layers[key.layer], own) if key.what == "grad_param" else own
            # The floor of a few numbers of float32, in which much cancels, may be small by luck.
            share = 1.0 if dtype == "float32" and key.what == "output" and self._cancels(key) else CANCELLED
            made = self._made[key]
            scales[key] = (made if 0 < own < ZERO * made else max(scale, share * made)) or 1.0
        return scales

    def _passed_on(self, scales):
        """Give the model's own outputs the scale of the layer's outputs that they consist of."""
        few = [key for key in self.tensors if key.what == "output" and self._is_small(key)]
        for key in few:
            if key.layer == "":
                parts = [
                    other for other in few if other.layer and np.isin(self.tensors[other], self.tensors[key]).all()
                ]
                scales[key] = max([scales[key], *(scales[other] for other in parts)])
        return scales

    def _is_small(self, key):
        return self.tensors[key].dtype.kind == "f" and self.tensors[key].size <= _FEW

    def _sums(self, key):
        return self.types.get(key.layer) in SUMS

    def _cancels(self, key):
        return self.types.get(key.layer) in (*SUMS, *NORMS)

    def _made_from(self, key):
        """The size that the tensor would have if nothing in it cancelled; 0 if that is not known."""
        if self.tensors[key] is None or key.layer == "":
            return 0.0
        if key.what == "input":
            before = self.before.get((key.layer, key.call))
            return self._largest("output", *before) if before else 0.0
        if key.what == "output":
            if self._sums(key):
                return self._products(key.layer) * self._size("input", key.layer, key.call)
            return self._normalised(key) or self._largest("input", key.layer, key.call)
        if key.what == "grad_input":
            if self._sums(key):
                return self._products(key.layer, 1) * self._size("grad_output", key.layer, key.call)
            return self._largest("grad_output", key.layer, key.call)
        return self._of_parameter(key) if key.what == "grad_param" and self._sums(key) else 0.0

    def _normalised(self, key):
        """The size of a norm's input divided by its deviation, before the mean is subtracted; 0 for other layers."""
        if self.types.get(key.layer) not in NORMS:
            return 0.0
        x = self.tensors.get(key._replace(what="input", slot="0"))
        if x is None or x.ndim != 4:
            return 0.0
        gammas = [self.tensors.get(key._replace(what="input", slot="1"))]
        gammas += [self.weights.get(f"{key.layer}.{leaf}" if key.layer else leaf) for leaf in ("gamma", "weight")]
        gamma = next((largest(array) for array in gammas if array is not None), 1.0)
        return gamma * float((np.abs(x).max((2, 3)) / np.sqrt(x.var((2, 3)) + EPS)).max())

    def _of_parameter(self, key):
        """A gradient is a sum over the pixels of all calls of the layer."""
        squares, call = 0.0, 0
        while keys := self.slots.get(("grad_output", key.layer, call)):
            gradient = self.tensors[keys[0]]
            pixels = gradient.size / max(gradient.shape[1] if gradient.ndim > 1 else 1, 1)
            inputs = 1.0 if key.slot == "bias" else self._size("input", key.layer, call)
            squares += pixels * (self._size("grad_output", key.layer, call) * inputs) ** 2
            call += 1
        return squares**0.5

    def _products(self, layer, axis=0):
        """The root of the number of terms in a sum of the layer, times the size of its weight."""
        for leaf in _WEIGHTS:
            name = f"{layer}.{leaf}" if layer else leaf
            if (weight := self.weights.get(name)) is not None and weight.ndim > 1:
                sigma = self._sigma(name.removesuffix(leaf), weight)
                if self.types.get(layer) == "ConvTranspose2d":
                    axis = 1 - axis
                return (weight.size / weight.shape[axis]) ** 0.5 * _size(weight) / sigma
        return 0.0

    def _sigma(self, prefix, weight):
        """The spectral norm by which a weight is divided; 1 if there is none."""
        u, v = self.weights.get(f"{prefix}weight_u"), self.weights.get(f"{prefix}weight_v")
        if u is None or v is None or u.size * v.size != weight.size:
            return 1.0
        return float(abs(u @ weight.reshape(u.size, -1) @ v)) or 1.0

    def _largest(self, *place):
        return max((self.own[key] for key in self.slots.get(place, ())), default=0.0)

    def _size(self, *place):
        return max((_size(self.tensors[key]) for key in self.slots.get(place, ())), default=0.0)


def scales_of(tensors):
    """Return Key -> scale in float64, from the tensors alone.

    For a parameter's gradient it is at least a thousandth of the largest gradient in its layer. A gradient that is zero
    analytically (a bias before a norm, the bias of a key) is rounding error on both sides and can only be compared with
    the terms that cancel in it: for this it is the largest gradient in its layer.
    """
    return Scales(tensors).of("float64")


def largest(array):
    """Return the largest absolute value; 0 for None or an empty array."""
    if array is None or not array.size:
        return 0.0
    if array.dtype.kind == "b":
        return float(array.any())
    found = max(float(np.abs(part).max()) for part in parts(array))
    if np.isfinite(found):
        return found
    finite = np.abs(array[np.isfinite(array)])  # the others are compared by place
    return float(finite.max()) if finite.size else 0.0


def parts(array, count=1 << 16):
    """Yield the values in pieces that fit the cache, which is three times as fast as whole maps."""
    flat = array.reshape(-1)
    return (flat[start : start + count] for start in range(0, flat.size, count))


def _size(array):
    """The root mean square."""
    squares = sum(float(np.vdot(part, part).real) for part in parts(array))
    return (squares / max(array.size, 1)) ** 0.5


def _beside(layer, own):
    """The scale of a parameter's gradient, from its layer's largest and its own."""
    return layer if own < ZERO * layer else max(own, 1e-3 * layer)
