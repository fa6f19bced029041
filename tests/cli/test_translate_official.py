"""translate --as official: the pixels of the authors' TensorFlow program."""

import numpy as np
from PIL import Image

from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import translate as inference
from tests.cli.test_translate import light, put, run, there  # noqa: F401  (light and there are fixtures)


def test_as_the_official_program_resizes_and_rounds(tmp_path, light, there):  # noqa: F811
    """Bilinear between four pixels, also for large photos, and fractions cut off."""
    photos = put(tmp_path / "in", "a.png", size=(131, 90))
    assert run(light, photos, tmp_path / "out", "--as", "official", "--resize", 24) == 0
    photo = read_image(photos / "a.png").astype(float)
    rows, columns = ((np.arange(24) + 0.5) * n / 24 - 0.5 for n in photo.shape[:2])
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, right = (rows - top)[:, None, None], (columns - left)[:, None]
    upper, lower = photo[top], photo[top + 1]
    small = (1 - below) * ((1 - right) * upper[:, left] + right * upper[:, left + 1])
    small += below * ((1 - right) * lower[:, left] + right * lower[:, left + 1])
    found = transforms.official_pixels(Image.fromarray(photo.astype(np.uint8)), 24)
    assert np.abs(found - small).max() <= 1  # OpenCV's weights have 11 bits
    image = (found / 127.5 - 1).astype(np.float32).transpose(2, 0, 1)[None]
    output = inference.generate(there, image)[0][0].astype(np.float64).transpose(1, 2, 0)
    assert (read_image(tmp_path / "out" / "a.png") == ((output + 1) / 2 * 255).astype(np.uint8)).all()
    assert run(light, photos, tmp_path / "plain", "--as", "official") == 0
    assert read_image(tmp_path / "plain" / "a.png").shape == (256, 256, 3)
