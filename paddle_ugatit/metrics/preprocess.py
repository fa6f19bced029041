"""Pictures of any size as the 299 px squares that the FID Inception takes: the resizes that KID tools disagree on.

Each is (H,W,3) uint8 -> (299,299,3) float32 in [0, 255]. NumPy and Pillow only, so that worker threads can do it.
"""

import functools

import numpy as np
from PIL import Image

SIZE = 299
CHANNELS = 3


def resize_tf1(image):
    """Bilinear as TensorFlow 1 has it: no antialias, pixel i read at i * old / new. The standard of FID and KID.

    Bit for bit torch-fidelity's: float32, across before down.
    """
    low_x, high_x, part_x = _taps(image.shape[1])
    low_y, high_y, part_y = _taps(image.shape[0])
    pixels = image.astype(np.float32)
    left, right = pixels[:, low_x], pixels[:, high_x]
    right -= left
    right *= part_x[None, :, None]
    left += right  # (H,299,3)
    top, bottom = left[low_y], left[high_y]
    bottom -= top
    bottom *= part_y[:, None, None]
    top += bottom
    return top  # (299,299,3)


@functools.lru_cache(maxsize=64)
def _taps(length):
    """Per output pixel: the pixel before, the one after, and how far between, for a side of `length` pixels."""
    place = np.arange(SIZE, dtype=np.float32) * np.float32(length / SIZE)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, length - 1), place - low.astype(np.float32)


def resize_clean(image):
    """Antialiased: Pillow's bicubic, every channel in float, clipped to [0, 255]; clean-fid's."""
    channels = [Image.fromarray(np.ascontiguousarray(image[:, :, c], np.float32)) for c in range(CHANNELS)]
    resized = [np.asarray(channel.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for channel in channels]
    return np.stack(resized, 2).clip(0, 255)


def resize_paper(image):
    """Pillow's bilinear, antialiased and rounded to uint8: what `scipy.misc.imresize` did in the paper's tool."""
    resized = Image.fromarray(np.ascontiguousarray(image)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(resized).astype(np.float32)


RESIZES = {"tf1": resize_tf1, "clean": resize_clean, "paper": resize_paper}


def to_network(pixels, resize):
    """Pixels in [0, 255] as the network's input; which differs, too: (B,299,299,3) -> (B,3,299,299) float32."""
    pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return pixels / np.float32(127.5) - 1 if resize == "paper" else (pixels - 128) / np.float32(128)
