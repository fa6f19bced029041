"""Transforms, folders, and the training stream: replayable, resumable, the same over any number of processes."""

import os
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle

# ruff: isort: split
from paddle.io import DataLoader

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import folders, transforms
from paddle_ugatit.data.folders import ImageFolder, Stream, TrainingData
from paddle_ugatit.data.images import image_files

SIZE = 16


def put(folder, names, size=(20, 24), seed=0):
    rng = np.random.default_rng([seed, len(names)])
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def root(tmp_path):
    put(tmp_path / "trainA", [f"{i}.png" for i in range(7)])
    put(tmp_path / "trainB", [f"{i}.png" for i in range(5)], seed=1)
    put(tmp_path / "testA", ["b.png", "a.png"])
    return tmp_path


def quiet(line):
    pass


def data(root, **options):
    return TrainingData(root, SIZE, **({"batch_size": 2, "seed": 0, "workers": 0, "say": quiet} | options))


def same(first, second):
    """Whether two sequences of batches are the same bit for bit."""
    pairs = [(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)]
    return bool(pairs) and all(np.array_equal(a, b) for a, b in pairs)


def test_transforms_by_hand():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5 + transforms.MARGIN, 5 + transforms.MARGIN, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)  # of the enlarged size already: nothing is resampled
    cut = transforms.train_pixels(picture, 5, transforms.Choice(False, 3, 7))
    assert (cut == pixels[3:8, 7:12]).all()
    mirrored = transforms.train_pixels(picture, 5, transforms.Choice(True, 3, 7))
    assert (mirrored == pixels[:, ::-1][3:8, 7:12]).all()
    image = transforms.to_input(cut)
    assert image.dtype == np.float32 and image.shape == (3, 5, 5) and image.flags.c_contiguous
    assert np.allclose(image, cut.transpose(2, 0, 1) / 127.5 - 1, atol=1e-7)
    assert (transforms.to_pixels(image) == cut).all()
    assert (transforms.to_pixels(np.float32([[[-3.0]], [[0.0]], [[1.5]]])) == [0, 128, 255]).all()


def test_a_picture_smaller_than_the_crop_is_enlarged():
    tiny = Image.new("RGB", (1, 2), (10, 20, 30))
    pixels = transforms.train_pixels(tiny, 40, transforms.Choice(True, 30, 30))
    assert pixels.shape == (40, 40, 3) and (pixels == (10, 20, 30)).all()


def test_choices_are_pinned():
    """The numbers of a run must not change between releases, ours or NumPy's: a resumed run would see other data."""
    assert transforms.random_bits(0, 1, 2, count=2).tolist() == [16264559523293538914, 5334366987962299574]
    assert [transforms.draw_choice(0, 0, 1, n) for n in range(2)] == [
        transforms.Choice(False, 14, 29),
        transforms.Choice(True, 8, 16),
    ]
    assert transforms.draw_order(6, 0, 0, 0, 0).tolist() == [3, 2, 1, 0, 4, 5]


