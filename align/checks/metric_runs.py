"""Comparisons of whole evaluations, as tools/eval_kid.py makes them, with reports put together from plain statements.

Every entry of a report is compared but the time, the versions and the sentences for its reader.
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from align.checks.metric_numbers import NEIGHBOURS, SEED, SUBSETS, refused
from align.checks.metric_pictures import cell_features
from align.checks.metric_sets import written
from align.compare import metric_networks, metric_spread, metric_statements
from align.compare.metric import compared, drawn_images, same
from align.compare.metric_group import Group
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.metrics import evaluate

PERMUTATIONS, CHEAP = 1000, 5000  # where no number is named; samples up to which neighbours are counted
FILE = "metrics/compare.py"
_UNSAID = {"created", "versions", "notes", "rewards", "published_x100"}
_FLOAT = 1e-4  # of features in float32, whose small differences KID and FID are made of


def whole(seed):
    """Yield comparisons of the report of an evaluation without options, by the paper's protocol, and from a cache."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sets = _sets(root, seed)
        found = evaluate(root / "fake", str(root / "real"), root / "list.txt", features="pixels")
        report = _expected(sets, "tf1", {})
        report["sets"]["source"]["path"] = str(root / "list.txt")
        yield from _entries("no options", found.report, report)
        yield same("no options", "as JSON", json.loads(json.dumps(found.report)) == found.report, True, FILE)
        yield same("no options", "pictures of kept attributes", found.kept, None, FILE)
        options = {"subsets": 3, "subset_size": 4, "seed": seed + 5, "permutations": 7, "bootstrap": 0}
        cache = {"cache": root / "cache", "batch_size": 3, "workers": 1, "features": "pixels"}
        for name in ("the paper's protocol", "the paper's protocol, from a cache"):
            found = evaluate(root / "fake", root / "real", root / "list.txt", protocol="ugatit", **options, **cache)
            report = _expected(sets, "paper", options, "ugatit")
            report["sets"]["source"]["path"] = str(root / "list.txt")
            yield from _entries(name, found.report, report)
            yield same(name, "files kept", len(list((root / "cache").iterdir())), 3, FILE)
        found = evaluate(root / "fake", root / "real", resize="clean", permutations=0, **cache)
        yield same("clean", "resize, p-value", _of(found, "features.resize", "kid.p_value"), ["clean", None], FILE)
        yield same("clean", "source", ["source" in found.report, len(found.sets)], [False, 2], FILE)
        yield from _damaged(root, cache)
        shared = Group(2).run(lambda rank: evaluate(root / "fake", root / "real", features="pixels", skip_bad=True))
        alone = evaluate(root / "fake", root / "real", features="pixels", skip_bad=True)
        values = [shared[0].report["kid"]["all_pairs"], *shared[1:]]
        yield same("2 processes", "KID", values, [alone.report["kid"]["all_pairs"], None], FILE)


def _sets(root, seed):
    """Write a folder of fakes, two of them alike, one of real images, one of them a fake, and a list of a third."""
    images = [image[:40, :40] for image in drawn_images(20, seed)]
    images = [np.ascontiguousarray(np.roll(image, 3 * i, 1)) for i, image in enumerate(images)]
    sets = {"fake": [*images[:10], images[3]], "real": [*images[9:16], *images[5:6]], "source": images[10:19]}
    for name, pictures in sets.items():
        written(root / name, pictures)
    listed = [f"{root / 'source'}/{i:03}.png\n" for i in range(9)]
    (root / "list.txt").write_text("".join(listed))
    return {name: (root / name, pictures) for name, pictures in sets.items()}


def _expected(sets, resize, options, protocol="standard"):
    """The report of three sets of images with pixels as features."""
    features = {name: cell_features(pictures, resize) for name, (_, pictures) in sets.items()}
    fake, real, source = (features[name] for name in ("fake", "real", "source"))
    precision, recall = metric_statements.precision_recall(fake, real, NEIGHBOURS)
    report = {
        "schema": "paddle-ugatit-kid/1",
        "kid": kid_entry(fake, real, options),
        "fid": metric_statements.frechet_symmetric(fake, real),
        "precision": precision,
        "recall": recall,
        "protocol": protocol,
        "features": {
            **{"kind": "pixels", "dimensions": 768, "resize": resize, "comparable": False},
            **dict.fromkeys(("weights", "weights_sha256", "weights_public")),
        },
        "seed": options.get("seed", SEED),
        "sets": {name: _set_entry(*sets[name]) for name in sets},
        "fake_also_in_real": 2,
        "source": {"kid": kid_entry(fake, source, options)},
    }
    if protocol == "ugatit":
        (target, error), (other, other_error) = (metric_statements.paper_blocks(one, fake) for one in (real, source))
        mean = (0.02 * target + 0.98 * other) / 2
        report["ugatit"] = {"kid": target, "standard_error": error, "blocks": 2, "source_kid": other}
        report["ugatit"] |= {"source_standard_error": other_error, "mean_KID": mean, "kid_x100": 100 * target}
        report["ugatit"] |= {"source_kid_x100": 100 * other, "mean_KID_x100": 100 * mean}
    return report


