"""Domain A: a face as in a photograph, with rounded shading, skin texture, strands of hair, soft light, background."""

import numpy as np

from paddle_ugatit.data.faces import shapes
from paddle_ugatit.data.faces.canvas import Canvas, noise, spread
from paddle_ugatit.data.faces.latents import Colours, Face, colours
from paddle_ugatit.data.faces.shapes import Grid, Proportions, bump, distance, slopes, smooth

PHOTO = Proportions(
    top=0.58,
    chin=1.0,
    taper=0.0,
    eye_v=-0.03,
    eye_width=0.092,
    eye_height=0.045,
    gap=0.92,
    mouth_v=0.335,
    mouth_width=0.15,
    turn=0.075,
)
_SUPERSAMPLE = 2  # pixels drawn for each pixel kept, in each direction, up to the size below
_LARGEST = 256
_WHITE = (1.0, 1.0, 1.0)


def paint(face: Face, size: int, generator: np.random.Generator) -> np.ndarray:
    """Paint the face as a photograph: uint8 (size,size,3). `generator` decides textures and grain, never shapes."""
    side = size * (_SUPERSAMPLE if size * _SUPERSAMPLE <= _LARGEST else 1)
    grid, tones = Grid(face, PHOTO, side), colours(face, "photo")
    canvas = Canvas(_background(grid, tones, generator))
    strands = _strands(grid, generator)
    _hair(canvas, grid, tones, strands, shapes.hair_behind(grid), 0.72)
    _body(canvas, grid, tones, generator)
    _skin(canvas, grid, tones, generator)
    for part in (-1, 1):
        _eye(canvas, grid, tones, part)
        _brow(canvas, grid, tones, part, strands)
    _mouth(canvas, grid, tones)
    _beard(canvas, grid, tones, generator)
    before = shapes.hair_before(grid, teeth=0.035)
    canvas.tint(grid.inside(before - 0.025, 12) * grid.inside(shapes.head(grid)), (0.72, 0.68, 0.66))
    _hair(canvas, grid, tones, strands, before, 1.0)
    _glasses(canvas, grid)
    _camera(canvas, grid, generator)
    return canvas.finished(size)


def _background(grid: Grid, tones: Colours, generator: np.random.Generator) -> np.ndarray:
    """An out-of-focus background: a gradient, clouds, and the blurred pattern."""
    face, size = grid.face, grid.size
    light = 1 + 0.25 * (grid.x * face.light[0] + grid.y * face.light[1]) + 0.06 * noise(generator, size, 3)
    ground = spread(np.ones((size, size), np.float32), tones.ground)
    if face.pattern == 1:
        disc = smooth(-distance(grid.x, grid.y, (0.3 * face.side, -0.2)), -0.95, -0.6)
        ground += spread(disc, (0.16, 0.16, 0.16))
    elif face.pattern == 2:
        stripes = smooth(np.sin(7 * (grid.x + 0.6 * grid.y)), -0.7, 0.7)
        ground += spread(stripes - 0.5, (0.08, 0.08, 0.08))
    elif face.pattern == 3:
        light *= 1 - 0.35 * smooth(grid.y + 0.05 * noise(generator, size, 2), 0.1, 0.4)
    return (ground * spread(light, _WHITE)).clip(0, 1)


def _strands(grid: Grid, generator: np.random.Generator) -> np.ndarray:
    """Streaks that run down from above the crown, mean about 0 and deviation about 1."""
    origin = grid.u - np.float32(0.12 * grid.face.side), grid.v + np.float32(1.0)
    angle = np.arctan2(origin[0], origin[1]) + 0.03 * noise(generator, grid.size, 4)
    if grid.face.style == "curly":
        return noise(generator, grid.size, 36) * 0.65 + noise(generator, grid.size, 16) * 0.55
    total = np.zeros_like(grid.u)
    for count, weight in ((14, 0.55), (37, 0.6), (90, 0.45)):
        line = generator.standard_normal(2 * count).astype(np.float32)
        total += np.float32(weight) * np.interp(angle * count, np.arange(-count, count), line).astype(np.float32)
    return total


