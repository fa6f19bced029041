"""The shapes of a procedural face: implicit functions on a grid of pixels, negative inside.

Contents: Grid, Proportions (what differs between photo and cartoon), the shapes of head, hair, body and features.
Coordinates are relative to the head: u to the right, v down, (0,0) its middle, before tilt, offset and scale.
"""

import copy
import math
from dataclasses import dataclass

import cv2
import numpy as np

from paddle_ugatit.data.faces.latents import Face

_FALLING = ("bob", "long", "curly")  # hair in front continues the hair behind the head


@dataclass(frozen=True)
class Proportions:
    """The proportions of a head in one domain: factors and lengths."""

    top: float  # from the middle of the head to the crown
    chin: float  # factor of the face's own
    taper: float  # added to the face's jaw
    eye_v: float  # height of the eyes
    eye_width: float  # half
    eye_height: float  # half, wide open
    gap: float  # factor of the distance of the eyes
    mouth_v: float
    mouth_width: float  # half
    turn: float  # how far the features go to the side


class Grid:
    """The pixels of a square image in the coordinates of a face's head. Fields are float32 (S,S)."""

    def __init__(self, face: Face, proportions: Proportions, size: int):
        self.face, self.proportions, self.size = face, proportions, size
        self.pixel = 2 / size / face.scale  # a pixel's side in head units
        axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
        self.x, self.y = np.meshgrid(axis, axis)
        u, v = (self.x - np.float32(face.centre[0])) / face.scale, (self.y - np.float32(face.centre[1])) / face.scale
        cosine, sine = np.float32(np.cos(face.tilt)), np.float32(np.sin(face.tilt))
        self.body_u, self.body_v = u.astype(np.float32), v.astype(np.float32)  # the body does not tilt
        self.u, self.v = cosine * self.body_u + sine * self.body_v, cosine * self.body_v - sine * self.body_u
        self.turned = self.u - np.float32(face.yaw * proportions.turn)  # the features are centred here
        self.radius = self._head_radius()

    def near(self, centre: tuple[float, float], reach: float) -> tuple["Grid", tuple[slice, slice]]:
        """Return the part of the grid around a place in turned coordinates, and its rows and columns."""
        close = np.abs(self.turned - np.float32(centre[0])) < reach
        close &= np.abs(self.v - np.float32(centre[1])) < reach
        rows, columns = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
        down, across = (slice(at[0], at[-1] + 1) if len(at) else slice(0, 2) for at in (rows, columns))
        place = (down, across)
        part = copy.copy(self)
        for name in ("x", "y", "u", "v", "body_u", "body_v", "turned", "radius"):
            setattr(part, name, getattr(self, name)[place])
        return part, place

    def _head_radius(self) -> np.ndarray:
        """0 in the middle of the head, 1 on its outline."""
        face, shape = self.face, self.proportions
        chin = shape.chin * face.chin
        down = (self.v / chin).clip(0, 1)
        jaw = min(face.jaw + shape.taper, 1.0)
        width = face.width * (1 - 0.42 * jaw * down**1.6)
        height = np.where(self.v < 0, np.float32(shape.top), np.float32(chin))
        power = np.where(self.v < 0, 2.2, 2.3 - 0.3 * jaw).astype(np.float32)
        return (np.abs(self.u / width) ** power + np.abs(self.v / height) ** power) ** (1 / power)

    def inside(self, field: np.ndarray, soft: float = 1.0) -> np.ndarray:
        """Return the share of each pixel that lies where `field` < 0; `soft` is the width of the edge in pixels."""
        return (0.5 - self.distance(field) / (self.pixel * soft)).clip(0, 1)

    def outline(self, field: np.ndarray, width: float) -> np.ndarray:
        """Return the share of each pixel that a line of this width along `field` = 0 covers."""
        return (0.5 - (np.abs(self.distance(field)) - width / 2) / self.pixel).clip(0, 1)

    def distance(self, field: np.ndarray) -> np.ndarray:
        """Return the distance to `field` = 0, to first order: the field divided by the length of its gradient."""
        field = field.astype(np.float32, copy=False)
        slope = cv2.magnitude(*slopes(field, self.pixel))
        return field / slope.clip(0.01, 3)  # a larger slope is a seam between two shapes


