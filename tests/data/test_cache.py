"""Resized pictures are kept in memory up to a budget, and change no batch."""

from unittest.mock import patch

import numpy as np
import pytest

from paddle_ugatit.data import pictures
from paddle_ugatit.data.cache import PictureCache
from paddle_ugatit.data.folders import TrainingData
from paddle_ugatit.data.images import write_image

KINDS = {"mirrored and cropped": {}, "cropped": {"load_size": 20}}
STEPS = 12  # four passes over the files


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for domain in "AB":
        (tmp_path / f"train{domain}").mkdir()
        for number in range(6):
            write_image(tmp_path / f"train{domain}/{number}.png", rng.integers(0, 256, (24, 24, 3), np.uint8))
    return tmp_path


def batches(folder, cache, **options):
    with TrainingData(folder, 16, 2, 0, workers=2, say=lambda line: None, cache=cache, **options) as data:
        return list(data.iterate(1, STEPS)), data.cache


def same(one, other):
    return all((a == b).all() for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))


@pytest.mark.parametrize("budget", [10**6, 7000])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_the_same(folder, kind, budget):
    wanted, unused = batches(folder, 0, **KINDS[kind])
    found, cache = batches(folder, budget, **KINDS[kind])
    assert same(found, wanted)
    assert len(unused) == 0 < len(cache) and cache.used <= budget


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_read_once(folder, kind):
    reads = []
    read = pictures.read_picture
    with patch.object(pictures, "read_picture", lambda path: reads.append(path) or read(path)):
        batches(folder, 0, **KINDS[kind])
        assert len(reads) == 2 * 2 * STEPS
        reads.clear()
        batches(folder, 10**6, **KINDS[kind])
    # Two at once may read the same one. Mirrored, it is another picture.
    assert len(set(reads)) == 12 and len(reads) <= (24 if kind == "cropped" else 36) and len(reads) < 2 * 2 * STEPS


def test_what_stands_in_for_an_unreadable_file_is_not_kept_in_its_place(folder):
    (folder / "trainA/3.png").write_bytes(b"no picture")
    wanted, _ = batches(folder, 0, load_size=20)
    found, cache = batches(folder, 10**6, load_size=20)
    assert same(found, wanted)
    with patch.object(pictures.Pictures, "is_bad", lambda self, index: False):
        assert not same(batches(folder, 10**6, load_size=20)[0], wanted)


def test_nothing_is_kept_beyond_the_budget():
    cache = PictureCache(10)
    small, large = np.zeros(6, np.uint8), np.zeros(7, np.uint8)
    assert cache.get("a", lambda: (small, True)) is small and cache.get("a", lambda: (large, True)) is small
    assert cache.get("b", lambda: (large, True)) is large and cache.get("c", lambda: (small, False)) is small
    assert (len(cache), cache.used) == (1, 6)