def _hair(canvas: Canvas, grid: Grid, tones: Colours, strands: np.ndarray, field: np.ndarray, depth: float) -> None:
    """One layer of hair: strands, roundness, a band of gloss."""
    face = grid.face
    field = field + np.float32(0.004) * strands
    away = distance(grid.u, 0.85 * (grid.v + 0.1)) / 0.7
    gloss = np.exp(-(((away - 0.62) / 0.16) ** 2)) * smooth(-grid.v, -0.1, 0.3)
    lit = 0.9 + 0.22 * (grid.u * face.light[0] + grid.v * face.light[1]) - 0.22 * smooth(away, 0.6, 1.4)
    shine = (0.16 + 0.18 * tones.hair.mean()) * gloss * (1 + 0.5 * strands)
    tone = lit * (1 + 0.13 * strands) * depth
    canvas.cover(grid.inside(field, 2.5), spread(tone, tones.hair) + spread(shine.clip(0, 1), (1.0, 0.95, 0.88)))


def _body(canvas: Canvas, grid: Grid, tones: Colours, generator: np.random.Generator) -> None:
    """The neck, in the shadow of the chin, and clothes with folds."""
    face = grid.face
    turn = 1 + 0.3 * grid.body_u * face.light[0] - 0.55 * (grid.body_u / 0.3) ** 2 * 0.3
    chin_shadow = 0.55 + 0.4 * smooth(grid.body_v, face.chin * 0.9, face.chin + 0.35)
    canvas.cover(grid.inside(shapes.neck(grid), 2), spread((turn * chin_shadow).clip(0.2, 1.1), tones.skin))
    folds = 0.1 * noise(generator, grid.size, 5) + 0.03 * noise(generator, grid.size, 40)
    lit = 0.82 + 0.3 * grid.body_u * face.light[0] + folds - 0.2 * smooth(np.abs(grid.body_u), 0.4, 1.0)
    canvas.cover(grid.inside(shapes.shoulders(grid), 2.5), spread(lit.clip(0.1, 1.3), tones.cloth))


def _relief(grid: Grid) -> np.ndarray:
    """The height of the face above the image plane, in head units."""
    face, u, v = grid.face, grid.turned, grid.v
    big = 0.75 + 0.5 * face.nose
    height = 0.34 * np.sqrt(1 - grid.radius.clip(0, 1) ** 2.8)
    height += 0.055 * big * bump(u, v, (0, 0.09), (0.05, 0.14)) + 0.06 * big * bump(u, v, (0, 0.185), (0.062, 0.05))
    for side in (-1, 1):
        at_eye = side * face.eye_gap * PHOTO.gap
        height -= 0.045 * bump(u, v, (at_eye, PHOTO.eye_v), (0.12, 0.085))
        height += 0.022 * bump(u, v, (at_eye, PHOTO.eye_v - 0.12), (0.13, 0.05))
        height += 0.05 * bump(u, v, (side * 0.24, 0.17), (0.13, 0.12))
        height += 0.022 * big * bump(u, v, (side * 0.06, 0.2), (0.032, 0.03))
    height += 0.03 * bump(u, v, (0, PHOTO.mouth_v), (0.13, 0.06)) + 0.03 * bump(u, v, (0, face.chin - 0.1), (0.1, 0.07))
    return height


