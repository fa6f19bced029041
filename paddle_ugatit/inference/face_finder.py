"""Faces in photos: where they are, and where their eyes, nose and mouth are.

Contents: FoundFace, FaceFinder (MTCNN), CascadeFinder (upright faces only), load_finder, which takes what is installed.
MTCNN's cascade (arXiv 1604.02878): PNet at every scale, RNet and ONet on what is left.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import paddle

from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.inference.face_boxes import refined, squared, suppressed, windows
from paddle_ugatit.inference.face_crop import Frame, cropped, frame_of
from paddle_ugatit.inference.published_faces import INSTALL, NETWORKS, published_file
from paddle_ugatit.inference.translate import evaluating
from paddle_ugatit.models.mtcnn import ONet, PNet, RNet
from paddle_ugatit.weights import load_networks

THRESHOLDS = (0.6, 0.7, 0.7)  # probabilities from which on a candidate of PNet, RNet and ONet is kept
CERTAIN = 0.95  # probability from which on a face is reported
LEAST = 40  # pixels: the side of the smallest face that is looked for; in a small picture, an eighth of its side
_STEP = 0.709  # from one scale of the pyramid to the next: half the area
_LEVELLINGS = 3
_WINDOW = 0.6  # margin of the window about a face that is upright: a box of MTCNN
_APART = ((0, 0, 1), (0.04, 0, 1), (-0.04, 0, 1), (0, 0.04, 1), (0, -0.04, 1), (0, 0, 0.92), (0, 0, 1.08))
_CASCADE_SIDE, _CASCADE_WINDOW = 1024, 24  # pixels: a larger photo is reduced for the cascade; its smallest window
_SEEN = 12  # windows about a face in which the cascade must see it; with 8, two faces are found in skimage's astronaut
_MOST_AT_ONCE = 512  # candidates in one batch of RNet or ONet
_FEWEST_PIXELS = 12  # of a side, PNet's window


@dataclass(frozen=True)
class FoundFace:
    """A face in a picture, in pixels from its upper left corner."""

    box: np.ndarray  # (4,) left, top, right, bottom
    landmarks: np.ndarray  # (5,2) x and y of the left eye, right eye, nose, left and right corner of the mouth, as seen
    score: float  # probability that it is one


class Finder(Protocol):
    """What finds faces."""

    note: str  # a line on what it cannot do, "" if there is nothing to say

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """Return the faces in a picture from left to right: uint8 RGB (H,W,3)."""


class FaceFinder:
    """MTCNN: finds faces turned by up to about 60 degrees either way, with five landmarks each."""

    note = ""

    def __init__(self, pnet: PNet, rnet: RNet, onet: ONet) -> None:
        self.pnet, self.rnet, self.onet = pnet, rnet, onet

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """Return the faces in a picture from left to right: uint8 RGB (H,W,3). A tiny picture has none."""
        boxes = self._proposed(pixels)
        if len(boxes):
            boxes = self._refined(pixels, boxes)
        found = self._decided(pixels, boxes) if len(boxes) else []
        return sorted(found, key=lambda face: float(face.box[0] + face.box[2]))

    def _proposed(self, pixels: np.ndarray) -> np.ndarray:
        """Squares of PNet at every scale, without doubles: (n,4)."""
        found = [self._at_scale(pixels, scale) for scale in scales(*pixels.shape[:2])]
        boxes, scores = (
            (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else (np.empty((0, 4)),) * 2
        )
        return squared(boxes[suppressed(boxes, scores, 0.7)])

    def _at_scale(self, pixels: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n,4) and scores (n,) of PNet on a picture reduced or enlarged by a factor."""
        height, width = (int(np.ceil(side * scale)) for side in pixels.shape[:2])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        reduced = cv2.resize(pixels, (width, height), interpolation=method)
        with evaluating(self.pnet):
            offsets, probabilities = (part.numpy()[0] for part in self.pnet(_input(reduced[None])))
        down, across = np.nonzero(probabilities[1] >= THRESHOLDS[0])
        corners = np.stack([across, down], 1) * 2.0  # PNet's stride
        steps = np.array([pixels.shape[1] / width, pixels.shape[0] / height])
        boxes = np.concatenate([corners * steps, (corners + PNet.SIZE) * steps], 1)
        scores = probabilities[1, down, across]
        kept = suppressed(boxes, scores, 0.5)
        return refined(boxes[kept], offsets[:, down[kept], across[kept]].T), scores[kept]

    def _refined(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """What RNet keeps of squares, moved, without doubles: (n,4) -> (m,4)."""
        offsets, probabilities = _in_batches(self.rnet, windows(pixels, boxes, RNet.SIZE))
        kept = probabilities[:, 1] >= THRESHOLDS[1]
        boxes, offsets, scores = boxes[kept], offsets[kept], probabilities[kept, 1]
        kept = suppressed(boxes, scores, 0.7)
        return squared(refined(boxes[kept], offsets[kept]))

    def _decided(self, pixels: np.ndarray, boxes: np.ndarray) -> list[FoundFace]:
        """The faces among squares, by ONet."""
        offsets, landmarks, probabilities = _in_batches(self.onet, windows(pixels, boxes, ONet.SIZE))
        scores = probabilities[:, 1]
        sides, corners = boxes[:, 2:] - boxes[:, :2], boxes[:, None, :2]
        points = corners + landmarks.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None]
        moved = refined(boxes, offsets)
        kept = np.nonzero(scores >= THRESHOLDS[2])[0]
        kept = kept[suppressed(moved[kept], scores[kept], 0.7, of_smaller=True)]
        faces = [self._levelled(pixels, FoundFace(moved[i], points[i], float(scores[i]))) for i in kept]
        return [face for face in faces if face.score >= CERTAIN]

    def _levelled(self, pixels: np.ndarray, face: FoundFace) -> FoundFace:
        """A face with the landmarks, and the score if better, that ONet sees once the face is upright.

        Both are means over windows a little apart, as seen and mirrored: turned copies of a photo have the same ones.
        """
        points = face.landmarks
        for _ in range(_LEVELLINGS):
            middle = frame_of(points, _WINDOW)
            frames = [
                Frame(middle.x + dx * middle.side, middle.y + dy * middle.side, middle.side * factor, middle.turn)
                for dx, dy, factor in _APART
            ]
            cut = np.stack([cropped(pixels, frame, ONet.SIZE) for frame in frames])
            _, landmarks, probabilities = _in_batches(self.onet, np.concatenate([cut, cut[:, :, ::-1]]))
            seen = landmarks.reshape(-1, 2, 5).transpose(0, 2, 1)
            straight, mirrored = seen[: len(cut)], seen[len(cut) :][:, [1, 0, 2, 4, 3]]
            mirrored = np.stack([1 - mirrored[..., 0], mirrored[..., 1]], 2)
            placed = [
                frame.in_photo(place * ONet.SIZE, ONet.SIZE)
                for frame, place in zip(frames, (straight + mirrored) / 2, strict=True)
            ]
            points, score = np.mean(placed, 0), float(probabilities[:, 1].mean())
        return FoundFace(face.box, points, max(score, face.score))


