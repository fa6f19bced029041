"""Comparisons of how sets of images and features are read, kept and shared among processes, with what was written.

The expected results are written out here, from what docs/metrics.md promises.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from align.checks.metric_numbers import refused
from align.compare.metric import compared, drawn_images, same
from align.compare.metric_group import Group
from paddle_ugatit.metrics import FeatureExtractor, arrays, copies, parallel, sources
from paddle_ugatit.metrics.cache import FeatureCache

_ARRAYS, _SOURCES, _CACHE = "metrics/arrays.py", "metrics/sources.py", "metrics/cache.py"
_COPIES, _PARALLEL = "metrics/copies.py", "metrics/parallel.py"


def layouts(seed):
    """Yield comparisons of images in arrays of every layout and range with the images that they were made of."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (66, 5, 6, 3), dtype=np.uint8)  # more than are looked at together
    pixels[0, 0, 0, 0], pixels[-1, 0, 0, 1] = 0, 255
    grey = np.repeat(pixels[..., :1], 3, 3)
    alpha = np.concatenate([pixels, pixels[..., :1]], 3)
    first = pixels.transpose(0, 3, 1, 2)
    values = pixels.astype(np.float64)
    cases = {
        "channels last": (pixels, pixels, ""),
        "with transparency": (alpha, pixels, ""),
        "channels first": (first, pixels, "channels first, 3x5x6"),
        "channels first, with transparency": (alpha.transpose(0, 3, 1, 2), pixels, "channels first, 4x5x6"),
        "grey": (pixels[..., 0], grey, "grey images"),
        "grey, one channel last": (pixels[..., :1], grey, "grey images"),
        "grey, one channel first": (first[:, :1], grey, "grey images"),
        "floats from 0": (values / 255, pixels, "floats from 0 to 1"),
        "floats from -1": (values / 127.5 - 1, pixels, "floats from -1 to 1"),
        "floats to 255": (
            (first * 254.0 / 255).round() + 0.25,
            (values * 254 / 255).round(),
            "channels first, 3x5x6, float64 from 0 to 255",
        ),
        "integers": (pixels.astype(np.int32), pixels, "int32 from 0 to 255"),
        "wider integers": (pixels.astype(np.uint16)[..., 0], grey, "grey images, uint16 from 0 to 255"),
        "ones and zeros": ((pixels // 255).astype(np.int64), pixels // 255, "int64 from 0 to 255"),
        "the lowest in the first": (*_with(values / 255, 0, -0.2, pixels, 102), "floats from -1 to 1"),
        "the highest in the last": (*_with(values / 255, -1, 9.0, pixels * 0, 9), "float64 from 0 to 255"),
    }
    for name, (array, wanted, note) in cases.items():
        layout = arrays.layout_of(array, Path("set.npy"))
        found = np.stack([layout.convert(image) for image in array])
        yield same(name, "pixels", found, wanted.astype(np.uint8), _ARRAYS)
        yield same(name, "note", layout.note, note, _ARRAYS)
    for name, array in {
        "two dimensions": pixels[0, :, :, 0],
        "five dimensions": pixels[None],
        "two channels": pixels[..., :2],
        "none": pixels[:0],
        "truth values": pixels > 9,
        "complex": pixels * 1j,
    }.items():
        yield same(name, "no images", arrays.layout_of(array, Path("set.npy")), None, _ARRAYS)
    for name, array in {
        "below 0": values - 2.5,
        "above 255": values + 1.0,
        "below -1": values / 127.5 - 1.1,
        "integers above 255": pixels.astype(np.int32) + 1,
        "integers below 0": pixels.astype(np.int32) - 1,
    }.items():
        yield same(name, "refused", refused(arrays.layout_of, array, Path("set.npy")), True, _ARRAYS)


def _with(array, place, value, pixels, level):
    """(floats with one image of this value, the pixels that they stand for)."""
    array, pixels = array.copy(), pixels.copy()
    array[place] = value
    if value < 0:  # all others lie above the middle
        pixels = np.rint(array * 127.5 + 127.5)
    else:
        array[:place] = 0.0
    pixels[place] = level
    return array, pixels


def array_files(seed):
    """Yield comparisons of .npy and .npz files with the arrays that were written."""
    rng = np.random.default_rng(seed)
    one, other = rng.random((3, 4), np.float32), rng.random((2, 5))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        np.save(root / "one.npy", one)
        with open(root / "second", "wb") as file:
            np.lib.format.write_array(file, one, (2, 0))
        np.savez(root / "named.npz", other=other, features=one)
        np.savez(root / "images.npz", arr_0=other, features=other, images=one)
        np.savez_compressed(root / "only.npz", whatever=one)
        np.savez(root / "unnamed.npz", one)
        np.savez(root / "several.npz", a=one, b=other)
        np.savez(root / "objects.npz", np.array([one, None], object))
        np.save(root / "objects.npy", np.array([one, None], object))
        (root / "cut.npy").write_bytes((root / "one.npy").read_bytes()[:-8])
        (root / "cut.npz").write_bytes((root / "named.npz").read_bytes()[:-30])
        (root / "packed").write_bytes((root / "named.npz").read_bytes())
        (root / "text.txt").write_text("one.png\n")
        (root / "zeros.npz").write_bytes(b"")
        for name in ("one.npy", "second", "named.npz", "images.npz", "only.npz", "unnamed.npz", "packed"):
            yield same(name, "array", arrays.read_array(root / name), one, _ARRAYS)
        for name in ("several.npz", "objects.npz", "objects.npy", "cut.npy", "cut.npz", "zeros.npz"):
            yield same(name, "refused", refused(arrays.read_array, root / name), True, _ARRAYS)
        names = {"one.npy": True, "named.npz": True, "second": True, "packed": True, "text.txt": False}
        (root / "empty.NPY").write_bytes(b"")
        (root / "short.npz").write_bytes(b"PK")
        names |= {"empty.NPY": True, "short.npz": True}
        found = {name: arrays.is_array_file(root / name) for name in names}
        yield same("files", "hold arrays", found, names, _ARRAYS)


def written(folder, images, start=0):
    """Write images as numbered PNG files into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:03}.png" for i in range(start, start + len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def kinds_of_sets(seed):
    """Yield comparisons of sets in folders, lists and arrays: their images, digests, and what is refused."""
    images = [image[:40, :30] for image in drawn_images(3, seed)]
    pixels = np.stack(images)
    features = np.random.default_rng(seed).random((3, 6), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = written(root / "set", images)
        listed = f"\n  set/{paths[2].name}  \n   \n{paths[0]}\n\n"
        (root / "list.txt").write_bytes(b"\xef\xbb\xbf" + listed.encode())
        first = pixels.transpose(0, 3, 1, 2) / 255
        for name, array in {
            "images": pixels,
            "first": first,
            "features": features,
            "pooled": features[:, :, None, None],
        }.items():
            np.save(root / f"{name}.npy", array)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        opened = {name: sources.open_set(str(root / name)) for name in ("set", "list.txt", "images.npy", "first.npy")}
        order = {"set": (0, 1, 2), "list.txt": (2, 0), "images.npy": (0, 1, 2), "first.npy": (0, 1, 2)}
        notes = {"first.npy": "channels first, 3x40x30, floats from 0 to 1"}
        for name, found in opened.items():
            wanted = [images[i].tolist() for i in order[name]]
            yield same(name, "images", [found.image(i).tolist() for i in range(len(found))], wanted, _SOURCES)
            yield same(
                name,
                "kind, note, path",
                (found.kind, found.note, found.path),
                ("images", notes.get(name, ""), root / name),
                _SOURCES,
            )
            labels = [found.label(i) for i in range(len(found))]
            names = {"set": [path.name for path in paths], "list.txt": [str(paths[i]) for i in (2, 0)]}
            yield same(name, "labels", labels, names.get(name, ["[0]", "[1]", "[2]"]), _SOURCES)
            if not name.endswith(".npy"):
                yield same(name, "digests", found.contents(), [digests[i] for i in order[name]], _SOURCES)
        kind = f"{pixels.dtype.str}{pixels.shape[1:]}".encode()
        wanted = [hashlib.sha256(kind + image.tobytes()).hexdigest() for image in images]
        yield same("images.npy", "digests", opened["images.npy"].contents(), wanted, _SOURCES)
        for name in ("features", "pooled"):
            found = sources.open_set(root / f"{name}.npy")
            rows = sources.features_of(found, None, FeatureCache(None), "")
            yield same(name, "features", rows[0], features, _SOURCES)
            yield same(
                name,
                "indices, left out",
                (found.kind, rows[1].tolist(), rows[2]),
                ("features", [0, 1, 2], []),
                _SOURCES,
            )
        yield from _refusals(root, features)
        several = hashlib.sha256(bytes.fromhex(digests[0]) + b"\0" + bytes.fromhex(digests[1])).hexdigest()
        yield same("sets", "digest", sources.digest_of([digests[0], "", digests[1]]), several, _SOURCES)
        (root / "set" / "003.png").symlink_to("nothing")
        yield same("set", "digest of what is gone", sources.open_set(root / "set").contents(), [*digests, ""], _SOURCES)
        said = []
        (root / "set" / "notes.txt").write_text("no picture")
        sources.open_set(root / "set", said.append)
        yield same("set", "lines on what is left out", len(said), 1, _SOURCES)


def _refusals(root, features):
    np.save(root / "whole.npy", np.ones((3, 6), int))
    np.save(root / "cube.npy", features.reshape(3, 1, 6))
    np.save(root / "pooled-whole.npy", np.ones((3, 6, 1, 1), int))
    np.save(root / "volumes.npy", np.ones((2, 3, 4, 5, 6)))
    (root / "binary").write_bytes(b"\x89PNG\0\0")
    (root / "gone.txt").write_text("gone.png\n")
    (root / "blank.txt").write_text("\n \n")
    for name in ("whole.npy", "volumes.npy", "binary", "gone.txt", "blank.txt", "nothing"):
        yield same(name, "refused", refused(sources.open_set, root / name), True, _SOURCES)
    yield same("an empty name", "refused", refused(sources.open_set, ""), True, _SOURCES)
    kinds = [sources.open_set(root / name).note for name in ("cube.npy", "pooled-whole.npy")]
    wanted = ["grey images, floats from 0 to 1", "grey images, int64 from 0 to 255"]
    yield same("neither features nor colours", "taken as", kinds, wanted, _SOURCES)


def extracted(seed):
    """Yield comparisons of the features of sets in which files are damaged, and of those kept in a cache."""
    images, extractor = drawn_images(5, seed), FeatureExtractor("pixels", workers=1)
    wanted, steps = extractor.extract(images), []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = written(root / "set", images)
        paths[1].write_bytes(paths[1].read_bytes()[:200])
        found = sources.open_set(root / "set")
        cache = FeatureCache(root / "cache")
        rows = sources.features_of(found, extractor, cache, "5e7", True, steps.append)
        yield same("damaged files", "features", rows[0], wanted[[0, 2, 3, 4]], _SOURCES)
        yield same(
            "damaged files", "indices, left out", (rows[1].tolist(), rows[2]), ([0, 2, 3, 4], ["001.png"]), _SOURCES
        )
        yield same("damaged files", "steps", steps, [5], _SOURCES)
        yield same("damaged files", "not kept", cache.load(extractor, "5e7"), None, _SOURCES)
        yield same(
            "damaged files", "refused", refused(sources.features_of, found, extractor, cache, "5e7"), True, _SOURCES
        )
        written(root / "set", images)
        sources.features_of(found, extractor, cache, "600d")
        yield same("cache", "features", cache.load(extractor, "600d"), wanted, _CACHE)
        empty = written(root / "gone", images)
        for path in empty:
            path.write_bytes(b"")
        rows = sources.features_of(sources.open_set(root / "gone"), extractor, cache, "600d")
        yield same(
            "cache",
            "taken",
            (rows[0].tolist(), rows[1].tolist(), rows[2]),
            (wanted.tolist(), [*range(5)], []),
            _SOURCES,
        )
        yield from _cached(root, cache, extractor, wanted)


def _cached(root, cache, extractor, wanted):
    """What is not believed: features of another set or kind, damaged ones, those of another width."""
    others = cache.load(extractor, "0bad"), cache.load(FeatureExtractor("pixels", resize="paper"), "600d")
    yield same("cache", "of others", others, (None, None), _CACHE)
    yield same("cache", "remarks", cache.remarks, [], _CACHE)
    (file,) = (root / "cache").iterdir()
    whole = file.read_bytes()
    for name, data in {
        "a byte changed": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        "its checksum changed": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cut": whole[:-1],
        "empty": b"",
    }.items():
        file.write_bytes(data)
        found, said = cache.load(extractor, "600d"), len(cache.remarks)
        cache.remarks.clear()
        yield same(name, "features, remarks", (found, said), (None, 1), _CACHE)
    for name, rows in {"another width": wanted[:, :9], "one row": wanted[0]}.items():
        cache.keep(extractor, "600d", rows)
        found, said = cache.load(extractor, "600d"), len(cache.remarks)
        cache.remarks.clear()
        yield same(name, "features, remarks", (found, said), (None, 1), _CACHE)
    cache.keep(extractor, "600d", wanted)
    yield same("cache", "the file as it was", file.read_bytes() == whole, True, _CACHE)
    file.unlink()
    file.mkdir()
    yield same("cache", "a folder for a file", (cache.load(extractor, "600d"), len(cache.remarks)), (None, 1), _CACHE)
    (root / "file").write_bytes(b"")
    blocked = FeatureCache(root / "file" / "cache")
    blocked.keep(extractor, "600d", wanted)
    yield same("cache", "that cannot be written", len(blocked.remarks), 1, _CACHE)
    nested = FeatureCache(str(root / "new" / "cache"))
    nested.keep(extractor, "600d", wanted)
    yield same("cache", "in new folders", nested.load(extractor, "600d"), wanted, _CACHE)
    none = FeatureCache(None)
    none.keep(extractor, "600d", wanted)
    yield same("no cache", "features, remarks", (none.load(extractor, "600d"), none.remarks), (None, []), _CACHE)


def repeated(seed):
    """Yield comparisons of the counts of images that occur more than once."""
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    yield same("copies", "within", copies.within(["a", "b", "a", "a"]), 2, _COPIES)
    yield same(
        "copies", "by content", copies.shared(["a", "b", "c"], features[:3], ["c", "a"], features[2:] + 99), 2, _COPIES
    )
    shared = copies.shared(["a", "b", "c", "d"], features, ["e", "a"], features[[3, 1, 1]])
    yield same("copies", "by features", shared, 2, _COPIES)
    other = copies.shared(["a", "b"], features[:2], ["b"], features[:2].astype(np.float64))
    yield same("copies", "of another type", other, 1, _COPIES)
    reverse = copies.shared(["a"], features.T.copy().T, ["b"], features)
    yield same("copies", "in another order in memory", reverse, 4, _COPIES)


def processes(seed):
    """Yield comparisons of what several processes share with the same in one."""
    rows = np.random.default_rng(seed).random((7, 2), np.float32)
    yield same("one process", "place", parallel.place(), (0, 1), _PARALLEL)
    yield same("one process", "rows", parallel.interleaved(rows, 7), rows, _PARALLEL)
    yield same("one process", "agreement", [parallel.all_agree(yes) for yes in (True, False)], [True, False], _PARALLEL)
    for world in (2, 3):
        found = Group(world).run(lambda rank, world=world: parallel.interleaved(rows[rank::world], 7))
        yield same(f"{world} processes", "rows", np.stack(found), np.stack([rows] * world), _PARALLEL)
        for missing in (None, 0, world - 1):
            found = Group(world).run(lambda rank, missing=missing: parallel.all_agree(rank != missing))
            yield same(f"{world} processes", f"without {missing}", found, [missing is None] * world, _PARALLEL)
        places = Group(world).run(lambda rank: parallel.place())
        yield same(f"{world} processes", "places", places, [(rank, world) for rank in range(world)], _PARALLEL)
    for world in (1, 2):
        group = Group(world)
        group.run(lambda rank: parallel.start())
        yield same(f"{world} processes", "join", group.joined, world if world > 1 else 0, _PARALLEL)
    yield from _shared(seed)


def _shared(seed):
    images, extractor = drawn_images(5, seed), FeatureExtractor("pixels", workers=1)
    wanted = extractor.extract(images)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = written(root / "set", images)
        found = sources.open_set(root / "set")
        caches = [FeatureCache(root / "cache"), FeatureCache(root / "none")]
        kept = Group(2).run(lambda rank: sources.features_of(found, extractor, caches[rank], "600d")[0])
        yield same("2 processes", "features", np.stack(kept), np.stack([wanted] * 2), _SOURCES)
        yield same("2 processes", "kept by the first", [c.folder.exists() for c in caches], [True, False], _SOURCES)
        again = Group(2).run(lambda rank: sources.features_of(found, extractor, caches[rank], "600d")[0])
        yield same("2 processes", "kept by one of them", np.stack(again), np.stack([wanted] * 2), _SOURCES)
        paths[3].write_bytes(b"")
        rows = Group(2).run(lambda rank: sources.features_of(found, extractor, FeatureCache(None), "bad", True))
        for result in rows:
            yield same(
                "2 processes", "left out", (result[1].tolist(), result[2]), ([0, 1, 2, 4], ["003.png"]), _SOURCES
            )
            yield compared("2 processes", "of the others", result[0], wanted[[0, 1, 2, 4]], 0.0, _SOURCES)
