"""KID, FID, precision and recall between two sets of images, as one function; tools/eval_kid.py is its command line.

Contents: evaluate, Comparison (its result), Measured (one set with its features).
"""

import os
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import PIL

import paddle_ugatit
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.data.faces.folder import is_drawn
from paddle_ugatit.metrics import copies, frechet, gram, mmd, notes, paper, parallel, sources, spread
from paddle_ugatit.metrics.cache import FeatureCache
from paddle_ugatit.metrics.features import BATCH_SIZE, FeatureExtractor, default_kind
from paddle_ugatit.metrics.kept import KeptAttributes
from paddle_ugatit.metrics.sources import ImageSet

SCHEMA = "paddle-ugatit-kid/1"
PROTOCOLS = ("standard", "ugatit")
PERMUTATIONS = 1000
CHEAP = 5000  # samples per set, up to which precision and recall cost no more than KID


@dataclass(frozen=True)
class Measured:
    """A set of images, and the features of those that could be read."""

    images: ImageSet
    features: np.ndarray  # (N,d)
    indices: np.ndarray  # (N,) of the images
    left_out: list[str]
    contents: list[str]  # a digest of each image whose features these are
    digest: str

    def by_label(self) -> dict[str, int]:
        """Return the index of every image that could be read, by its label without the suffix."""
        return {os.path.splitext(self.images.label(index))[0]: index for index in self.indices}

    def about(self) -> dict:
        """Return the set's entry in the report, as JSON values."""
        return {
            "path": str(self.images.path),
            "samples": len(self.features),
            "left_out": self.left_out,
            "copies": copies.within(self.contents),
            "taken_as": self.images.note,
            "sha256": self.digest,
        }


@dataclass(frozen=True)
class Comparison:
    """The result of `evaluate`. `report` holds all numbers as JSON values; the rest serves to draw them."""

    report: dict
    sets: dict[str, Measured]
    kid: mmd.Kid
    neighbours: frechet.Neighbours | None
    kept: KeptAttributes | None  # of translated drawn faces, where the source is given


