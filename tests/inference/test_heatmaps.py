"""Heatmaps: the public code's colours and order of steps, overlays, contours."""

import cv2
import numpy as np
import pytest

from paddle_ugatit.inference import heatmaps


def cam(x, size):
    """The public code's function, in RGB and as 8 bits."""
    x = x - np.min(x)
    grey = np.uint8(255 * (x / np.max(x)))
    return cv2.applyColorMap(cv2.resize(grey, (size, size)), cv2.COLORMAP_JET)[..., ::-1]


def test_the_public_codes_picture():
    heatmap = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    assert (heatmaps.coloured(heatmap, 64, 64) == cam(heatmap, 64)).all()


def test_colours_go_from_blue_to_red():
    ramp = heatmaps.coloured(np.array([[-5.0, 15.0]]), 1, 2)
    assert (ramp == [[(0, 0, 128), (128, 0, 0)]]).all()
    values = np.array([0.0, 64, 128, 191, 255])
    steps = heatmaps.coloured(values[None], 1, 5)[0].astype(int)
    jet = (1.5 - np.abs(4 * values[:, None] / 255 - (3.0, 2.0, 1.0))).clip(0, 1)
    assert np.abs(steps - 255 * jet).max() <= 1


def test_a_map_of_one_value_is_blue():
    with np.errstate(all="raise"):
        constant = heatmaps.coloured(np.full((3, 3), 7.0), 6, 4)
    assert constant.shape == (6, 4, 3) and (constant == (0, 0, 128)).all()


@pytest.mark.parametrize(("strength", "wanted"), [(0.0, 40), (1.0, 200), (0.25, 80)])
def test_overlay_blends(strength, wanted):
    pixels, colours = np.full((5, 7, 3), 40, np.uint8), np.full((5, 7, 3), 200, np.uint8)
    found = heatmaps.overlay(pixels, colours, strength)
    assert found.dtype == np.uint8 and (found == wanted).all() and (pixels == 40).all()


def border(area):
    """The pixels of an area that have a neighbour outside of it."""
    return area & ~cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def test_the_contour_runs_where_the_map_passes_the_level():
    heatmap = np.zeros((32, 32))
    heatmap[10:20, 12:25] = 1
    pixels = np.zeros((32, 32, 3), np.uint8)
    drawn = heatmaps.outlined(pixels, heatmap).min(2)
    inside = heatmap > 0
    away = cv2.distanceTransform((~border(inside)).astype(np.uint8), cv2.DIST_L2, 5)
    assert (drawn[away == 0] > 128).all() and not drawn[away > 2].any() and not pixels.any()
    assert not heatmaps.outlined(pixels, heatmap, level=1.1).any()
