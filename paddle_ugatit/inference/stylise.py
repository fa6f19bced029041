"""Style transfer with AdaIN: one image in the style of others, with masks and colour matching; uint8 RGB in and out.

Contents: stylise, style_sheet, region_shares, matched_colours, takes_vgg_levels.
"""

from collections.abc import Sequence

import numpy as np
import paddle

from paddle_ugatit.data.images import ImageError
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.inference.translate import evaluating, require_finite
from paddle_ugatit.models.adain import Encoder, StyleTransfer

CELL = 8  # height and width in pixels of what one element of relu4_1 covers
_LEAST_DEVIATION = 0.5 / 255  # of a channel in [0,1], so that a constant one can be divided by it: half a level


def stylise(
    transfer: StyleTransfer,
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    shares: Sequence[float | np.ndarray] = (1.0,),
    alpha: float = 1.0,
) -> np.ndarray:
    """Render `content` in the style of `styles`: uint8 (H,W,3), (h,w,3) each -> uint8 (H,W,3).

    Images may have any size from 9 pixels. `shares`, one per style, are numbers or maps of `region_shares` that add up
    to 1; `alpha` goes from 0, the content encoded and decoded, to 1. Raises ImageError if an image or a region is too
    small, InputError if the result is NaN.
    """
    chosen = [(style, share) for style, share in zip(styles, shares, strict=True) if np.any(share)]
    dtype = next(iter(transfer.parameters())).dtype
    images = [_batch(pixels).astype(dtype) for pixels in (content, *(style for style, _ in chosen))]
    shares = [share if isinstance(share, float) else _map(share).astype(dtype) for _, share in chosen]
    with evaluating(transfer):
        try:
            found = transfer(*images, shares=shares, alpha=alpha)
        except ValueError as error:
            raise ImageError(str(error)) from error
    found = found[0].astype("float32").numpy()[:, : content.shape[0], : content.shape[1]]
    require_finite(found, "decoder")
    return np.rint(found.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)


def _batch(pixels: np.ndarray) -> paddle.Tensor:
    """uint8 (H,W,3) -> (1,3,H,W) in [0,1]."""
    return paddle.to_tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / 255)


def _map(share: np.ndarray) -> paddle.Tensor:
    return paddle.to_tensor(share)[None, None]


def style_sheet(transfer: StyleTransfer, contents: list[np.ndarray], styles: list[np.ndarray]) -> np.ndarray:
    """Render every content in every style, (S,S,3) each: uint8 ((n+1)S,(m+1)S,3), contents on top, styles at left."""
    rows = [[np.full_like(contents[0], 255), *contents]]
    rows += [[style, *(stylise(transfer, content, [style]) for content in contents)] for style in styles]
    return sheet(rows)


def region_shares(mask: np.ndarray) -> list[np.ndarray]:
    """Convert a mask of the content's size to shares of two styles, white for the first and black for the second.

    uint8 (H,W) -> two float32 (ceil(H/8),ceil(W/8)), means over cells of 8x8 pixels.
    """
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % CELL), (0, -width % CELL)), "edge")
    cells = padded.reshape(len(padded) // CELL, CELL, -1, CELL)
    first = (cells.mean((1, 3)) / 255).astype(np.float32)
    return [first, 1 - first]


def matched_colours(picture: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Give `picture` the mean and covariance of `target`'s colours: uint8 (h,w,3), (H,W,3) -> uint8 (h,w,3).

    CORAL (Sun et al., AAAI 2016, arXiv 1511.05547) on standardised colours, as in the public code: with D the
    channels' deviations and R their correlations, (x - mean_x) / D_x R_x^-1/2 R_t^1/2 D_t + mean_t. Applied to a style
    image, it keeps the content's colours in the result.
    """
    colours, mean, deviation, correlation = _colours(picture)
    _, target_mean, target_deviation, target_correlation = _colours(target)
    whitened = (colours - mean) / deviation @ _power(correlation, -0.5)
    moved = whitened @ _power(target_correlation, 0.5) * target_deviation + target_mean
    return np.rint(moved.clip(0, 1) * 255).astype(np.uint8).reshape(picture.shape)


def _colours(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Colours (n,3) in [0,1], their mean (3,), standard deviation (3,) and correlation (3,3)."""
    colours = pixels.reshape(-1, 3) / 255
    mean = colours.mean(0)
    deviation = np.maximum(colours.std(0, ddof=1), _LEAST_DEVIATION)
    standard = (colours - mean) / deviation
    # As in the public code, but for means where it has sums: 1/n on the diagonal makes a grey image's invertible.
    correlation = (standard.T @ standard + np.eye(3)) / len(colours)
    return colours, mean, deviation, correlation


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """The power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * values**exponent @ vectors.T


def takes_vgg_levels(encoder: Encoder) -> bool:
    """Return whether the first layer converts to VGG's input, BGR times 255, which tells the public encoder's weights
    from random ones."""
    weight = encoder[0].weight.astype("float32").numpy()[:, :, 0, 0]
    return bool(np.abs(weight - 255 * np.eye(3)[::-1]).max() < 1)
