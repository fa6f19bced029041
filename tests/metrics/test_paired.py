"""L1, PSNR and SSIM of pairs, compared with plain statements of their definitions."""

import numpy as np
import pytest

from align.compare import metric_pictures
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import paired


def test_paired_measures():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (13, 15, 3), dtype=np.uint8)
    y = (x.astype(int) + rng.integers(-40, 41, x.shape)).clip(0, 255).astype(np.uint8)
    assert paired.ssim(x, y) == pytest.approx(metric_pictures.ssim(x, y), rel=1e-10)
    assert paired.ssim(x, x) == 1 and paired.psnr(x, x) == np.inf and paired.l1(x, x) == 0
    assert paired.l1(x, y) == np.abs(x.astype(int) - y).mean()
    squares = ((x.astype(int) - y) ** 2).mean()
    assert paired.psnr(x, y) == pytest.approx(20 * np.log10(255 / squares**0.5))
    with pytest.raises(InputError, match="11x11"):
        paired.ssim(x[:10], y[:10])
    with pytest.raises(InputError, match="15x13 and 14x13"):
        paired.l1(x, y[:, :14])
