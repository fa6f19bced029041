"""Crops of faces: levelled and framed alike, and put back into the photo.

Contents: Frame (a square in a photo, turned with the face), frame_of, cropped, pasted.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 5.0  # of a frame, in distances from the middle of the eyes to the middle of the mouth, at margin 1
_SOFT = 0.12  # share of the side over which a pasted face fades into the photo
_MOST_SAMPLES = 8192  # pixels: the largest side at which a crop is sampled before it is reduced
_MOST_PIXELS = 32767  # of a side of a photo, OpenCV's limit
_PROFILE = 0.35  # of the distance from eyes to mouth: with eyes closer to each other, these do not show the turn


@dataclass(frozen=True)
class Frame:
    """A square in a photo: its middle and side in pixels, and how far it is turned clockwise, in radians."""

    x: float
    y: float
    side: float
    turn: float

    def matrix(self, size: int) -> np.ndarray:
        """Return the transform from places in the photo to places in a crop of `size` pixels: (2,3).

        Places are those of the middles of pixels, which have whole numbers, as OpenCV takes them.
        """
        scale = size / self.side
        cosine, sine = scale * math.cos(self.turn), scale * math.sin(self.turn)
        linear = np.array([[cosine, sine], [-sine, cosine]])
        shift = size / 2 - 0.5 - linear @ np.array([self.x - 0.5, self.y - 0.5])
        return np.column_stack([linear, shift])

    def in_photo(self, places: np.ndarray, size: int) -> np.ndarray:
        """Return places in the photo of places in a crop of `size` pixels, both from the upper left corner: (n,2)."""
        matrix = self.matrix(size)
        return (places - 0.5 - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T + 0.5

    def corners(self) -> np.ndarray:
        """Return the corners in the photo, clockwise from the upper left one: (4,2) of x and y."""
        half = self.side / 2
        across = half * np.array([math.cos(self.turn), math.sin(self.turn)])
        down = half * np.array([-math.sin(self.turn), math.cos(self.turn)])
        middle = np.array([self.x, self.y])
        return np.array(
            [middle - across - down, middle + across - down, middle + across + down, middle - across + down]
        )


def frame_of(landmarks: np.ndarray, margin: float = 1.0) -> Frame:
    """Return the levelled frame, `margin` times as wide as usual, of a face with these `FoundFace` landmarks (5,2).

    The side is 5 distances between the middle of the eyes and that of the mouth, and the frame's middle lies halfway
    between these. A face from the side, whose eyes are close to each other, is levelled by its eyes and mouth instead.
    """
    left, right, _, *mouth = np.asarray(landmarks, np.float64)
    eyes, lips = (left + right) / 2, (mouth[0] + mouth[1]) / 2
    distance = float(np.hypot(*(lips - eyes)))
    across = right - left
    if np.hypot(*across) < _PROFILE * distance:
        across = np.array([lips[1] - eyes[1], eyes[0] - lips[0]])  # at right angles to the way down
    x, y = (eyes + lips) / 2
    side = max(1.0, SIDE * margin * distance)
    return Frame(float(x), float(y), side, math.atan2(across[1], across[0]))


def fits(pixels: np.ndarray) -> bool:
    """Return whether a photo is small enough for `cropped` and `pasted`."""
    return max(pixels.shape[:2]) <= _MOST_PIXELS


def cropped(pixels: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Cut a frame out of a photo: uint8 (H,W,3) -> uint8 (size,size,3). Beyond its border the photo is reflected.

    A frame larger than `size` is sampled more densely and averaged, so that nothing aliases.
    """
    times = max(1, min(math.ceil(frame.side / size), _MOST_SAMPLES // size))
    matrix = frame.matrix(times * size)
    dense = cv2.warpAffine(
        pixels, matrix, (times * size,) * 2, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return cv2.resize(dense, (size, size), interpolation=cv2.INTER_AREA) if times > 1 else dense


def pasted(pixels: np.ndarray, frame: Frame, face: np.ndarray) -> np.ndarray:
    """Put a crop back where its frame is, fading towards its border: uint8 (H,W,3), (s,s,3) -> a new uint8 (H,W,3).

    Pixels outside the frame are unchanged.
    """
    result, box = pixels.copy(), _window(pixels, frame)
    if box is None:
        return result
    left, top, right, bottom = box
    size = min(len(face), max(1, math.ceil(frame.side)))
    if size < len(face):
        face = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
    matrix = frame.matrix(size)
    matrix[:, 2] += matrix[:, :2] @ (left, top)  # places in the window instead of the photo
    dsize, flags = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(face, matrix, dsize, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(_soft(size), matrix, dsize, flags=flags, borderMode=cv2.BORDER_CONSTANT)[..., None]
    below = result[top:bottom, left:right]
    mixed = np.rint(below * (1 - weight) + back * weight)
    result[top:bottom, left:right] = np.where(weight > 0, mixed, below).astype(np.uint8)
    return result


def _window(pixels: np.ndarray, frame: Frame) -> tuple[int, int, int, int] | None:
    """The pixels that a frame touches: left, top, right and bottom of them; None if it lies outside the photo."""
    corners = frame.corners()
    left, top = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(0)), pixels.shape[1::-1]).astype(int)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def _soft(size: int) -> np.ndarray:
    """The weight of a pasted face, falling like a cosine to 0 in the outermost pixels: float32 (size,size)."""
    place = np.arange(size)
    inside = np.clip(np.minimum(place, place[::-1]) / (_SOFT * size), 0, 1)
    edge = (1 - np.cos(np.pi * inside)) / 2
    return np.minimum.outer(edge, edge).astype(np.float32)
