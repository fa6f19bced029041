"""Paired metrics between translated images and their ground truth: L1, PSNR, SSIM.

SSIM is that of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 2004, equation 13: Gaussian window 11x11 of deviation 1.5, K1 = 0.01, K2 = 0.03, only windows
that lie inside the image, no downsampling; the mean over the three colour channels.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from paddle_ugatit.backend.errors import InputError

_WINDOW, _DEVIATION, _PEAK = 11, 1.5, 255.0
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


def l1(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute difference of two uint8 images (H,W,3), in levels of 0 to 255."""
    return float(np.abs(_difference(found, truth)).mean())


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, infinite for equal images."""
    squares = float((_difference(found, truth) ** 2).mean())
    return float(10 * np.log10(_PEAK**2 / squares)) if squares else float("inf")


def ssim(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the structural similarity, at most 1. Raises InputError if the images are smaller than the window."""
    _difference(found, truth)
    if min(found.shape[:2]) < _WINDOW:
        raise InputError(f"SSIM needs images of {_WINDOW}x{_WINDOW} pixels or more, got {found.shape[1::-1]}")
    x, y = found.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    variance_x = _local_mean(x * x) - mean_x**2
    variance_y = _local_mean(y * y) - mean_y**2
    covariance = _local_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float((luminance * structure).mean())


def paired(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return all three metrics of one pair. Raises InputError if the images differ in size or are too small."""
    return {"L1": l1(found, truth), "PSNR": psnr(found, truth), "SSIM": ssim(found, truth)}


def mean_of(results: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over pairs."""
    return {name: float(np.mean([result[name] for result in results])) for name in results[0]}


def _difference(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    if found.shape != truth.shape:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (found, truth)]
        raise InputError(f"images of {sizes[0]} and {sizes[1]} pixels cannot be compared")
    return found.astype(np.float64) - truth.astype(np.float64)


def _local_mean(field: np.ndarray) -> np.ndarray:
    """Gaussian means over all windows inside the image: (H,W,C) -> (H-10,W-10,C)."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _DEVIATION**2))
    weights /= weights.sum()
    return sliding_window_view(sliding_window_view(field, _WINDOW, 0) @ weights, _WINDOW, 1) @ weights