def _skin(canvas: Canvas, grid: Grid, tones: Colours, generator: np.random.Generator) -> None:
    """Ears and face under one light source, with pores, redness and freckles."""
    face = grid.face
    slope_u, slope_v = slopes(_relief(grid).astype(np.float32), grid.pixel)
    length = np.sqrt(slope_u**2 + slope_v**2 + 1)
    light = np.array([*face.light, 0.9], np.float32)
    light /= np.linalg.norm(light)
    facing = (light[2] - light[0] * slope_u - light[1] * slope_v) / length
    half = (light + (0, 0, 1)) / np.linalg.norm(light + (0, 0, 1))
    shine = ((half[2] - half[0] * slope_u - half[1] * slope_v) / length).clip(0, 1) ** 28
    lit = (
        0.55
        + 0.58 * facing.clip(0, 1)
        + 0.014 * noise(generator, grid.size, 44)
        + 0.014 * noise(generator, grid.size, 9)
    )
    ruddy = sum(bump(grid.turned, grid.v, (side * 0.24, 0.17), (0.12, 0.1)) for side in (-1, 1))
    ruddy = (
        0.6 * ruddy + 0.5 * bump(grid.turned, grid.v, (0, 0.18), (0.06, 0.06)) + 0.1 * noise(generator, grid.size, 7)
    )
    dark = (1 - lit).clip(0, 1)
    tone = spread(lit, tones.skin) * (1 - spread(dark, (0.0, 0.12, 0.2)))
    tone = tone * (1 - spread(ruddy, (0.0, 0.11, 0.10))) + spread(shine, (0.13, 0.13, 0.13))
    if face.freckles:
        spots = smooth(noise(generator, grid.size, 34), 1.3, 2.0) * ruddy.clip(0, 1)
        tone *= 1 - spread(spots, (0.25, 0.4, 0.45))
    ears = grid.inside(shapes.ears(grid), 2)
    canvas.cover(ears, spread(0.72 + 0.25 * grid.u * face.light[0], tones.skin * (0.95, 0.82, 0.78)))
    canvas.cover(grid.inside(shapes.head(grid), 2), tone.clip(0, 1))
    for side in (-1, 1):
        nostril = bump(grid.turned, grid.v, (side * 0.032, 0.222), (0.02, 0.011))
        canvas.tint(nostril, (0.42, 0.34, 0.32))
    canvas.tint(0.35 * bump(grid.turned, grid.v, (0, 0.245), (0.07, 0.02)), (0.6, 0.52, 0.5))


def _eye(canvas: Canvas, grid: Grid, tones: Colours, part: int) -> None:
    face, centre = grid.face, shapes.eye_centre(grid, part)
    grid, place = grid.near(centre, 0.2)
    canvas, u, v = canvas.window(place), grid.turned, grid.v
    almond = shapes.eye(grid, part)
    canvas.tint(0.45 * grid.inside(almond - 0.02, 10), (0.72, 0.62, 0.6))  # the lids' shadow
    opening = grid.inside(almond, 1.5)
    white = 0.88 - 0.5 * smooth(np.abs(u - centre[0]), 0.03, 0.1) * 0.5 - 0.35 * smooth(centre[1] - v, 0.0, 0.05)
    canvas.cover(opening, spread(white, (1.0, 0.97, 0.95)))
    away = distance(u, v, (centre[0] + 0.012 * face.yaw, centre[1] - 0.004))
    rays = 0.85 + 0.6 * smooth(away, 0.012, 0.04) - 0.3 * smooth(centre[1] - v, -0.01, 0.03)
    canvas.cover(opening * grid.inside(away - 0.042, 1.5), spread(rays, tones.iris))
    canvas.tint(opening * grid.outline(away - 0.042, 0.012), 0.45)
    canvas.cover(opening * grid.inside(away - 0.018, 1.5), (0.03, 0.03, 0.04))
    glint = distance(u, v, (centre[0] + 0.016 * face.bright, centre[1] - 0.018))
    canvas.cover(opening * grid.inside(glint - 0.009, 1.5), (1, 1, 1))
    upper = smooth(centre[1] - v, -0.012, 0.02)
    canvas.cover(0.9 * grid.outline(almond, 0.016) * upper, (0.10, 0.07, 0.06))
    canvas.tint(0.5 * grid.outline(almond, 0.01) * (1 - upper), (0.6, 0.45, 0.42))
    canvas.tint(0.35 * grid.outline(almond - 0.022, 0.008) * upper, (0.5, 0.4, 0.38))


