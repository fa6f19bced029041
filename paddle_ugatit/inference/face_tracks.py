"""Faces followed from frame to frame of a video: their landmarks steadied, and kept where the finder misses one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_ugatit.inference.face_finder import FoundFace
from paddle_ugatit.inference.flicker import Smoother

STEADY = 0.6  # weight of the frames before in a face's landmarks
NEAR = 1.0  # how far a face may move from one frame to the next, in distances from its eyes to its mouth
PATIENCE = 3  # frames for which a face that is not found is kept where it was


@dataclass
class FaceTrack:
    """A face that is followed: its steady landmarks (5,2), the mean of its translations, and since when it is lost."""

    landmarks: np.ndarray
    smoother: Smoother
    lost: int = 0

    def distance(self, landmarks: np.ndarray) -> float:
        """Return how far a face is from this one, in distances from its eyes to its mouth."""
        eyes, mouth = self.landmarks[:2].mean(0), self.landmarks[3:].mean(0)
        away = landmarks.mean(0) - self.landmarks.mean(0)
        return float(np.hypot(*away) / max(np.hypot(*(mouth - eyes)), 1e-9))


class FaceTracks:
    """Follows the faces of a video. `smooth` is the `Smoother` amount of each face's translations."""

    def __init__(self, smooth: float = 0.0, steady: float = STEADY) -> None:
        self.smooth, self.steady = smooth, steady
        self.tracks: list[FaceTrack] = []

    def follow(self, faces: Sequence[FoundFace]) -> list[FaceTrack]:
        """Take the faces found in the next frame, and return those to show: followed, new, and lost a short while ago.

        The nearest pairs of a known and a found face belong together. Landmarks move by an exponential mean.
        """
        pairs = sorted(
            (track.distance(face.landmarks), known, found)
            for known, track in enumerate(self.tracks)
            for found, face in enumerate(faces)
        )
        taken: dict[int, int] = {}
        for distance, known, found in pairs:
            if distance <= NEAR and known not in taken and found not in taken.values():
                taken[known] = found
        for known, track in enumerate(self.tracks):
            if known in taken:
                new = faces[taken[known]].landmarks
                track.landmarks, track.lost = self.steady * track.landmarks + (1 - self.steady) * new, 0
            else:
                track.lost += 1
        self.tracks = [track for track in self.tracks if track.lost <= PATIENCE]
        for found, face in enumerate(faces):
            if found not in taken.values():
                self.tracks.append(FaceTrack(np.asarray(face.landmarks, np.float64), Smoother(self.smooth)))
        return self.tracks
