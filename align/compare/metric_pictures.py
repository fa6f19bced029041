"""What metrics do to pictures, plainly stated: Pillow's two resizes, scales, cells of pixels, L1, PSNR and SSIM."""

import math

import numpy as np

SIZE = 299  # of the squares that Inception takes
_BITS = 22  # Pillow's fixed point for bytes


def _cubic(x):
    """Keys' cubic with a = -0.5."""
    x = abs(x)
    return (1.5 * x - 2.5) * x * x + 1 if x < 1 else ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _triangle(x):
    return max(0.0, 1 - abs(x))


def _antialiased(length, size, kernel, reach):
    """Pillow's weights of a resize, widened by the scale where it reduces: (size,length)."""
    scale = length / size
    wide = max(scale, 1.0)
    weights = np.zeros((size, length))
    for i in range(size):
        centre = (i + 0.5) * scale
        first, last = max(int(centre - reach * wide + 0.5), 0), min(int(centre + reach * wide + 0.5), length)
        for j in range(first, last):
            weights[i, j] = kernel((j - centre + 0.5) / wide)
    return weights / weights.sum(1, keepdims=True)


def clean(image, size=SIZE):
    """clean-fid's resize: bicubic and antialiased in float32, clipped to [0, 255]; rows first: (H,W,3)."""
    across = _antialiased(image.shape[1], size, _cubic, 2)
    down = _antialiased(image.shape[0], size, _cubic, 2)
    rows = _applied(across, image.astype(np.float64), 1).astype(np.float32)
    return _applied(down, rows.astype(np.float64), 0).clip(0, 255)


def _applied(weights, image, axis):
    """Weighted sums of rows (axis 0) or columns (1) of an image (H,W,3)."""
    return np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)


def paper(image, first=1, size=SIZE):
    """`scipy.misc.imresize`: bilinear and antialiased, in fixed point, rounded to bytes after either pass: (H,W,3).

    `first` is the axis resized first: Pillow takes 1, newer versions 0 where the image is higher than wide.
    """
    for axis in (first, 1 - first):
        weights = np.rint(_antialiased(image.shape[axis], size, _triangle, 1) * 2**_BITS)
        image = _bytes(_applied(weights, image.astype(np.float64), axis))
    return image


def _bytes(sums):
    return np.floor(sums / 2**_BITS + 0.5).clip(0, 255)


def scaled(pixels, resize):
    """Pixels in [0, 255] as Inception takes them: (B,H,W,3) -> (B,3,H,W)."""
    pixels = pixels.astype(np.float64).transpose(0, 3, 1, 2)
    return pixels * 2 / 255 - 1 if resize == "paper" else (pixels - 128) / 128


def cell_means(x, side=16):
    """Means over side x side cells, each of which begins at the pixel below its share: (B,3,H,H) -> (B,3*side^2)."""
    edges = [int(i * x.shape[2] / side) for i in range(side + 1)]
    cells = [
        x[:, :, top:bottom, left:right].mean((2, 3))
        for top, bottom in zip(edges, edges[1:], strict=False)
        for left, right in zip(edges, edges[1:], strict=False)
    ]
    return np.stack(cells, 2).reshape(len(x), -1)


def l1(x, y):
    """The mean absolute difference of two images (H,W,3), in levels."""
    return np.abs(x.astype(int) - y).mean()


def psnr(x, y):
    """20 log10 of the peak by the root of the mean square, in dB."""
    return 20 * math.log10(255 / math.sqrt(((x.astype(int) - y) ** 2).mean()))


def ssim(x, y):
    """Structural similarity, window by window, as the paper writes it."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                a, b = (p[top : top + 11, left : left + 11, channel].astype(float) for p in (x, y))
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
                covariance = (window * (a - mean_a) * (b - mean_b)).sum()
                above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
                values.append(above / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))
    return np.mean(values)
