"""One picture through a generator, at a size that it takes and that fits in memory: the same for photos and frames."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import transforms
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.translate import generate, require_size
from paddle_ugatit.models.ugatit import ResnetGenerator


@dataclass
class PictureTranslator:
    """A generator and the sizes at which it translates, as the options of the commands say.

    `side` is the height and width to which pictures are resized, None if they keep their size; `max_side` the longer
    side (0: no limit) at which larger ones are translated, to be enlarged again. `official` scales, rounds and resizes
    as the authors' TensorFlow program does. `free` is how many bytes may be used, None if that is unknown.
    """

    network: ResnetGenerator
    side: int | None
    max_side: int
    official: bool = False
    free: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.free = memory.available() if self.network.light else None

    def require_room(self) -> None:
        """Raise InputError if pictures of the size that --resize asks for do not fit in memory."""
        if self.side is not None and self.network.light:
            try:
                memory.working_size(self.network, self.side, self.side, 0, self.free)
            except InputError as error:
                raise InputError(f"--resize {self.side}: {error}") from error

    def sized(self, picture: Image.Image) -> np.ndarray:
        """Return an RGB image as pixels, resized if that is asked for: uint8 (H,W,3)."""
        if self.side is None:
            return np.array(picture)
        return (transforms.official_pixels if self.official else transforms.test_pixels)(picture, self.side)

    def working(self, pixels: np.ndarray) -> np.ndarray:
        """Return an image at the size at which it is translated: uint8 (H,W,3) -> uint8 (h,w,3).

        Raises InputError if the generator takes no such size, or it does not fit in memory.
        """
        height, width = pixels.shape[:2]
        try:
            require_size(self.network, height, width)
        except InputError as error:
            raise InputError(str(error).replace(": resize", ": add --resize")) from error
        if not self.network.light:
            return pixels
        most = 0 if self.side is not None else self.max_side
        try:
            height, width = memory.working_size(self.network, height, width, most, self.free)
        except InputError as error:
            raise InputError(f"{error}{'' if most else ': leave out --max-side 0'}") from error
        return resized(pixels, height, width, Image.Resampling.BILINEAR)

    def to_input(self, pixels: np.ndarray) -> np.ndarray:
        """Convert pixels to network input: uint8 (h,w,3) -> float32 (3,h,w) in [-1,1]."""
        return (transforms.official_input if self.official else transforms.to_input)(pixels)

    def to_result(self, translated: np.ndarray, height: int, width: int) -> np.ndarray:
        """Convert network output to pixels of the size of the image: (3,h,w) in [-1,1] -> uint8 (height,width,3)."""
        pixels = (transforms.official_output if self.official else transforms.to_pixels)(translated)
        return resized(pixels, height, width, Image.Resampling.BICUBIC)

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Translate one image, and return the heatmap, too: uint8 (H,W,3) -> uint8 (H,W,3), (h,w).

        Raises InputError as `working` does, or if the network returns NaN.
        """
        translated, heatmaps = generate(self.network, self.to_input(self.working(pixels))[None])
        return self.to_result(translated[0], *pixels.shape[:2]), heatmaps[0]


def resized(pixels: np.ndarray, height: int, width: int, method: Image.Resampling) -> np.ndarray:
    """Resize an image if its size differs: uint8 (h,w,3) -> uint8 (height,width,3)."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), method))
