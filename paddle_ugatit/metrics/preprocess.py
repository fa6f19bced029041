"""Resizing images to the 299 px squares that FID's Inception takes; KID tools disagree on how to.

Each function maps uint8 (H,W,3) to float32 (299,299,3) in [0, 255], with NumPy and Pillow only, which release the GIL
in worker threads.
"""

import functools

import numpy as np
from PIL import Image

SIZE = 299
CHANNELS = 3


def resize_tf1(image: np.ndarray) -> np.ndarray:
    """Resize as TensorFlow 1 does: bilinear, not antialiased, pixel i sampled at i * old / new.

    The standard of FID and KID; bit for bit the same as torch-fidelity, in float32, rows before columns.
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
def _taps(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each output pixel of a side of `length` pixels: the pixels before and after, and the weight of the latter."""
    place = np.arange(SIZE, dtype=np.float32) * np.float32(length / SIZE)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, length - 1), place - low.astype(np.float32)


def resize_clean(image: np.ndarray) -> np.ndarray:
    """Resize as clean-fid does: Pillow's bicubic filter, antialiased, each channel in float, clipped to [0, 255]."""
    channels = [Image.fromarray(np.ascontiguousarray(image[:, :, c], np.float32)) for c in range(CHANNELS)]
    resized = [np.asarray(channel.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for channel in channels]
    return np.stack(resized, 2).clip(0, 255)


def resize_paper(image: np.ndarray) -> np.ndarray:
    """Resize as `scipy.misc.imresize` in the paper's tool: Pillow's bilinear filter, antialiased, rounded to uint8."""
    resized = Image.fromarray(np.ascontiguousarray(image)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(resized).astype(np.float32)


RESIZES = {"tf1": resize_tf1, "clean": resize_clean, "paper": resize_paper}


def to_network(pixels: np.ndarray, resize: str) -> np.ndarray:
    """Scale pixels in [0, 255] to the network's input, which differs too: (B,299,299,3) -> float32 (B,3,299,299)."""
    pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return pixels / np.float32(127.5) - 1 if resize == "paper" else (pixels - 128) / np.float32(128)
