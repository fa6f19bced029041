"""Faces in photographs that ship with scikit-image, in drawn ones, turned, several, tiny, and none."""

import cv2
import numpy as np
import pytest

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.faces import draw
from paddle_ugatit.inference import face_finder
from paddle_ugatit.inference.face_crop import cropped, frame_of
from paddle_ugatit.inference.face_finder import CascadeFinder, load_finder, scales
from paddle_ugatit.inference.published_faces import published_file

needs_wheel = pytest.mark.skipif(published_file("pnet") is None, reason="facenet-pytorch is not installed")


@pytest.fixture(scope="module")
def finder():
    if published_file("pnet") is None:
        pytest.skip("facenet-pytorch is not installed")
    return load_finder()


@pytest.fixture(scope="module")
def cascade():
    pytest.importorskip("skimage")
    return CascadeFinder()


def photo(name):
    pixels = getattr(pytest.importorskip("skimage.data"), name)()
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)


def scene(*faces, size=(220, 400), seed=0):
    """A noisy grey wall with drawn photos of faces, each (picture, left, top)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(110, 140, (*size, 3)).astype(np.uint8)
    for picture, left, top in faces:
        pixels[top : top + len(picture), left : left + len(picture)] = picture
    return pixels


def test_a_face_in_a_photograph(finder):
    (face,) = finder.find(photo("astronaut"))
    assert face.score > 0.99 and face.box == pytest.approx([181, 59, 269, 175], abs=4)
    eyes_nose_mouth = [[204, 100], [246, 102], [225, 128], [203, 140], [245, 141]]
    np.testing.assert_allclose(face.landmarks, eyes_nose_mouth, atol=4)


def test_turned_copies_have_the_same_crop(finder):
    pixels = photo("astronaut")
    first = cropped(pixels, frame_of(finder.find(pixels)[0].landmarks), 64).astype(int)
    for degrees in (-60, -30, 15, 45, 60):
        matrix = cv2.getRotationMatrix2D((255.5, 255.5), degrees, 1)
        copy = cv2.warpAffine(pixels, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT_101)
        (face,) = finder.find(copy)
        assert np.abs(cropped(copy, frame_of(face.landmarks), 64) - first).mean() < 5, degrees


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket"])
def test_photographs_without_a_face(finder, cascade, name):
    assert finder.find(photo(name)) == [] == cascade.find(photo(name))


def test_a_grey_face_from_the_side(finder):
    (face,) = finder.find(photo("camera"))
    assert face.score > 0.95


@pytest.mark.parametrize("size", [64, 128])
def test_drawn_faces_are_found(finder, size):
    found = [finder.find(draw.draw("testA", index, size, 0)) for index in range(6)]
    assert [len(faces) for faces in found] == [1] * 6


def test_two_faces_come_from_left_to_right(finder):
    pixels = scene((draw.draw("testA", 0, 128, 0), 230, 20), (draw.draw("testA", 3, 128, 0), 20, 60))
    left, right = finder.find(pixels)
    assert left.landmarks[:, 0].max() < 148 and right.landmarks[:, 0].min() > 230


@pytest.mark.parametrize("size", [(10, 10), (1, 300), (12, 13), (5, 1)])
def test_a_tiny_picture_has_none(finder, cascade, size):
    pixels = np.full((*size, 3), 90, np.uint8)
    assert finder.find(pixels) == [] == cascade.find(pixels)


def test_noise_has_none(finder):
    rng = np.random.default_rng(0)
    assert [finder.find(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)) for _ in range(3)] == [[]] * 3


def test_scales_reach_from_the_smallest_face_to_the_whole_picture():
    found = scales(480, 640)
    assert found[0] == pytest.approx(12 / 40) and 480 * found[-1] >= 12 > 480 * found[-1] * 0.709
    assert scales(64, 64)[0] == 1 and scales(11, 500) == []


def test_the_cascade_finds_upright_faces(cascade):
    (face,) = cascade.find(photo("astronaut"))
    np.testing.assert_allclose(face.landmarks[:2], [[204, 100], [246, 102]], atol=9)
    assert "upright" in cascade.note and "pip install --no-deps facenet-pytorch" in cascade.note


def test_what_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(face_finder, "published_file", lambda name: None)
    monkeypatch.setattr(face_finder, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps facenet-pytorch==2.6.0"):
        load_finder()


def test_the_cascade_stands_in_for_what_is_not_installed(monkeypatch):
    pytest.importorskip("skimage")
    monkeypatch.setattr(face_finder, "published_file", lambda name: None)
    assert isinstance(load_finder(), CascadeFinder)