def _brow(canvas: Canvas, grid: Grid, tones: Colours, part: int, strands: np.ndarray) -> None:
    thickness = 0.013 + 0.013 * grid.face.brow_weight
    u, v = shapes.eye_centre(grid, part)
    grid, place = grid.near((u, v - 0.115), 0.2)
    band = shapes.brow(grid, part, 0.115, 0.12, thickness) + np.float32(0.006) * strands[place]
    canvas.window(place).cover(0.85 * grid.inside(band, 3.5), 0.62 * tones.hair + 0.02)


def _mouth(canvas: Canvas, grid: Grid, tones: Colours) -> None:
    face, width = grid.face, PHOTO.mouth_width * (1 + 0.16 * grid.face.smile)
    grid, place = grid.near((0, PHOTO.mouth_v), 0.25)
    canvas = canvas.window(place)
    line, across = shapes.mouth_line(grid, width, 0.055)
    reach = np.sqrt((1 - across**2).clip(0, 1))
    gap = 0.045 * face.mouth_open * reach
    upper, lower = 0.026 + 0.016 * face.lips, 0.034 + 0.022 * face.lips
    below = grid.v - line
    bow = upper * reach * (1 - 0.25 * np.exp(-((across / 0.16) ** 2)))
    lips = np.maximum(-below - bow, below - gap - lower * reach)
    rosy = 0.55 * tones.skin + 0.45 * np.float32((0.72, 0.26, 0.27))
    lit = 0.86 + 0.22 * smooth(below - gap, 0.0, lower) - 0.12 * (below < 0)
    canvas.cover(0.92 * grid.inside(lips, 2.5) * (np.abs(across) < 1), spread(lit, rosy))
    canvas.tint(0.5 * bump(grid.turned, below, (0, gap.max() + lower + 0.028), (0.09, 0.016)), (0.72, 0.66, 0.64))
    inside = np.maximum(-below, below - gap)
    if face.mouth_open:
        canvas.cover(grid.inside(inside, 1.5) * (np.abs(across) < 1), (0.24, 0.07, 0.07))
        teeth = np.maximum(inside, below - 0.55 * gap)
        canvas.cover(grid.inside(teeth, 1.5) * (np.abs(across) < 0.86), (0.92, 0.89, 0.85))
    canvas.tint(grid.inside(np.abs(below) - 0.005, 2) * (np.abs(across) < 1.06), (0.42, 0.3, 0.3))


def _beard(canvas: Canvas, grid: Grid, tones: Colours, generator: np.random.Generator) -> None:
    face = grid.face
    if not face.beard:
        return
    area = smooth(grid.radius + 0.55 * (grid.v - 0.2), 0.75, 1.0) * smooth(grid.v, 0.12, 0.3)
    moustache = bump(grid.turned, grid.v, (0, PHOTO.mouth_v - 0.07), (0.17, 0.028))
    bare = bump(grid.turned, grid.v, (0, PHOTO.mouth_v + 0.005), (0.13, 0.045))
    stubble = 0.8 + 0.14 * noise(generator, grid.size, 60)
    cover = (np.maximum(area, moustache) * (1 - 0.9 * bare) * stubble * face.beard).clip(0, 0.9)
    canvas.cover(cover * grid.inside(shapes.head(grid)), tones.hair * 0.8)


def _glasses(canvas: Canvas, grid: Grid) -> None:
    if grid.face.glasses:
        frames = shapes.glasses(grid, 0.135, 0.018)
        canvas.tint(0.35 * grid.inside(frames - 0.012, 6), (0.6, 0.55, 0.55))
        canvas.cover(0.95 * grid.inside(frames, 1.5), (0.09, 0.08, 0.09))


def _camera(canvas: Canvas, grid: Grid, generator: np.random.Generator) -> None:
    """Vignette, white balance, grain."""
    canvas.pixels *= spread(1.04 - 0.12 * (grid.x**2 + grid.y**2), _WHITE)
    canvas.pixels *= np.float32(1 + 0.03 * generator.standard_normal(3))
    grain = generator.standard_normal((grid.size, grid.size, 1), dtype=np.float32)
    canvas.pixels += np.float32(0.014) * grain
