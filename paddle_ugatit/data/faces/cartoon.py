"""Domain B: the same kind of face as a flat cartoon, with outlines, large eyes, a tiny nose, cel shading."""

import numpy as np

from paddle_ugatit.data.faces import shapes
from paddle_ugatit.data.faces.canvas import Canvas, spread
from paddle_ugatit.data.faces.latents import Colours, Face, colours
from paddle_ugatit.data.faces.shapes import Grid, Proportions, distance, ellipse, smooth

CARTOON = Proportions(
    top=0.60,
    chin=0.90,
    taper=0.55,
    eye_v=0.09,
    eye_width=0.135,
    eye_height=0.155,
    gap=1.08,
    mouth_v=0.385,
    mouth_width=0.085,
    turn=0.075,
)
_INK = np.float32((0.16, 0.10, 0.14))
_LINE = 0.02  # width of an outline
_SMALLEST = 256  # pixels drawn at least, and at least twice as many as are kept


def paint(face: Face, size: int) -> np.ndarray:
    """Paint the face as a cartoon: uint8 (size,size,3)."""
    side = size * max(2, -(-_SMALLEST // size)) if size < _SMALLEST else size
    grid, tones = Grid(face, CARTOON, side), colours(face, "cartoon")
    canvas = Canvas(_background(grid, tones))
    _fill(canvas, grid, shapes.hair_behind(grid), tones.hair * 0.80)
    _body(canvas, grid, tones)
    _fill(canvas, grid, shapes.ears(grid), tones.skin * (0.96, 0.88, 0.86))
    _head(canvas, grid, tones)
    _mouth(canvas, grid, tones)
    for part in (-1, 1):
        _eye(canvas, grid, tones, part)
    _front_hair(canvas, grid, tones)
    for part in (-1, 1):
        _brow(canvas, grid, tones, part)
    if face.glasses:
        canvas.cover(grid.inside(shapes.glasses(grid, 0.19, 0.022)), _INK)
    return canvas.finished(size)


def _fill(canvas: Canvas, grid: Grid, field: np.ndarray, colour: np.ndarray) -> None:
    """A flat shape with its outline."""
    canvas.cover(grid.inside(field), colour)
    canvas.cover(grid.outline(field, _LINE), _INK)


def _background(grid: Grid, tones: Colours) -> np.ndarray:
    """A flat background, plain or with a lighter disc, lighter stripes or a darker floor."""
    face = grid.face
    pixel = 2 / grid.size
    if face.pattern == 1:
        field = distance(grid.x, grid.y, (0.3 * face.side, -0.2)) - 0.78
    elif face.pattern == 2:
        field = np.sin(7 * (grid.x + 0.6 * grid.y)) / 8.2
    elif face.pattern == 3:
        return spread(1 - 0.18 * (0.5 - (0.25 - grid.y) / pixel).clip(0, 1), tones.ground)
    else:
        return spread(np.ones_like(grid.x), tones.ground)
    return tones.ground + spread((0.5 - field / pixel).clip(0, 1), 0.45 * (1 - tones.ground))


def _body(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    _fill(canvas, grid, shapes.neck(grid), tones.skin)
    shadow = np.maximum(shapes.neck(grid), grid.body_v - grid.face.chin * CARTOON.chin - 0.16)
    canvas.cover(grid.inside(shadow), _shaded(tones.skin))
    chest = shapes.shoulders(grid)
    _fill(canvas, grid, chest, tones.cloth)
    away = grid.face.bright * grid.body_u
    canvas.cover(grid.inside(np.maximum(chest + 0.01, away + 0.3)), tones.cloth * 0.8)


def _shaded(skin: np.ndarray) -> np.ndarray:
    """The tone of shaded skin: one step darker and redder."""
    return skin * np.array((0.88, 0.74, 0.74), np.float32)


def _head(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    face, head = grid.face, shapes.head(grid)
    canvas.cover(grid.inside(head), tones.skin)
    terminator = ellipse(grid.u, grid.v, (0.13 * face.bright, -0.1), (face.width * 1.0, face.chin * 1.02))
    canvas.cover(grid.inside(np.maximum(head, -terminator)), _shaded(tones.skin))
    fringe = shapes.hair_before(grid, teeth=0.09) - 0.045
    canvas.cover(grid.inside(np.maximum(head, fringe)), _shaded(tones.skin))
    canvas.cover(grid.outline(head, _LINE), _INK)
    _cheeks(canvas, grid, tones)
    if face.beard:
        _beard(canvas, grid, tones)


def _cheeks(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    """Blush, freckles, and the nose as a dot."""
    face = grid.face
    grid, place = grid.near((0, 0.25), 0.4)
    canvas, inside = canvas.window(place), grid.inside(shapes.head(grid) + _LINE)
    for part in (-1, 1):
        blush = ellipse(grid.turned, grid.v, (part * 0.25, 0.275), (0.075, 0.036))
        canvas.cover(0.5 * inside * grid.inside(blush, 3), tones.skin * (1.0, 0.62, 0.62))
        if face.freckles:
            for du, dv in ((-0.035, 0.0), (0.0, -0.018), (0.035, 0.004)):
                spot = distance(grid.turned, grid.v, (part * 0.2 + du, 0.25 + dv)) - 0.009
                canvas.cover(0.8 * inside * grid.inside(spot), tones.skin * (0.72, 0.5, 0.45))
    nose = distance(grid.turned, grid.v, (0.012 * face.bright, 0.245)) - 0.008 - 0.005 * face.nose
    canvas.cover(grid.inside(nose), tones.skin * (0.62, 0.42, 0.42))


def _beard(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    """A flat shadow along the jaw, stronger for a fuller beard."""
    jaw = np.maximum(shapes.head(grid), ellipse(-grid.turned, -grid.v, (0, -0.2), (0.28, 0.24)) * -1)
    area = np.maximum(jaw, 0.22 - grid.v)
    canvas.cover(min(0.9, 0.25 + 0.65 * grid.face.beard) * grid.inside(area), tones.hair * 0.9)


def _eye(canvas: Canvas, grid: Grid, tones: Colours, part: int) -> None:
    face, centre = grid.face, shapes.eye_centre(grid, part)
    grid, place = grid.near(centre, 0.23)
    canvas, u, v = canvas.window(place), grid.turned, grid.v
    almond = shapes.eye(grid, part)
    opening = grid.inside(almond)
    canvas.cover(opening, (1.0, 1.0, 1.0))
    middle = (centre[0] - 0.008 * part + 0.015 * face.yaw, centre[1] + 0.008)
    iris = ellipse(u, v, middle, (0.088, 0.118))
    canvas.cover(opening * grid.inside(iris), tones.iris * 0.62)
    lower = ellipse(u, v, (middle[0], middle[1] + 0.05), (0.075, 0.072))
    canvas.cover(opening * grid.inside(np.maximum(iris + 0.012, lower)), (tones.iris * 1.25).clip(0, 1))
    canvas.cover(opening * grid.outline(iris, 0.014), _INK)
    canvas.cover(opening * grid.inside(ellipse(u, v, middle, (0.036, 0.052))), _INK)
    canvas.tint(opening * smooth(centre[1] - v, 0.06, 0.10), 0.72)
    glint = ellipse(u, v, (middle[0] + 0.036 * face.bright, middle[1] - 0.045), (0.027, 0.034))
    spark = distance(u, v, (middle[0] - 0.034 * face.bright, middle[1] + 0.052)) - 0.014
    canvas.cover(opening * grid.inside(np.minimum(glint, spark)), (1, 1, 1))
    upper = smooth(centre[1] - v, -0.035, 0.03)
    canvas.cover(grid.outline(almond, 0.042) * upper, _INK)
    canvas.cover(0.8 * grid.outline(almond, 0.012) * (1 - upper), _INK)


def _brow(canvas: Canvas, grid: Grid, tones: Colours, part: int) -> None:
    u, v = shapes.eye_centre(grid, part)
    grid, place = grid.near((u, v - 0.235), 0.2)
    brow = shapes.brow(grid, part, 0.235, 0.115, 0.010 + 0.010 * grid.face.brow_weight)
    canvas.window(place).cover(grid.inside(brow), 0.45 * tones.hair + 0.35 * _INK)


def _mouth(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    face = grid.face
    grid, place = grid.near((0, CARTOON.mouth_v), 0.2)
    canvas = canvas.window(place)
    line, across = shapes.mouth_line(grid, CARTOON.mouth_width * (1 + 0.3 * face.smile), 0.04)
    below, inside = grid.v - line, np.abs(across) < 1
    if face.mouth_open:
        depth = 0.085 * face.mouth_open * np.sqrt((1 - across**2).clip(0, 1))
        hole = np.maximum(-below, below - depth)
        canvas.cover(grid.inside(hole) * inside, (0.70, 0.22, 0.25))
        canvas.cover(grid.inside(np.maximum(hole, below - 0.3 * depth)) * inside, (1, 1, 1))
        canvas.cover(grid.outline(hole, 0.014) * inside, _INK)
    else:
        canvas.cover(grid.inside(np.abs(below) - 0.009) * inside, _INK * 0.8 + 0.2 * tones.skin)


def _front_hair(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    """Fringe and crown in one colour, with a shadow at the edge and a highlight."""
    hair = shapes.hair_before(grid, teeth=0.09)
    if grid.face.style == "curly":
        angle = np.arctan2(grid.u, -(grid.v + 0.12))
        hair = hair - np.float32(0.02) * np.sin(15 * angle)
    _fill(canvas, grid, hair, tones.hair)
    canvas.cover(grid.inside(np.maximum(hair + 0.012, -hair - 0.05)), tones.hair * 0.84)
    away = distance(grid.u, grid.v, (0, -0.12)) - (0.40 + 0.012 * np.sin(26 * np.arctan2(grid.u, -grid.v)))
    band = np.maximum(np.abs(away) - 0.03, np.abs(grid.u - 0.1 * grid.face.bright) - 0.2)
    ring = np.maximum(np.maximum(band, hair + 0.03), grid.v + 0.25)
    canvas.cover(0.75 * grid.inside(ring), tones.hair + 0.5 * (1 - tones.hair))