def _set_entry(path, pictures):
    files = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in sorted(path.iterdir()))
    copies = 1 if path.name == "fake" else 0
    digest = hashlib.sha256(files).hexdigest()
    return {
        **{"path": str(path), "samples": len(pictures), "left_out": [], "copies": copies},
        **{"taken_as": "", "sha256": digest},
    }


def kid_entry(x, y, options):
    """KID's part of a report, from the plain statements."""
    subsets, seed = options.get("subsets", SUBSETS), options.get("seed", SEED)
    size = options.get("subset_size", min(len(x), len(y)) // 2)
    permutations = options.get("permutations", PERMUTATIONS)
    values = metric_statements.subset_values(x, y, subsets, size, seed)
    error, interval = metric_spread.interval(x, y, seed, options.get("bootstrap", metric_spread.DRAWS))
    return {
        "mean": values.mean(),
        "std": values.std(),
        "standard_error": values.std(ddof=1) / np.sqrt(subsets),
        "all_pairs": metric_statements.mmd2(x, y),
        "all_pairs_error": error,
        "ci95": list(interval),
        "p_value": metric_spread.p_value(x, y, permutations, seed),
        "subsets": subsets,
        "subset_size": size,
        "pairs_of": [len(x), len(y)],
        "subset_size_chosen": "subset_size" not in options,
        "values": values.tolist(),
        "kernel": {"name": "polynomial", "degree": 3, "gamma": 1 / x.shape[1], "coef0": 1.0},
    }


def _entries(group, ours, theirs):
    """Yield a row for each entry of a report, and one for their names."""
    found, wanted = _flat(ours), _flat(theirs)
    yield same(group, "names of the entries", sorted(found), sorted(wanted), FILE)
    for name, value in wanted.items():
        if name in found and isinstance(value, float):
            yield compared(group, name, found[name], value, 0.0 if name.endswith("p_value") else _FLOAT, FILE)
        elif name in found and isinstance(value, list) and value and isinstance(value[0], float):
            yield compared(group, name, found[name], value, _FLOAT, FILE)
        elif name in found:
            yield same(group, name, found[name], value, FILE)


def _flat(report, above=""):
    """{"kid.mean": value} of a nested report; NumPy's numbers become Python's."""
    found = {}
    for key, value in report.items():
        if key in _UNSAID:
            continue
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{key}.")
        elif isinstance(value, list):
            found[f"{above}{key}"] = [float(one) if isinstance(one, float) else one for one in value]
        else:
            found[f"{above}{key}"] = float(value) if isinstance(value, np.floating) else value
    return found


def _of(found, *names):
    flat = _flat(found.report)
    return [flat[name] for name in names]


def _damaged(root, cache):
    """What is said of a file that cannot be read, with and without being skipped, and of a damaged cache."""
    for file in (root / "cache").iterdir():
        file.write_bytes(b"damaged")
    found = evaluate(root / "fake", root / "real", protocol="ugatit", **cache)
    remarks = sum("damaged" in note for note in found.report["notes"])
    yield same("a damaged cache", "remarks", remarks, 2, FILE)
    (root / "fake" / "004.png").write_bytes(b"")
    yield same("a damaged file", "refused", refused(evaluate, root / "fake", root / "real", None, None), True, FILE)
    found = evaluate(root / "fake", root / "real", features="pixels", skip_bad=True)
    entry = found.report["sets"]["fake"]
    yield same("a damaged file", "left out", [entry["samples"], entry["left_out"]], [10, ["004.png"]], FILE)
    about = found.sets["fake"]
    yield same("a damaged file", "by label", about.by_label(), {f"{i:03}": i for i in range(11) if i != 4}, FILE)
    yield same("a damaged file", "contents", [len(about.contents), "" in about.contents], [10, False], FILE)
    few = written(root / "few", drawn_images(2, 0))
    few[0].write_bytes(b"")
    for options in ({"protocol": "other"}, {"subsets": 0}, {"seed": -1}, {"workers": 0}):
        yield same("options", f"{options} refused", _unusable(root, options), True, FILE)
    yield same(
        "one image left",
        "refused",
        refused(lambda: evaluate(root / "few", root / "real", **cache, skip_bad=True)),
        True,
        FILE,
    )


def _unusable(root, options):
    from paddle_ugatit.backend.errors import UsageError

    try:
        evaluate(root / "real", root / "fake", features="pixels", skip_bad=True, **options)
    except UsageError:
        return True
    return False


def given(seed):
    """Yield comparisons of evaluations of features in files, with and without counted neighbours."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, count in (("most", CHEAP), ("more", CHEAP + 1), ("few", 20)):
            np.save(root / f"{name}.npy", rng.random((count, 3), np.float32))
        quick = {"subsets": 1, "permutations": 0, "bootstrap": 0}
        for fake, real, counted in (("most", "few", True), ("more", "few", False), ("few", "more", False)):
            found = evaluate(root / f"{fake}.npy", root / f"{real}.npy", **quick)
            report = found.report
            both = [np.load(root / f"{name}.npy") for name in (fake, real)]
            group = f"{len(both[0])} and {len(both[1])} features"
            about = {"kind": "given", "dimensions": 3, "resize": None}
            yield same(group, "features, kept", [report["features"], found.kept], [about, None], FILE)
            yield same(group, "neighbours", found.neighbours is not None, counted, FILE)
            told = [report[name] is not None for name in ("precision", "recall")]
            yield same(group, "precision and recall", told, [counted, counted], FILE)
            estimate = metric_statements.mmd2(*both)
            yield compared(group, "KID all pairs", report["kid"]["all_pairs"], estimate, 1e-3, FILE)
        yield same("samples", "of one set", refused(evaluate, root / "few.npy", root / "nothing"), True, FILE)
        np.save(root / "wide.npy", rng.random((9, 4), np.float32))
        yield same("other features", "refused", refused(evaluate, root / "few.npy", root / "wide.npy"), True, FILE)
        np.save(root / "one.npy", rng.random((1, 3), np.float32))
        yield same("one sample", "refused", refused(evaluate, root / "few.npy", root / "one.npy"), True, FILE)


def drawn_faces(path, seed):
    """Yield comparisons of what is told of translated faces: the features by default, and the attributes they keep.

    `path` is a file of Inception's weights, which are taken if they are named.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pictures = {split: [draw(split, i, 64, seed) for i in range(4)] for split in ("testA", "testB")}
        for split in pictures:
            written(root / "drawn" / split, pictures[split])
        (root / "drawn" / "dataset.json").write_text('{"kind": "paddle_ugatit procedural faces"}')
        written(root / "elsewhere", pictures["testB"])
        fakes = [pictures["testB"][i] for i in (1, 1, 2)]
        written(root / "fake", fakes)
        Image.fromarray(fakes[0]).save(root / "fake" / "other.png")
        quick = {"subsets": 1, "permutations": 0, "bootstrap": 0}
        network = metric_networks.Faces()
        told = {name: network.attributes(np.stack(images)) for name, images in pictures.items()}
        told["fake"] = network.attributes(np.stack(fakes))
        shares = [(told["testA"][:3] == told[name][:3])[:, :9].mean() for name in ("fake", "testB")]
        for name, real, known in (("true images", "drawn/testB", True), ("no true images", "elsewhere", False)):
            found = evaluate(root / "fake", root / real, root / "drawn" / "testA", features="faces", **quick)
            about = found.report["attributes"]
            yield same(name, "pairs", about["pairs"], 3, FILE)
            yield compared(name, "kept", about["mean"], shares[0], 1e-12, FILE)
            yield same(name, "known", about["mean_of_true_images"] is not None, known, FILE)
            if known:
                yield compared(name, "kept by true images", about["mean_of_true_images"], shares[1], 1e-12, FILE)
        for split in pictures:
            written(root / "others" / split, pictures[split])
        found = evaluate(root / "fake", root / "others/testB", root / "others/testA", features="faces", **quick)
        known = found.report["attributes"]["mean_of_true_images"] is not None
        yield same("other test folders", "known", known, False, FILE)
        found = evaluate(root / "fake", root / "drawn" / "testB", weights=path, **quick)
        yield same("drawn faces", "weights named", found.report["features"]["kind"], "inception", FILE)
        found = evaluate(root / "fake", root / "drawn" / "testB", **quick)
        yield same("drawn faces", "features", found.report["features"]["kind"], "faces", FILE)
        yield same("drawn faces", "without a source", ["attributes" in found.report, found.kept], [False, None], FILE)
        found = evaluate(root / "fake", root / "drawn" / "testB", root / "drawn" / "testA", features="pixels", **quick)
        yield same("pixels", "attributes", "attributes" in found.report, False, FILE)
        written(root / "renamed", pictures["testA"], start=50)
        found = evaluate(root / "fake", root / "drawn" / "testB", root / "renamed", features="faces", **quick)
        yield same("no names agree", "attributes", ["attributes" in found.report, found.kept], [False, None], FILE)