def scales(height: int, width: int) -> list[float]:
    """Return the factors by which a picture is resized for PNet, the largest first; none if it is tiny."""
    shorter = min(height, width)
    if shorter < _FEWEST_PIXELS:
        return []
    scale, found = _FEWEST_PIXELS / min(LEAST, max(_FEWEST_PIXELS, shorter / 8)), []
    while shorter * scale >= _FEWEST_PIXELS:
        found.append(scale)
        scale *= _STEP
    return found


def _input(pixels: np.ndarray) -> paddle.Tensor:
    """Uint8 (n,H,W,3) as MTCNN takes it: float32 (n,3,H,W)."""
    return paddle.to_tensor((pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)


def _in_batches(network: RNet | ONet, cut: np.ndarray) -> list[np.ndarray]:
    with evaluating(network):
        parts = [network(_input(cut[i : i + _MOST_AT_ONCE])) for i in range(0, len(cut), _MOST_AT_ONCE)]
    return [np.concatenate([part.numpy().astype(np.float64) for part in each]) for each in zip(*parts, strict=True)]


class CascadeFinder:
    """scikit-image's cascade of local binary patterns: finds upright faces, without landmarks of its own.

    The landmarks are those of a face in the middle of its box, at proportions measured by MTCNN.
    """

    note = (
        "faces are found by scikit-image's cascade, which knows upright ones only, and are not levelled: "
        f"{INSTALL} brings a better finder"
    )

    def __init__(self) -> None:
        from skimage import data
        from skimage.feature import Cascade

        self._cascade = Cascade(str(data.lbp_frontal_face_cascade_filename()))

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """Return the faces in a picture from left to right: uint8 RGB (H,W,3). A tiny picture has none."""
        factor = min(1.0, _CASCADE_SIDE / max(pixels.shape[:2]))
        if factor < 1:
            pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        shorter = min(pixels.shape[:2])
        least = int(min(LEAST, max(_CASCADE_WINDOW, shorter / 8)))
        if shorter <= least:
            return []
        found = self._cascade.detect_multi_scale(pixels, 1.1, 1, (least, least), (shorter, shorter), _SEEN)
        boxes = np.array([[each["c"], each["r"], each["width"], each["height"]] for each in found], float).reshape(
            -1, 4
        )
        boxes[:, 2:] += boxes[:, :2]
        kept = suppressed(boxes, boxes[:, 2] - boxes[:, 0], 0.5, of_smaller=True)
        faces = [_at_usual_places(boxes[i] / factor) for i in kept]
        return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


# x and y of the landmarks in sides of the cascade's box
_USUAL = np.array([[0.3, 0.39], [0.7, 0.39], [0.5, 0.63], [0.32, 0.8], [0.68, 0.8]])


def _at_usual_places(box: np.ndarray) -> FoundFace:
    return FoundFace(box, box[:2] + _USUAL * (box[2:] - box[:2]), 1.0)


def load_finder() -> Finder:
    """Return MTCNN with its published weights or, where these are not installed, scikit-image's cascade.

    Raises UsageError if neither is installed; the message says how to get MTCNN.
    """
    paths = [published_file(name) for name in NETWORKS]
    if all(paths):
        return FaceFinder(*(_network(path) for path in paths if path))
    if find_spec("skimage") is not None:
        return CascadeFinder()
    raise UsageError(f"finding faces needs MTCNN's published weights, which are not installed: {INSTALL}")


def _network(path: Path) -> PNet | RNet | ONet:
    (network,) = load_networks(path, "float32").values()
    if not isinstance(network, PNet | RNet | ONet):
        raise InputError(f"{path}: does not hold a network of MTCNN")
    return network
