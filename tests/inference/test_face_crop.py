"""Frames of faces: their geometry, crops that are the same however a photo is turned, and pasting back."""

import math

import cv2
import numpy as np
import pytest

from paddle_ugatit.data.faces import draw
from paddle_ugatit.inference.face_boxes import overlaps, refined, squared, suppressed, windows
from paddle_ugatit.inference.face_crop import Frame, cropped, frame_of, pasted

LANDMARKS = np.array([[40.0, 50], [60, 50], [50, 60], [42, 70], [58, 70]])


def turned(points, degrees, about=(64.0, 64.0)):
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (points - about) @ rotation.T + about


def test_a_frame_is_centred_between_eyes_and_mouth():
    frame = frame_of(LANDMARKS)
    assert (frame.x, frame.y, frame.side, frame.turn) == (50, 60, 5 * 20, 0)
    assert frame_of(LANDMARKS, 0.8).side == pytest.approx(80)


@pytest.mark.parametrize("degrees", [-170, -60, 10, 45, 90])
def test_a_frame_turns_with_its_face(degrees):
    frame = frame_of(turned(LANDMARKS, degrees))
    assert frame.turn == pytest.approx(math.radians(degrees)) and frame.side == pytest.approx(100)
    assert (frame.x, frame.y) == pytest.approx(tuple(turned(np.array([[50.0, 60]]), degrees)[0]))
    np.testing.assert_allclose(frame.corners(), turned(frame_of(LANDMARKS).corners(), degrees), atol=1e-9)


def test_a_face_from_the_side_is_levelled_by_eyes_and_mouth():
    profile = np.array([[50.0, 50], [52, 54], [60, 60], [50, 72], [52, 72]])
    assert abs(math.degrees(frame_of(profile).turn)) < 5


def test_places_go_to_the_crop_and_back():
    frame = Frame(30.5, 41.0, 25.0, 0.7)
    places = np.array([[0.0, 0], [20, 10], [33.3, 47]])
    inside = frame.in_photo(places, 50)
    np.testing.assert_allclose(
        (inside - 0.5) @ frame.matrix(50)[:, :2].T + frame.matrix(50)[:, 2] + 0.5, places, atol=1e-9
    )
    np.testing.assert_allclose(
        frame.in_photo(np.array([[0.0, 0], [50, 0], [50, 50], [0, 50]]), 50), frame.corners(), atol=1e-9
    )


def test_an_upright_crop_of_whole_pixels_is_a_cut():
    pixels = draw.draw("testA", 0, 128, 0)
    np.testing.assert_array_equal(cropped(pixels, Frame(60, 50, 64, 0), 64), pixels[18:82, 28:92])


def test_a_large_crop_is_averaged_not_sampled():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 200
    np.testing.assert_array_equal(cropped(stripes, Frame(32, 32, 64, 0), 16), 100)


def test_beyond_the_border_the_photo_is_reflected():
    pixels = draw.draw("testA", 1, 64, 0)
    crop = cropped(pixels, Frame(0, 32, 64, 0), 64)
    np.testing.assert_array_equal(crop[:, :32], pixels[:, 1:33][:, ::-1])


@pytest.mark.parametrize("degrees", [0, 20, 45, -60])
def test_crops_of_turned_copies_are_alike(degrees):
    pixels = draw.draw("testA", 2, 128, 0)
    landmarks = LANDMARKS * 1.0 + 14  # in the middle of the picture
    matrix = cv2.getRotationMatrix2D((63.5, 63.5), -degrees, 1)
    copy = cv2.warpAffine(pixels, matrix, (128, 128), flags=cv2.INTER_CUBIC)
    wanted = cropped(pixels, frame_of(landmarks, 0.6), 64).astype(int)
    found = cropped(copy, frame_of(turned(landmarks, degrees), 0.6), 64).astype(int)
    assert np.abs(found - wanted).mean() < 2.5
    if abs(degrees) > 10:  # and without levelling they are not
        other = Frame(*[getattr(frame_of(turned(landmarks, degrees), 0.6), name) for name in ("x", "y", "side")], 0.0)
        assert np.abs(cropped(copy, other, 64).astype(int) - wanted).mean() > 8


@pytest.mark.parametrize("frame", [Frame(50, 60, 40, 0.4), Frame(3, 90, 60, -1.0), Frame(64, 64, 30.5, 0)])
def test_pasting_leaves_the_rest_as_it_is(frame):
    pixels = draw.draw("testA", 3, 128, 0)
    result = pasted(pixels, frame, np.full((64, 64, 3), 7, np.uint8))
    places = np.stack(np.meshgrid(np.arange(128), np.arange(128)), -1).reshape(-1, 2)
    inside = (places @ frame.matrix(1)[:, :2].T + frame.matrix(1)[:, 2] + 0.5).reshape(128, 128, 2)
    outside = np.any((inside < 0) | (inside > 1), 2)
    np.testing.assert_array_equal(result[outside], pixels[outside])
    core = np.all((inside > 0.2) & (inside < 0.8), 2)
    assert core.any() and (result[core] == 7).all() and (result != pixels).any()


def test_a_crop_pasted_back_gives_the_photo():
    down, across = np.mgrid[:128, :128]
    pixels = np.stack([down, across, 200 - down], 2).astype(np.uint8)
    frame = Frame(70, 60, 80, 0.3)
    result = pasted(pixels, frame, cropped(pixels, frame, 160))
    assert np.abs(result.astype(int) - pixels).max() <= 1


def test_a_frame_outside_the_photo_changes_nothing():
    pixels = draw.draw("testA", 5, 32, 0)
    np.testing.assert_array_equal(pasted(pixels, Frame(-90, 10, 20, 0), np.zeros((9, 9, 3), np.uint8)), pixels)


def test_overlaps_are_shares_of_the_union_or_of_the_smaller():
    box, others = np.array([0.0, 0, 10, 10]), np.array([[0.0, 0, 10, 5], [20, 20, 30, 30], [5, 5, 15, 15]])
    np.testing.assert_allclose(overlaps(box, others), [0.5, 0, 25 / 175])
    np.testing.assert_allclose(overlaps(box, others, True), [1, 0, 0.25])


def test_suppression_keeps_the_best_of_each_heap():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 4, 4]])
    assert suppressed(boxes, np.array([0.7, 0.9, 0.8, 0.6]), 0.5).tolist() == [1, 2, 3]
    assert suppressed(boxes, np.array([0.7, 0.9, 0.8, 0.6]), 0.5, of_smaller=True).tolist() == [1, 2]
    assert suppressed(boxes[:0], np.empty(0), 0.5).tolist() == []


def test_boxes_are_moved_and_squared():
    np.testing.assert_allclose(
        refined(np.array([[10.0, 10, 30, 50]]), np.array([[0.1, 0, -0.1, 0.5]])), [[12, 10, 28, 70]]
    )
    np.testing.assert_allclose(squared(np.array([[0.0, 10, 10, 40]])), [[-10, 10, 20, 40]])


def test_windows_are_black_beyond_the_picture():
    pixels = np.full((20, 30, 3), 9, np.uint8)
    cut = windows(pixels, np.array([[-5.0, 0, 5, 10], [100, 100, 110, 110], [2, 2, 2, 2]]), 10)
    assert (cut[0, :, :5] == 0).all() and (cut[0, :, 5:] == 9).all() and (cut[1] == 0).all() and (cut[2] == 9).all()