def evaluate(
    fake: Path | str,
    real: Path | str,
    source: Path | str | None = None,
    weights: Path | str | None = None,
    subsets: int = mmd.SUBSETS,
    subset_size: int | None = None,
    seed: int = mmd.SEED,
    protocol: str = "standard",
    features: str | None = None,
    resize: str | None = None,
    permutations: int = PERMUTATIONS,
    bootstrap: int = spread.BOOTSTRAP,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    cache: Path | str | None = None,
    skip_bad: bool = False,
    every_pair: bool | None = None,
) -> Comparison | None:
    """Compute KID, FID, precision and recall of `fake` against `real`; with `source`, also KID against that.

    The sets are folders, text files that list images, or .npz or .npy files; `cache` is a folder for features, or None.
    `resize` defaults to that of the protocol, `features` to "faces" where the real images are drawn faces and to
    "inception" otherwise. With faces features and a source, the attributes that the translation keeps are told too. No
    value is scaled. `every_pair` True takes all pairs of large sets too, see `mmd.kid`.

    Under paddle.distributed.launch, the processes share the extraction, and all but the first return None. Raises
    InputError or UsageError if a set, a file or an option cannot be used.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    numbers = {"seed": seed, "subsets": subsets, "permutations": permutations, "bootstrap": bootstrap}
    _require_options(numbers | {"batch size": batch_size, "workers": 1 if workers is None else workers})
    paths = {"fake": fake, "real": real} | ({} if source is None else {"source": source})
    say = to_stderr if parallel.place()[0] == 0 else None
    opened = {name: sources.open_set(path, say) for name, path in paths.items()}
    for images in opened.values():
        _require_two(images.path, len(images))
    parallel.start()
    extractor = None
    if any(images.kind == "images" for images in opened.values()):
        resize = resize or ("paper" if protocol == "ugatit" else "tf1")
        extractor = FeatureExtractor(features or default_kind(real, weights), weights, resize, batch_size, workers)
    elif weights is not None:
        raise UsageError("--weights is for images, but every set holds features that were computed before")
    kept = FeatureCache(cache)
    sets = {name: _measured(name, images, extractor, kept, skip_bad) for name, images in opened.items()}
    if parallel.place()[0]:
        return None
    options = {"subsets": subsets, "subset_size": subset_size, "seed": seed, "bootstrap": bootstrap}
    options["every_pair"] = every_pair
    found = _evaluated(sets, extractor, options | {"permutations": permutations}, protocol)
    found.report["notes"] += kept.remarks
    return found


_RANGES = {  # option -> the least and the greatest value
    "seed": (0, 2**32 - 1),
    "subsets": (1, 100_000),
    "permutations": (0, 1_000_000),
    "bootstrap": (0, 1_000_000),
    "batch size": (1, 4096),
    "workers": (1, 256),
}


def _require_options(given: dict[str, int]) -> None:
    for name, value in given.items():
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise UsageError(f"{name} must be {low} or more, and at most {high}, not {value}")


def _require_two(path: Path, count: int) -> None:
    if count < 2:
        raise InputError(f"{path}: holds {count} image{'' if count == 1 else 's'}; 2 or more are needed")


def _measured(
    name: str, images: ImageSet, extractor: FeatureExtractor | None, cache: FeatureCache, skip_bad: bool
) -> Measured:
    contents = images.contents()
    digest = sources.digest_of(contents)
    with Progress(f"features of {name}", len(images), "image") as progress:
        features, indices, left_out = sources.features_of(images, extractor, cache, digest, skip_bad, progress)
    result = Measured(images, features, indices, left_out, [contents[i] for i in indices], digest)
    _require_two(images.path, len(result.features))
    return result


def _evaluated(sets: dict[str, Measured], extractor: FeatureExtractor | None, options: dict, chosen: str) -> Comparison:
    fake, real = sets["fake"].features, sets["real"].features
    try:
        mmd.checked(fake, real)
    except InputError as error:
        raise InputError(f"fake {sets['fake'].images.path}, real {sets['real'].images.path}: {error}") from error
    blocks = mmd.passes(len(fake), len(real), options["subsets"], options["subset_size"], options["every_pair"])
    with Progress("KID", blocks, "block") as progress:
        kid = mmd.kid(fake, real, progress=progress, **options)
    cheap = max(len(fake), len(real)) <= CHEAP
    neighbours = frechet.neighbours(fake, real) if cheap else None
    report = {
        "schema": SCHEMA,
        "kid": kid_entry(kid),
        "fid": frechet.frechet_distance(fake, real),
        "precision": neighbours.precision if neighbours else None,
        "recall": neighbours.recall if neighbours else None,
        "protocol": chosen,
        "features": extractor.about() if extractor else {"kind": "given", "dimensions": fake.shape[1], "resize": None},
        "seed": options["seed"],
        "sets": {name: measured.about() for name, measured in sets.items()},
        "fake_also_in_real": copies.shared(sets["fake"].contents, fake, sets["real"].contents, real),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": _versions(),
    }
    if "source" in sets:
        report["source"] = {"kid": kid_entry(mmd.kid(fake, sets["source"].features, **options))}
    if chosen == "ugatit":
        report["ugatit"] = _paper(sets)
    kept = _kept(sets) if extractor and extractor.kind == "faces" and "source" in sets else None
    if kept:
        report["attributes"] = kept.about()
    report["notes"] = notes.of(report)
    return Comparison(report, sets, kid, neighbours, kept)


def _kept(sets: dict[str, Measured]) -> KeptAttributes | None:
    """The attributes that the fakes share with the source images of the same names; None if no names agree.

    The real images of these names are the true ones if both sets are test folders of one drawn data set.
    """
    if any(measured.images.kind != "images" for measured in sets.values()):
        return None
    named = {name: measured.by_label() for name, measured in sets.items()}
    folders = [sets[name].images.path for name in ("source", "real")]
    paired = {folder.name for folder in folders} == {"testA", "testB"} and is_drawn(folders[0])
    kept, known = KeptAttributes(), paired and folders[0].parent == folders[1].parent
    for label, index in named["fake"].items():
        if label in named["source"]:
            truth = sets["real"].images.image(named["real"][label]) if known and label in named["real"] else None
            source = sets["source"].images.image(named["source"][label])
            kept.add(source, sets["fake"].images.image(index), truth)
    return kept if kept.pairs else None


def kid_entry(kid: mmd.Kid) -> dict:
    """Return a Kid as JSON values."""
    return {
        "mean": kid.mean,
        "std": kid.std,
        "standard_error": kid.standard_error,
        "all_pairs": kid.all_pairs,
        "all_pairs_error": kid.all_pairs_error,
        "ci95": list(kid.ci95),
        "p_value": kid.p_value,
        "pairs_of": list(kid.pairs_of),
        "subsets": kid.subsets,
        "subset_size": kid.subset_size,
        "subset_size_chosen": kid.subset_size_chosen,
        "values": kid.values.tolist(),
        "kernel": {
            "name": "polynomial",
            "degree": gram.DEGREE,
            "gamma": gram.gamma(kid.dimensions),
            "coef0": gram.COEF0,
        },
    }


def _paper(sets: dict[str, Measured]) -> dict:
    """The paper's numbers, unscaled and, as the paper prints them, times 100."""
    target = paper.block_kid(sets["real"].features, sets["fake"].features)
    entry: dict[str, Any] = {"kid": target.mean, "standard_error": target.standard_error, "blocks": len(target.values)}
    if "source" in sets:
        source = paper.block_kid(sets["source"].features, sets["fake"].features)
        entry |= {
            "source_kid": source.mean,
            "source_standard_error": source.standard_error,
            "mean_KID": paper.mean_kid(target.mean, source.mean),
            "rewards": paper.REWARDS,
        }
    scaled = {f"{name}_x100": 100 * value for name, value in entry.items() if name in ("kid", "source_kid", "mean_KID")}
    return entry | scaled | {"published_x100": {name: list(value) for name, value in paper.PUBLISHED.items()}}


def _versions() -> dict:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "paddle": paddle.__version__,
        "pillow": PIL.__version__,
        "blas_and_threads": paddle_ugatit.backend.runtime.SETTINGS,
    }
