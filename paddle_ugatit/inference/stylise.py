"""Pictures through AdaIN: one in the style of others, masks, colours kept; uint8 RGB in, uint8 RGB out.

Contents: stylise, style_sheet, region_shares, matched_colours, takes_vgg_levels.
"""

import numpy as np
import paddle

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.inference.translate import evaluating, require_finite

CELL = 8  # pixels to a side that one pixel of relu4_1 stands for
# Added to the covariance of colours in [0,1], so that that of a grey picture can be inverted: half a level's square.
_LEAST_VARIANCE = (0.5 / 255) ** 2


def stylise(transfer, content, styles, shares=(1.0,), alpha=1.0) -> np.ndarray:
    """`content` (H,W,3) in the style of `styles`, (h,w,3) each, of any sizes from 9 pixels: uint8 (H,W,3).

    `shares`, which add up to 1, are numbers or maps of `region_shares`, one a style; `alpha` goes from 0, the content
    decoded as it is, to 1. Raises InputError for a picture or a region that is too small, and where the result is NaN.
    """
    chosen = [(style, share) for style, share in zip(styles, shares, strict=True) if np.any(share)]
    images = [_batch(pixels) for pixels in (content, *(style for style, _ in chosen))]
    shares = [share if isinstance(share, float) else paddle.to_tensor(share)[None, None] for _, share in chosen]
    with evaluating(transfer):
        try:
            found = transfer(*images, shares=shares, alpha=alpha)
        except ValueError as error:
            raise InputError(str(error)) from error
    found = found[0].astype("float32").numpy()[:, : content.shape[0], : content.shape[1]]
    require_finite(found, "decoder")
    return np.rint(found.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)


def _batch(pixels):
    """uint8 (H,W,3) -> (1,3,H,W) in [0,1]."""
    return paddle.to_tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / 255)


def style_sheet(transfer, contents, styles) -> np.ndarray:
    """Every content in every style, all (S,S,3): uint8 ((n+1)S,(m+1)S,3); contents above, styles on the left."""
    rows = [[np.full_like(contents[0], 255), *contents]]
    rows += [[style, *(stylise(transfer, content, [style]) for content in contents)] for style in styles]
    return sheet(rows)


def region_shares(mask) -> list[np.ndarray]:
    """A mask, uint8 (H,W) of the content's size, as shares of two styles: white is the first's, black the second's.

    float32 (ceil(H/8),ceil(W/8)) each, the mean over each pixel's cell.
    """
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % CELL), (0, -width % CELL)), "edge")
    cells = padded.reshape(len(padded) // CELL, CELL, -1, CELL)
    first = (cells.mean((1, 3)) / 255).astype(np.float32)
    return [first, 1 - first]


def matched_colours(picture, target) -> np.ndarray:
    """`picture` with the mean and covariance of `target`'s colours: uint8 (h,w,3), (H,W,3) -> (h,w,3).

    CORAL (Sun et al., AAAI 2016, arXiv 1511.05547), for a style whose colours shall not be taken over: (x - mean_x)
    C_x^-1/2 C_t^1/2 + mean_t. Covariances are means over pixels, so the pictures may be of different sizes.
    """
    (colours, mean, covariance), (_, target_mean, target_covariance) = map(_colours, (picture, target))
    moved = (colours - mean) @ _power(covariance, -0.5) @ _power(target_covariance, 0.5) + target_mean
    return np.rint(moved.clip(0, 1) * 255).astype(np.uint8).reshape(picture.shape)


def _colours(pixels):
    """Colours (n,3) in [0,1], their mean (3,) and covariance (3,3)."""
    colours = pixels.reshape(-1, 3) / 255
    mean = colours.mean(0)
    centred = colours - mean
    return colours, mean, centred.T @ centred / len(colours) + _LEAST_VARIANCE * np.eye(3)


def _power(matrix, exponent):
    """Of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * values**exponent @ vectors.T


def takes_vgg_levels(encoder) -> bool:
    """Whether the first layer makes VGG's input, BGR times 255, as the public encoder's does and random ones do not."""
    weight = encoder[0].weight.astype("float32").numpy()[:, :, 0, 0]
    return bool(np.abs(weight - 255 * np.eye(3)[::-1]).max() < 1)
