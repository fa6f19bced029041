"""Figures for a reader: faces translated and back, each row with its name, small enough for a README."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from paddle_ugatit.data.transforms import to_input, to_pixels
from paddle_ugatit.formats import atomic
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.sheets import GENERATORS, sheet
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.models.ugatit import ResnetGenerator

ROWS = ("photo", "where it looks", "translated", "and back")
TRUTH = "as drawn"
_MARGIN, _GAP = 112, 2  # pixels: room for a row's name, white between pictures
_LINE = 20  # pixels: the height of a name above a picture
_INK = (40, 40, 40)


def translation_figure(
    networks: dict[str, ResnetGenerator],
    pictures: list[np.ndarray],
    side: int,
    direction: str = "a2b",
    truths: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Draw the four `ROWS` for each picture, one a column: uint8 (S,S,3) each -> uint8 RGB (H,W,3).

    `networks` holds genA2B and genB2A; every picture is shown at side^2 pixels. The second row is the photo under the
    class activation map, with the contour of its upper half. The true translations, if given, are a fifth row.
    """
    there, back = (networks[name] for name in GENERATORS[direction])
    columns = [_column(there, back, pixels, side) for pixels in pictures]
    rows = [list(row) for row in zip(*columns, strict=True)]
    if truths is None:
        return labelled(rows, ROWS)
    return labelled([*rows, [_enlarged(truth, side) for truth in truths]], (*ROWS, TRUTH))


def _column(there: ResnetGenerator, back: ResnetGenerator, pixels: np.ndarray, side: int) -> list[np.ndarray]:
    translated, maps = generate(there, to_input(pixels)[None])
    cycled, _ = generate(back, translated)
    photo = _enlarged(pixels, side)
    seen = heatmaps.overlay(photo, heatmaps.coloured(maps[0], side, side), 0.5)
    seen = heatmaps.outlined(seen, maps[0])
    return [photo, seen, *(_enlarged(to_pixels(images[0]), side) for images in (translated, cycled))]


def photo_figure(
    photo: np.ndarray, corners: np.ndarray, crop: np.ndarray, translated: np.ndarray, pasted: np.ndarray
) -> np.ndarray:
    """Draw the stages of a face in a photo side by side, each under its name: uint8 RGB (H,W,3).

    uint8 (h,w,3), the corners (4,2) of the crop in the photo, two of (s,s,3), (h,w,3).
    """
    marked = cv2.polylines(photo.copy(), [np.rint(corners).astype(np.int32)], True, (255, 255, 255), 2, cv2.LINE_AA)
    side = (len(photo) - _LINE - _GAP) // 2  # two with their names are as high as the photo with its own
    small = [_named(_enlarged(pixels, side), name) for pixels, name in ((crop, "crop"), (translated, "translated"))]
    large = [_named(pixels, name) for pixels, name in ((marked, "photo"), (pasted, "put back"))]
    column = np.concatenate(small)
    column = np.pad(column, ((0, len(large[0]) - len(column)), (0, 0), (0, 0)), constant_values=255)
    return np.concatenate([large[0], column, large[1]], 1)


def _named(pixels: np.ndarray, name: str) -> np.ndarray:
    """A picture with its name above it and white at its right."""
    framed = cv2.copyMakeBorder(pixels, _LINE, _GAP, 0, 2 * _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return cv2.putText(framed, name, (2, _LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)


def labelled(rows: list[list[np.ndarray]], names: tuple[str, ...]) -> np.ndarray:
    """Arrange rows of pictures, uint8 (S,S,3) each, with a name to the left of every row: uint8 (H,W,3)."""
    lines = []
    for pictures, name in zip(rows, names, strict=True):
        margin = np.full((len(pictures[0]), _MARGIN, 3), 255, np.uint8)
        place = (2, len(margin) // 2 + 4)
        cv2.putText(margin, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
        lines.append([_edged(margin, 0), *(_edged(picture, _GAP) for picture in pictures)])
    return sheet(lines)


def _edged(pixels: np.ndarray, left: int) -> np.ndarray:
    return cv2.copyMakeBorder(pixels, 0, _GAP, left, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def write_small(path: Path | str, pixels: np.ndarray) -> int:
    """Write uint8 pixels (H,W,3) as a PNG of 256 dithered colours, as a whole or not at all; returns its bytes."""
    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    palette = picture.quantize(256, kmeans=1)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.sum(1).argmax()] = 255  # the margins stay white
    palette.putpalette(colours.ravel().tolist())
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    with atomic.replacing(path) as file:
        file.write(buffer.getvalue())
    return buffer.tell()