def test_every_epoch_has_every_file_once(root):
    stream = Stream(image_files(root / "trainA"), SIZE, 1, 0, 0)
    orders = [stream._order(epoch) for epoch in range(6)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    other = Stream(image_files(root / "trainA"), SIZE, 1, 0, 1)
    assert [tuple(other._order(epoch)) for epoch in range(6)] != [tuple(order) for order in orders]


def test_a_resumed_run_sees_what_an_unbroken_one_would(root):
    whole = list(data(root).iterate(1, 12))
    assert [batch.shape for batch in whole[0]] == [(2, 3, SIZE, SIZE)] * 2 and whole[0][0].dtype == np.float32
    assert same(whole[7:], data(root).iterate(8, 12))
    assert same(whole, (data(root).batch(step) for step in range(1, 13)))
    assert not same(whole, data(root, seed=1).iterate(1, 12))


def test_a_system_of_one_domain_reads_that_one_alone(root):
    """The same batches as beside the other domain; and the other folder need not be there."""
    both, wanted = list(data(root).iterate(1, 5)), data(root).fingerprint
    shutil.rmtree(root / "trainA")
    alone = data(root, domains=("B",))
    assert same([batch[1:] for batch in both], alone.iterate(1, 5))
    assert not same([batch[:1] for batch in both], alone.iterate(1, 5))
    assert alone.fingerprint != wanted
    with pytest.raises(InputError, match="trainA"):
        data(root)


def test_workers_keep_the_order(root, monkeypatch):
    """Even if every batch takes longer than the ones after it."""
    whole = list(data(root).iterate(1, 9))
    batch, waiting = TrainingData.batch, threading.Event()

    def uneven(self, step):
        waiting.wait(0.02 * (step % 3 == 1))
        return batch(self, step)

    monkeypatch.setattr(TrainingData, "batch", uneven)
    for workers in (1, 3):
        with data(root, workers=workers) as ahead:
            assert same(whole, ahead.iterate(1, 9))
            ahead.batch(99)  # as a preview might
            assert same(whole[3:5], ahead.iterate(4, 5))


def test_processes_share_one_global_batch(root):
    alone = list(data(root, batch_size=4).iterate(1, 5))
    for world_size in (2, 4):
        options = {"batch_size": 4 // world_size, "world_size": world_size}
        ranks = [list(data(root, rank=rank, **options).iterate(1, 5)) for rank in range(world_size)]
        joined = [
            [np.concatenate([ranks[rank][step][domain] for rank in range(world_size)]) for domain in (0, 1)]
            for step in range(5)
        ]
        assert same(alone, joined)


def test_a_bad_file_is_named_once_and_replaced_by_the_next_good_one(root, tmp_path):
    whole = list(data(root).iterate(1, 10))
    (root / "trainA" / "3.png").write_bytes(b"junk")
    said = []
    broken = data(root, workers=2, say=said.append)
    found = list(broken.iterate(1, 10))
    assert broken.bad_files == [str(root / "trainA" / "3.png")]
    assert len(said) == 1 and said[0].startswith("skipped: ") and "3.png: is not an image" in said[0]
    assert same([[b for _, b in whole]], [[b for _, b in found]])
    changed = [not np.array_equal(one[0], other[0]) for one, other in zip(whole, found, strict=True)]
    assert 2 <= sum(changed) <= 4  # its turn comes in every epoch, and nothing else is moved
    assert same(found[4:], data(root).iterate(5, 10))


def test_strict_refuses_a_bad_file(root):
    (root / "trainB" / "3.png").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"trainB/3\.png: is not an image"):
        list(data(root, strict=True, workers=2).iterate(1, 10))


def test_nothing_but_bad_files(root):
    for path in (root / "trainA").iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(InputError, match="trainA: none of its images can be read"):
        data(root).batch(1)
    with pytest.raises(InputError, match="testA: none of its images"):
        (root / "testA" / "a.png").write_bytes(b"")
        (root / "testA" / "b.png").write_bytes(b"")
        folders.test_images(root, "A", SIZE, say=quiet)


def test_folders_that_cannot_be_used_are_one_line(root):
    with pytest.raises(InputError, match="absent/trainA: there is no such folder"):
        data(root / "absent")
    shutil.rmtree(root / "trainB")
    (root / "trainB").mkdir()
    with pytest.raises(InputError, match="trainB: holds no images"):
        data(root)
    (root / "trainB").rmdir()
    os.symlink(root / "trainA", root / "trainB")
    with pytest.raises(InputError, match="are the same folder"):
        data(root)
    for options in ({"batch_size": 0}, {"rank": 2, "world_size": 2}, {"workers": -1}, {"seed": -1}):
        with pytest.raises(InputError):
            data(root, **options)


def test_images_smaller_than_the_crop_are_one_line(root):
    put(root / "trainA", ["small.png"], (SIZE - 1, 40))
    said = []
    data(root, say=said.append)
    assert len(said) == 1 and "small.png: 40x15 pixels, smaller than the 16x16 crop; 1 of 8" in said[0]
    with pytest.raises(InputError, match=r"small\.png: 40x15"):
        data(root, strict=True)


def test_the_fingerprint_tells_other_files(root):
    before = data(root).fingerprint
    assert data(root, seed=3).fingerprint == before
    put(root / "trainB", ["new.png"])
    after = data(root).fingerprint
    (root / "trainB" / "new.png").rename(root / "trainA" / "new.png")
    assert len({before, after, data(root).fingerprint}) == 3


def test_a_closed_stream_stops_and_an_abandoned_one_does_not_hang(root):
    reading = data(root, workers=2)
    batches = reading.iterate(1, 1000)
    next(batches)
    batches.close()
    reading.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


@pytest.mark.parametrize("workers", [0, 2])
def test_image_folder_goes_with_paddle_io(root, workers):
    (root / "trainA" / "6.png").write_bytes(b"junk")
    folder = ImageFolder(root / "trainA", SIZE, say=quiet)
    loader = DataLoader(folder, batch_size=3, num_workers=workers, use_shared_memory=False)
    found = np.concatenate([batch.numpy() if hasattr(batch, "numpy") else batch[0].numpy() for batch in loader])
    assert found.shape == (7, 3, SIZE, SIZE) and (found[6] == found[0]).all()
    picture = Image.open(root / "trainA" / "2.png")
    assert (found[2] == transforms.to_input(transforms.test_pixels(picture, SIZE))).all()


def test_image_folder_draws_anew_every_epoch(root):
    folder = ImageFolder(root / "trainA", SIZE, seed=5)
    first = [folder[i] for i in range(len(folder))]
    assert all(np.array_equal(folder[i], first[i]) for i in (6, 0, -7))
    folder.set_epoch(1)
    assert sum(np.array_equal(folder[i], first[i]) for i in range(7)) < 2
    with pytest.raises(IndexError):
        folder[7]


def test_test_images_keep_names_and_order(root):
    put(root / "testA" / "sub", ["c.png"])
    found = folders.test_images(root, "A", SIZE)
    assert [name for name, _ in found] == ["a.png", "b.png", "sub/c.png"]
    assert found[0][1].shape == (3, SIZE, SIZE) and found[0][1].dtype == np.float32
    (root / "testA" / "a.png").write_bytes(b"junk")
    said = []
    assert [name for name, _ in folders.test_images(root, "A", SIZE, 1, say=said.append)] == ["b.png"]
    assert len(said) == 1 and "a.png" in said[0]
    with pytest.raises(InputError, match=r"a\.png"):
        folders.test_images(root, "A", SIZE, strict=True)
    with pytest.raises(InputError, match="testB: there is no such folder"):
        folders.test_images(root, "B", SIZE)


def test_framing_is_that_of_torchvision():
    """120x80 at 32: resized to 48x32 and cut from column 8; CenterCrop(60) of it, with black above and below at 100."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8))
    found = transforms.Framing(keep_aspect=True)(picture, 32)
    assert (np.asarray(found) == np.asarray(picture.resize((48, 32), Image.Resampling.BILINEAR))[:, 8:40]).all()
    assert (transforms.crop_pixels(found, 32, 32, (0, 0)) == np.asarray(found)).all()
    middle = np.asarray(transforms.Framing(middle=60)(picture, 32))
    assert (middle == np.asarray(picture)[10:70, 30:90]).all()
    larger = np.asarray(transforms.Framing(middle=100)(picture, 32))
    assert larger.shape == (100, 100, 3) and (larger[10:90] == np.asarray(picture)[:, 10:110]).all()
    assert not larger[:10].any() and not larger[90:].any()


def test_framing_reaches_training_and_test_images(tmp_path):
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8))
    for name in ("trainA", "trainB", "testB"):
        (tmp_path / name).mkdir()
        wide.save(tmp_path / name / "x.png")
    framing = transforms.Framing(keep_aspect=True)
    with TrainingData(tmp_path, 16, 1, 0, 0, say=quiet, load_size=16, framing=framing) as data:
        (batch, _) = data.batch(1)
    wanted = transforms.to_input(np.asarray(framing(wide, 16)))
    assert (batch[0] == wanted).all()
    assert (folders.test_images(tmp_path, "B", 16, framing=framing)[0][1] == wanted).all()
    assert (folders.test_images(tmp_path, "B", 16)[0][1] != wanted).any()


def test_every_corner_of_a_crop_occurs_in_every_release_of_numpy():
    corners = [transforms.draw_corner(31, 0, number) for number in range(400)]
    for places in zip(*corners, strict=True):
        assert set(places) == set(range(32))
