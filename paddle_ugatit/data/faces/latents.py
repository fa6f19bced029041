"""The person in a procedural image: `Face`, the random latents, and `Colours`, how either domain colours them."""

import colorsys
from dataclasses import dataclass

import numpy as np

HAIR_STYLES = ("short", "bob", "long", "curly", "buns", "ponytail")
FRINGES = ("bangs", "side", "parted", "high")

# Every colour is listed twice: as a photograph shows it and as the cartoon draws it.
_SKIN = {
    "photo": [(0.96, 0.80, 0.71), (0.91, 0.72, 0.59), (0.82, 0.61, 0.46), (0.67, 0.46, 0.33), (0.47, 0.31, 0.22)],
    "cartoon": [(1.00, 0.91, 0.84), (1.00, 0.86, 0.74), (0.96, 0.77, 0.61), (0.84, 0.60, 0.44), (0.64, 0.43, 0.32)],
}
_HAIR = {
    "photo": [
        (0.09, 0.08, 0.08),
        (0.21, 0.14, 0.10),
        (0.37, 0.24, 0.15),
        (0.52, 0.23, 0.12),
        (0.79, 0.63, 0.39),
        (0.66, 0.65, 0.64),
    ],
    "cartoon": [
        (0.20, 0.20, 0.34),
        (0.42, 0.25, 0.24),
        (0.67, 0.40, 0.24),
        (0.90, 0.38, 0.22),
        (1.00, 0.85, 0.45),
        (0.78, 0.83, 0.94),
    ],
}
_IRIS = {
    "photo": [(0.20, 0.12, 0.07), (0.36, 0.22, 0.11), (0.30, 0.38, 0.22), (0.28, 0.43, 0.60), (0.40, 0.46, 0.50)],
    "cartoon": [(0.40, 0.22, 0.17), (0.75, 0.43, 0.15), (0.24, 0.66, 0.33), (0.20, 0.52, 0.90), (0.50, 0.58, 0.72)],
}


@dataclass(frozen=True)
class Face:
    """One person in one pose, as shown in both domains. Lengths are in half image widths, angles in radians."""

    skin: float  # 0 fair to 4 dark
    hair: int  # index of the hair's colour
    shade: float  # of the hair's colour, -1 to 1
    iris: int  # index of the eyes' colour
    cloth: tuple[float, float, float]  # hue, saturation, value
    ground: tuple[float, float, float]  # hue, saturation, value of the background
    pattern: int  # of the background: 0 plain, 1 a disc, 2 stripes, 3 a horizon
    style: str  # one of HAIR_STYLES
    fringe: str  # one of FRINGES
    side: int  # -1 or 1: where the parting and the ponytail are
    width: float  # of the head, half
    chin: float  # from the middle of the head to the chin
    jaw: float  # how much the head narrows to the chin, 0 to 1
    centre: tuple[float, float]  # of the head
    scale: float  # of everything
    tilt: float  # of the head, to the side
    yaw: float  # -1 to 1, to where the face is turned
    smile: float  # -1 to 1
    mouth_open: float  # 0 to 1
    eyes_open: float  # 0.5 to 1
    eye_gap: float  # half the distance of the eyes
    eye_slant: float  # of the eyes' outer corners upwards
    brow: float  # -1 sorrowful to 1 angry
    brow_weight: float  # 0 thin to 1 bushy
    nose: float  # 0 small to 1 large
    lips: float  # 0 thin to 1 full
    light: tuple[float, float]  # direction to the light: right, down
    glasses: bool
    freckles: bool
    beard: float  # 0 none to 1

    @property
    def bright(self) -> int:
        """The side that the light comes from: -1 left, 1 right."""
        return 1 if self.light[0] > 0 else -1


def sample_face(generator: np.random.Generator) -> Face:
    """Sample a person and a pose."""

    def between(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    def chance(probability: float) -> bool:
        return bool(generator.random() < probability)

    style = HAIR_STYLES[generator.integers(len(HAIR_STYLES))]
    return Face(
        skin=4 * between(0, 1) ** 1.5,
        hair=int(generator.integers(len(_HAIR["photo"]))),
        shade=between(-1, 1),
        iris=int(generator.integers(len(_IRIS["photo"]))),
        cloth=(between(0, 1), between(0.15, 0.75), between(0.35, 0.9)),
        ground=(between(0, 1), between(0.12, 0.55), between(0.45, 0.9)),
        pattern=int(generator.integers(4)),
        style=style,
        fringe=FRINGES[generator.integers(len(FRINGES))],
        side=1 if chance(0.5) else -1,
        width=between(0.40, 0.48),
        chin=between(0.54, 0.64),
        jaw=between(0.15, 0.6),
        centre=(between(-0.12, 0.12), between(-0.02, 0.12)),
        scale=between(1.05, 1.28),
        tilt=between(-0.2, 0.2),
        yaw=between(-1, 1),
        smile=between(-0.3, 1),
        mouth_open=between(0.3, 1) if chance(0.35) else 0.0,
        eyes_open=between(0.65, 1),
        eye_gap=between(0.185, 0.225),
        eye_slant=between(-0.12, 0.2),
        brow=between(-0.8, 0.8),
        brow_weight=between(0, 1),
        nose=between(0, 1),
        lips=between(0, 1),
        light=(between(-0.8, 0.8), between(-0.7, -0.2)),
        glasses=chance(0.18),
        freckles=chance(0.15),
        beard=between(0.4, 1) if style == "short" and chance(0.5) else 0.0,
    )


@dataclass(frozen=True)
class Colours:
    """The colours of a Face in one domain: float RGB arrays (3,), 0 to 1."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    ground: np.ndarray


def colours(face: Face, domain: str) -> Colours:
    """Return the colours of a face in the domain "photo" or "cartoon"."""
    low = min(int(face.skin), len(_SKIN[domain]) - 2)
    skin = _mixed(_SKIN[domain][low], _SKIN[domain][low + 1], face.skin - low)
    hair = np.float32(_HAIR[domain][face.hair]) * np.float32(1 + 0.12 * face.shade)
    hue, saturation, value = face.ground
    ground = face.ground if domain == "photo" else (hue, 0.7 * saturation, 0.55 + 0.45 * value)
    hue, saturation, value = face.cloth
    cloth = face.cloth if domain == "photo" else (hue, min(1.0, 1.25 * saturation), 0.3 + 0.7 * value)
    return Colours(
        skin,
        hair.clip(0, 1),
        np.float32(_IRIS[domain][face.iris]),
        np.float32(colorsys.hsv_to_rgb(*cloth)),
        np.float32(colorsys.hsv_to_rgb(*ground)),
    )


def _mixed(first: tuple[float, ...], second: tuple[float, ...], share: float) -> np.ndarray:
    return np.asarray(first, np.float32) * np.float32(1 - share) + np.asarray(second, np.float32) * np.float32(share)