def slopes(field: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of a float32 field (S,S) per unit of length, to the right and down; one-sided at borders.

    `pixel` is the length of a pixel's side. The same as
    `numpy.gradient` in less than half the time.
    """
    edged = cv2.copyMakeBorder(field, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    half = 0.5 / pixel
    across: np.ndarray = cv2.addWeighted(edged[1:-1, 2:], half, edged[1:-1, :-2], -half, 0)
    down: np.ndarray = cv2.addWeighted(edged[2:, 1:-1], half, edged[:-2, 1:-1], -half, 0)
    across[:, [0, -1]] *= 2  # a repeated border pixel leaves half of the difference
    down[[0, -1]] *= 2
    return across, down


def ellipse(
    u: np.ndarray,
    v: np.ndarray,
    centre: tuple[float, float],
    radii: tuple[float, float],
    angle: float = 0.0,
    power: float = 2.0,
) -> np.ndarray:
    """Return the field of an ellipse, or with a higher power of a rounded box."""
    du, dv = u - np.float32(centre[0]), v - np.float32(centre[1])
    if angle:
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        du, dv = cosine * du + sine * dv, cosine * dv - sine * du
    if power == 2.0:
        return (cv2.magnitude(du / radii[0], dv / radii[1]) - 1) * min(radii)
    return ((np.abs(du / radii[0]) ** power + np.abs(dv / radii[1]) ** power) ** (1 / power) - 1) * min(radii)


def distance(u: np.ndarray, v: np.ndarray, centre: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Return the distance of each pixel to a point."""
    return cv2.magnitude(u - np.float32(centre[0]), v - np.float32(centre[1]))


def smooth(field: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high`, and a smooth step between them."""
    share = ((field - low) / (high - low)).clip(0, 1)
    return share * share * (3 - 2 * share)


def bump(u: np.ndarray, v: np.ndarray, centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """Return a Gaussian hill of height 1."""
    return np.exp(-(((u - np.float32(centre[0])) / radii[0]) ** 2) - ((v - np.float32(centre[1])) / radii[1]) ** 2)


def head(grid: Grid) -> np.ndarray:
    """Return the field of skull and jaw."""
    return (grid.radius - 1) * grid.face.width


def ears(grid: Grid) -> np.ndarray:
    """Return the field of both ears; the one that the face turns to is hidden."""
    face = grid.face
    centres = [side * (face.width - 0.01) - 0.05 * face.yaw for side in (-1, 1)]
    return np.minimum(*(ellipse(grid.u, grid.v, (u, 0.06), (0.07, 0.115), math.copysign(0.2, u)) for u in centres))


def neck(grid: Grid) -> np.ndarray:
    """Return the field of the neck, from the jaw into the shoulders."""
    narrow = grid.face.width * 0.48
    return np.maximum(np.abs(grid.body_u) - narrow - 0.06 * smooth(grid.body_v, 0.6, 1.0), 0.1 - grid.body_v)


def shoulders(grid: Grid) -> np.ndarray:
    """Return the field of the clothed part of the body."""
    chest = ellipse(grid.body_u, grid.body_v, (0, 1.5), (1.02, 0.80), power=2.6)
    collar = ellipse(grid.body_u, grid.body_v, (0, 0.66), (grid.face.width * 0.62, 0.17))
    return np.maximum(chest, -collar)


def _skullcap(grid: Grid) -> np.ndarray:
    """Hair that lies on the skull."""
    return ellipse(grid.u, grid.v, (0, -0.13), (grid.face.width * 1.11, grid.proportions.top * 0.95))


def hair_behind(grid: Grid) -> np.ndarray:
    """Return the field of the hair behind head and neck."""
    face, top = grid.face, grid.proportions.top
    width, u, v = face.width, grid.u, grid.v
    cap = _skullcap(grid)
    if face.style == "bob":
        return ellipse(u, v, (0, -0.06), (width * 1.24, top * 1.03), power=2.5)
    if face.style == "long":
        flare = 1.16 + 0.16 * smooth(v, -0.2, 0.8)
        return ellipse(u / flare, v, (0, 0.42), (width, top * 1.08 + 0.42), power=2.6)
    if face.style == "curly":
        angle = np.arctan2(u, -(v + 0.12))
        waves = 0.035 * np.sin(9 * angle + 3 * face.shade) + 0.02 * np.sin(17 * angle + 7 * face.shade)
        return ellipse(u, v, (0, -0.12), (width * 1.42, top * 1.18)) - waves.astype(np.float32)
    if face.style == "buns":
        balls = [ellipse(u, v, (side * width * 0.86, -top * 0.92), (0.21, 0.2)) for side in (-1, 1)]
        return np.minimum(cap, np.minimum(*balls))
    if face.style == "ponytail":
        tail = ellipse(u, v, (face.side * width * 1.42, 0.12), (0.17, 0.52), -0.28 * face.side)
        knot = ellipse(u, v, (face.side * width * 1.06, -0.36), (0.15, 0.13))
        return np.minimum(cap, np.minimum(tail, knot))
    return cap


def hairline(grid: Grid, teeth: float = 0.0) -> np.ndarray:
    """Return the height down to which hair covers the forehead, over u; `teeth` cut strands into it."""
    face, top = grid.face, grid.proportions.top
    u, width = grid.u - np.float32(0.06 * face.yaw), face.width
    across = u / width
    if face.fringe == "bangs":
        line = -0.36 * top + 0.06 * across**2 + teeth * _saw(across * 3.1 + face.shade)
    elif face.fringe == "side":
        line = -0.62 * top + 0.40 * top * smooth(across * face.side, -0.6, 0.9) + teeth * _saw(across * 2.3)
    elif face.fringe == "parted":
        off = np.abs(across - 0.25 * face.side)
        line = -0.86 * top + 0.52 * top * off**0.8 + 0.5 * teeth * _saw(across * 2.7)
    else:
        line = -0.70 * top + 0.10 * across**2 + 0.4 * teeth * _saw(across * 4.3)
    return line


def _beside(grid: Grid) -> np.ndarray:
    """The strands beside the face, as long as the style has them, endless where the hair falls freely."""
    face = grid.face
    length = {"long": 0.42, "bob": 0.28, "ponytail": -0.02, "buns": -0.05, "curly": -0.1, "short": -0.16}[face.style]
    across = np.abs(grid.u - np.float32(0.06 * face.yaw))
    inner = face.width * 0.88 - 0.1 * grid.v - across
    lock = np.maximum(inner, 0.6 * (grid.v - length + 1.4 * inner))  # cut aslant, longest outside
    return np.minimum(lock, face.width * 1.04 - across) if face.style in _FALLING else lock


def _saw(phase: np.ndarray) -> np.ndarray:
    """A triangle wave, -1 to 1."""
    return (2 * np.abs(2 * (phase - np.floor(phase)) - 1) - 1).astype(np.float32)


def hair_before(grid: Grid, teeth: float = 0.0) -> np.ndarray:
    """Return the field of the hair on the forehead, on the crown and beside the cheeks."""
    cap = hair_behind(grid) if grid.face.style in _FALLING else _skullcap(grid)
    cap = np.minimum(cap, (grid.radius - 1) * grid.face.width - 0.05 * smooth(-grid.v, -0.5, 0.25))
    return np.maximum(cap, np.minimum(grid.v - hairline(grid, teeth), _beside(grid)))


def eye_centre(grid: Grid, side: int) -> tuple[float, float]:
    """Return the centre of an eye, -1 left and 1 right, in turned coordinates."""
    return side * grid.face.eye_gap * grid.proportions.gap, grid.proportions.eye_v


def eye(grid: Grid, side: int) -> np.ndarray:
    """Return the field of the opening of an eye, -1 left and 1 right: an almond, flatter below."""
    face, shape = grid.face, grid.proportions
    centre = eye_centre(grid, side)
    du, dv = grid.turned - np.float32(centre[0]), grid.v - np.float32(centre[1])
    dv = dv + np.float32(face.eye_slant * side) * du
    width, height = shape.eye_width, shape.eye_height * face.eyes_open
    lid = np.where(dv < 0, np.float32(height), np.float32(0.8 * height))
    return (np.sqrt((du / width) ** 2 + np.abs(dv / lid) ** 1.7) - 1) * min(width, height)


def brow(grid: Grid, side: int, raised: float, half_width: float, thickness: float) -> np.ndarray:
    """Return the field of an eyebrow: a bent band above an eye."""
    face, shape = grid.face, grid.proportions
    across = (grid.turned - np.float32(eye_centre(grid, side)[0])) / half_width * side  # 1 is the outer end
    middle = shape.eye_v - raised + 0.025 * across**2 - 0.035 * face.brow * across - 0.3 * face.eye_slant * 0.1 * across
    band = thickness * (1 - 0.45 * across.clip(-1, 1.2))
    return np.maximum(np.abs(grid.v - middle) - band, (np.abs(across) - 1) * half_width)


def mouth_line(grid: Grid, half_width: float, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the height of the line between the lips, and the position across it, -1 and 1 at the corners."""
    across = grid.turned / half_width
    smile = grid.face.smile * bend
    return grid.proportions.mouth_v + smile * (0.4 - across**2), across


def glasses(grid: Grid, radius: float, line: float) -> np.ndarray:
    """Return the field of the frames of a pair of glasses: two rings and a bridge."""
    rings = [np.abs(ellipse(grid.turned, grid.v, eye_centre(grid, side), (radius, radius * 0.92))) for side in (-1, 1)]
    inner = eye_centre(grid, 1)[0] - radius
    bridge = np.maximum(np.abs(grid.v - grid.proportions.eye_v + 0.02), np.abs(grid.turned) - inner)
    return np.minimum(np.minimum(*rings), bridge) - line / 2
