"""L1, PSNR and SSIM of pairs, compared with plain statements of their definitions."""

import numpy as np
import pytest

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import paired


def plain_ssim(x, y):
    """Window by window, as the paper writes it."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for channel in range(3):
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                a, b = (p[top : top + 11, left : left + 11, channel].astype(float) for p in (x, y))
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
                covariance = (window * (a - mean_a) * (b - mean_b)).sum()
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
                values.append(above / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))
    return np.mean(values)


def test_paired_measures():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (13, 15, 3), dtype=np.uint8)
    y = (x.astype(int) + rng.integers(-40, 41, x.shape)).clip(0, 255).astype(np.uint8)
    assert paired.ssim(x, y) == pytest.approx(plain_ssim(x, y), rel=1e-10)
    assert paired.ssim(x, x) == 1 and paired.psnr(x, x) == np.inf and paired.l1(x, x) == 0
    assert paired.l1(x, y) == np.abs(x.astype(int) - y).mean()
    squares = ((x.astype(int) - y) ** 2).mean()
    assert paired.psnr(x, y) == pytest.approx(20 * np.log10(255 / squares**0.5))
    with pytest.raises(InputError, match="11x11"):
        paired.ssim(x[:10], y[:10])
    with pytest.raises(InputError, match="15x13 and 14x13"):
        paired.l1(x, y[:, :14])
