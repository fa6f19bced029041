"""Stylising beside the public program: its colours, sizes and crops."""

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.cli import stylize
from paddle_ugatit.inference import stylise as stylising


def public_colour_match(picture, target):
    """The public code's formula: standardised colours, covariances as sums over pixels plus the identity."""

    def parts(pixels):
        colours = pixels.reshape(-1, 3) / 255
        mean, deviation = colours.mean(0), colours.std(0, ddof=1)
        centred = (colours - mean) / deviation
        values, vectors = np.linalg.eigh(centred.T @ centred + np.eye(3))
        return centred, mean, deviation, vectors * values**0.5 @ vectors.T

    centred, _, _, root = parts(picture)
    _, mean, deviation, target_root = parts(target)
    return (centred @ np.linalg.inv(root) @ target_root) * deviation + mean


def test_colours_are_those_of_the_public_code_where_sizes_are_equal():
    """To a level; the correlations of these colours are strong, so that another square root is many levels off."""
    rng, mix = np.random.default_rng(0), np.array([[1, 0.2, 0], [0.9, 0.3, 0.1], [0.1, -0.5, 0.4]])
    pixels = [128 + 30 * rng.standard_normal((100, 100, 3)) @ m * [1, 0.3, 0.6] for m in (mix, mix[::-1].T)]
    style, content = (np.rint(each.clip(0, 255)).astype(np.uint8) for each in pixels)
    public = np.rint(public_colour_match(style, content).clip(0, 1) * 255).reshape(style.shape)
    found = stylising.matched_colours(style, content).astype(int)
    assert np.abs(found - public).max() <= 1
    whitened = [np.linalg.cholesky(np.cov(each.reshape(-1, 3).T)) for each in (style, content)]
    other = (style.reshape(-1, 3) - style.mean((0, 1))) @ np.linalg.inv(whitened[0]).T @ whitened[1].T
    assert np.abs(other + content.mean((0, 1)) - public.reshape(-1, 3)).max() > 10  # the same moments, another root


@pytest.mark.parametrize(("size", "wanted"), [((130, 97), (85, 64)), ((97, 130), (64, 85)), ((64, 64), (64, 64))])
def test_sizes_are_those_of_the_public_code(size, wanted):
    assert stylize.prepared(Image.new("RGB", size), 64, False).size == wanted


@pytest.mark.parametrize(("length", "left"), [(119, 20), (117, 18), (118, 19), (80, 0), (81, 0), (83, 2)])
def test_crops_are_those_of_the_public_code(length, left):
    """torchvision rounds the margin, half to even."""
    row = np.arange(length, dtype=np.uint8)[None, :, None].repeat(80, 0).repeat(3, 2)
    found = np.asarray(stylize.prepared(Image.fromarray(row), None, True))
    assert found.shape == (80, 80, 3) and [found[0, 0, 0], found[0, -1, 0]] == [left, left + 79]


def test_the_public_colour_match_depends_on_the_number_of_pixels():
    target = np.random.default_rng(0).integers(96, 160, (20, 20, 3)).astype(np.uint8)
    larger = target.repeat(2, 0).repeat(2, 1)
    style = np.random.default_rng(1).integers(96, 160, (20, 20, 3)).astype(np.uint8)
    public = [public_colour_match(style, content).std() for content in (target, larger)]
    ours = [stylising.matched_colours(style, content).std() for content in (target, larger)]
    assert public[1] == pytest.approx(2 * public[0], rel=0.01) and ours[1] == pytest.approx(ours[0], rel=0.01)
    assert ours[0] == pytest.approx(target.std(), rel=0.03)
