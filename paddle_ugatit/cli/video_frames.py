"""What becomes of a frame of a video: it is translated as a whole, or the faces in it are."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from paddle_ugatit.cli.picture_translator import PictureTranslator
from paddle_ugatit.inference.face_crop import cropped, frame_of, pasted
from paddle_ugatit.inference.face_finder import Finder
from paddle_ugatit.inference.face_tracks import FaceTracks
from paddle_ugatit.inference.flicker import Smoother
from paddle_ugatit.inference.sheets import heatmap_pixels


@dataclass(frozen=True)
class Panels:
    """A frame at the size at which it is shown, what it becomes, smoothed and not, and its heatmap: uint8 (H,W,3)."""

    pixels: np.ndarray
    translated: np.ndarray
    smooth: np.ndarray
    heatmap: np.ndarray


class FrameTranslator(Protocol):
    """What translates the frames of a video in order."""

    note: str  # what the user should know beforehand, "" if there is nothing

    def __call__(self, frame: np.ndarray) -> Panels:
        """Translate the next frame: uint8 (H,W,3). Raises InputError if that cannot be."""

    def about(self) -> str:
        """Return a line on what was found in the frames so far, "" if there is nothing to say."""

    def fault(self) -> str:
        """Return why the result is of no use, "" if it is."""


class WholeFrames:
    """Translates whole frames, each as `translate` does with a picture, and takes their exponential mean."""

    note = ""

    def __init__(self, translator: PictureTranslator, smooth: float) -> None:
        self.translator, self.smoother = translator, Smoother(smooth)

    def __call__(self, frame: np.ndarray) -> Panels:
        """Translate the next frame: uint8 (H,W,3). Raises InputError if the generator takes no such size."""
        pixels = self.translator.sized(Image.fromarray(frame))
        translated, heatmap = self.translator(pixels)
        return Panels(pixels, translated, self.smoother(translated), heatmap_pixels(heatmap, *pixels.shape[:2]))

    def about(self) -> str:
        """Return "": there is nothing to say."""
        return ""

    def fault(self) -> str:
        """Return "": every frame is translated."""
        return ""


class FaceFrames:
    """Translates the faces in frames, steadied from frame to frame, and puts them back; the rest is left as it is.

    `translator` resizes to the side of the crops, which are `margin` times as wide as usual. The exponential mean is
    that of each face's translations, so that a face that moves leaves no trail.
    """

    def __init__(self, translator: PictureTranslator, finder: Finder, margin: float, smooth: float) -> None:
        self.translator, self.finder, self.margin = translator, finder, margin
        self.note = f"note: {finder.note}" if finder.note else ""
        self.tracks = FaceTracks(smooth)
        self.frames = self.with_faces = 0

    def __call__(self, frame: np.ndarray) -> Panels:
        """Translate the faces in the next frame: uint8 (H,W,3). A frame without any stays as it is."""
        translated = smooth = heatmap = frame
        followed = self.tracks.follow(self.finder.find(frame))
        self.frames += 1
        self.with_faces += bool(followed)
        side = self.translator.side or len(frame)
        for track in followed:
            place = frame_of(track.landmarks, self.margin)
            face, looked_at = self.translator(cropped(frame, place, side))
            translated = pasted(translated, place, face)
            smooth = pasted(smooth, place, track.smoother(face))
            heatmap = pasted(heatmap, place, heatmap_pixels(looked_at, side, side))
        return Panels(frame, translated, smooth, heatmap)

    def about(self) -> str:
        """Return a line on how many frames show faces."""
        return f"faces in {self.with_faces} of {self.frames} frames, at {self.translator.side} px"

    def fault(self) -> str:
        """Return that no frame shows a face, if none does."""
        return "" if self.with_faces else "no face was found in any frame"
