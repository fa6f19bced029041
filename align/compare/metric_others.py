"""torch-fidelity and clean-fid, if installed, as functions of the same arrays as paddle_ugatit/metrics.

Neither is a dependency of the project. Both import torchvision but need nothing of it here; if it is missing or does
not match the installed PyTorch, an empty stand-in replaces it.
"""

import importlib.abc
import importlib.machinery
import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import torch


class _Names(type):
    def __getattr__(cls, name):
        return _empty(name)


def _empty(name):
    """An empty class whose every attribute is such a class too."""
    if name.startswith("__"):
        raise AttributeError(name)
    return _Names(name, (), {})


class _Empty(ModuleType):
    """A module whose every attribute is an empty class."""

    __path__ = []

    def __getattr__(self, name):
        return _empty(name)


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        """Return a spec for torchvision and everything below it."""
        return importlib.machinery.ModuleSpec(name, self) if name.partition(".")[0] == "torchvision" else None

    def create_module(self, spec):
        """Return an empty module."""
        return _Empty(spec.name)

    def exec_module(self, module):
        """Do nothing: there is no code to run."""


def _without_torchvision():
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _StandIn())


def installed(name):
    """Return whether "torch_fidelity" or "cleanfid" can be imported, with a stand-in for torchvision if needed."""
    if find_spec(name) is None:
        return False
    _without_torchvision()
    return True


def fidelity_kid(x, y, subsets, size, seed):
    """Return torch-fidelity's (mean, std) of KID."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": seed, "verbose": False}
    result = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    return result["kernel_inception_distance_mean"], result["kernel_inception_distance_std"]


def fidelity_fid(x, y):
    """Return torch-fidelity's FID."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(torch.from_numpy(features)) for features in (x, y)]
    return fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]


def fidelity_precision_recall(fake, real, k):
    """Return torch-fidelity's (precision, recall); versions before 0.4 take the real set first."""
    from torch_fidelity.metric_prc import prc_features_to_metric

    options = {"prc_neighborhood": k, "prc_batch_size": 1000, "verbose": False, "save_cpu_ram": False}
    result = prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), **options)
    return result["precision"], result["recall"]


def fidelity_extractor(weights):
    """Return torch-fidelity's network with these weights as a function, (B,H,W,3) uint8 -> (B,2048)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=weights)

    def extract(images):
        with torch.no_grad():
            return network(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))[0].numpy()

    return extract


def fidelity_resize(image, size):
    """Resize as torch-fidelity does: (H,W,3) uint8 -> (size,size,3) float32."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as resize

    pixels = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None])
    return resize(pixels, size=(size, size), align_corners=False)[0].numpy().transpose(1, 2, 0)


def clean_kid(x, y, subsets, size, seed):
    """Return clean-fid's KID, which draws its second set first and uses NumPy's global generator."""
    from cleanfid.fid import kernel_distance

    before = np.random.get_state()
    np.random.seed(seed)
    try:
        return kernel_distance(y, x, num_subsets=subsets, max_subset_size=size)
    finally:
        np.random.set_state(before)


def clean_fid(x, y):
    """Return clean-fid's Fréchet distance."""
    from cleanfid.fid import frechet_distance

    moments = [(features.mean(0), np.cov(features, rowvar=False)) for features in (x, y)]
    return frechet_distance(*moments[0], *moments[1])


def clean_resize(image):
    """Resize to 299 as clean-fid does: (H,W,3) uint8 -> (299,299,3) float32."""
    from cleanfid.resize import build_resizer

    return build_resizer("clean")(image)
