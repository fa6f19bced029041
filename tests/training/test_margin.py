"""The option `margin`: how much larger training images are than their crop."""

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.data.folders import Stream
from paddle_ugatit.data.images import image_files
from paddle_ugatit.training import Config, start


def pictures(folder, size=20):
    for part in ("trainA", "trainB"):
        (folder / part).mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / part / "one.png")
    return pixels


def small(**options):
    return Config(light=True, ch=1, n_res=1, global_layers=3, local_layers=3, **options)


def test_without_a_margin_a_picture_is_only_mirrored(tmp_path):
    pixels = pictures(tmp_path)
    with start.data_of(small(img_size=20, margin=0), tmp_path, 0, 1, print) as data:
        found = np.stack([data.batch(step)[0][0] for step in range(1, 9)])
    levels = np.rint((found + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    mirrored = [np.array_equal(one, pixels[:, ::-1]) for one in levels]
    assert 0 < sum(mirrored) < 8
    assert all(np.array_equal(one, pixels) for one, turned in zip(levels, mirrored, strict=True) if not turned)


def test_a_margin_is_how_far_the_corner_goes(tmp_path):
    pictures(tmp_path, 24)
    stream = Stream(image_files(tmp_path / "trainA"), 20, 1, 0, 0, margin=4)
    whole = Stream(image_files(tmp_path / "trainA"), 24, 1, 0, 0, margin=0).sample(0)
    corners = set()
    for number in range(200):
        for turned in (whole, whole[:, :, ::-1]):
            tops, lefts = np.nonzero(turned[0, :5, :5] == stream.sample(number)[0, 0, 0])
            for top, left in zip(tops.tolist(), lefts.tolist(), strict=True):
                if np.array_equal(turned[:, top : top + 20, left : left + 20], stream.sample(number)):
                    corners.add((top, left))
    assert corners == {(top, left) for top in range(5) for left in range(5)}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"img_size": 64}, "enlarged to 94 px and cropped to 64, so that they show things 1.5 times as large"),
        ({"img_size": 96, "margin": 24}, "1.2 times as large as test images: margin=11 crops as at 256 px"),
        ({"img_size": 64, "margin": 8}, ""),
        ({"img_size": 256}, ""),
    ],
)
def test_a_crop_much_closer_than_the_test_images_is_told(tmp_path, options, told):
    pictures(tmp_path, 256)
    said = []
    start.data_of(small(**options), tmp_path, 0, 1, said.append).close()
    assert len(said) == bool(told) and told in "".join(said)


def test_the_published_margin_is_the_default():
    assert Config().margin == 30
    with pytest.raises(ValueError, match="margin must be 0 or more"):
        Config(margin=-1)
