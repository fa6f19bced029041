"""Faces followed through a video: which is which, how their landmarks are steadied, and what a gap does."""

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from paddle_ugatit.inference.face_finder import FoundFace
from paddle_ugatit.inference.face_tracks import NEAR, PATIENCE, FaceTracks

# A face whose eyes are 24 px from its mouth.
LANDMARKS = np.array([[38.0, 46], [62, 46], [50, 58], [42, 70], [58, 70]])


def face(x=0.0, y=0.0):
    return FoundFace(np.array([0.0, 0, 96, 96]) + (x, y, x, y), LANDMARKS + (x, y), 1.0)


def places(tracks):
    """How far the faces shown are from LANDMARKS, in x."""
    return [float((track.landmarks - LANDMARKS)[:, 0].mean()) for track in tracks]


def test_landmarks_move_by_an_exponential_mean():
    tracks = FaceTracks(steady=0.75)
    shown = [places(tracks.follow([face(x)])) for x in (0, 8, 8, -4)]
    assert np.allclose(shown, [[0], [2], [3.5], [1.625]])
    assert np.allclose(tracks.tracks[0].landmarks, LANDMARKS + (1.625, 0))


def test_shaking_faces_become_steady():
    rng = np.random.default_rng(0)
    found = rng.normal(0, 2, 200)
    tracks = FaceTracks()
    shown = [places(tracks.follow([face(x)]))[0] for x in found]
    assert np.abs(np.diff(shown)).mean() < 0.45 * np.abs(np.diff(found)).mean()


def test_each_face_keeps_its_track_in_whatever_order_they_are_found():
    tracks = FaceTracks(steady=0.5)
    first, second = tracks.follow([face(0), face(100)])
    after = tracks.follow([face(96), face(4)])
    assert after[0] is first and after[1] is second and places(after) == pytest.approx([2, 98])


def test_two_close_faces_take_the_nearest():
    """The second one found is nearer to the only face known; the other is new."""
    tracks = FaceTracks(steady=0.5)
    tracks.follow([face(0)])
    assert places(tracks.follow([face(20), face(2)])) == pytest.approx([1, 20])


@pytest.mark.parametrize(("away", "same"), [(23.9, True), (24.1, False)])
def test_a_face_that_jumps_is_another_one(away, same):
    assert NEAR == 1
    tracks = FaceTracks(steady=0.5)
    (known,) = tracks.follow([face()])
    shown = tracks.follow([face(y=away)])
    assert (shown == [known]) == same and len(shown) == 2 - same


def test_a_face_that_is_missed_is_kept_for_a_while():
    tracks = FaceTracks(steady=0.5)
    (known,) = tracks.follow([face()])
    assert PATIENCE == 3
    assert [tracks.follow([]) for _ in range(3)] == 3 * [[known]]
    assert tracks.follow([face(2)]) == [known] and known.lost == 0
    assert [len(tracks.follow([])) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert tracks.follow([face()])[0] is not known


def test_translations_are_smoothed_for_each_face_alone():
    tracks = FaceTracks(smooth=0.5)
    one, other = tracks.follow([face(0), face(100)])
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert (one.smoother(black) == 0).all() and (other.smoother(white) == 200).all()
    assert (one.smoother(white) == 100).all() and (other.smoother(white) == 200).all()
