"""Comparisons of what metrics make of pictures: resizes, features of every kind, paired metrics, kept attributes.

Each is compared with a plain statement in align/compare. What a run takes where no option is given is written here.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle

from align.checks.metric_numbers import refused
from align.compare import metric_networks, metric_pictures
from align.compare.metric import compared, drawn_images, same
from paddle_ugatit import formats
from paddle_ugatit import weights as conversion
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.data.faces.attributes import ATTRIBUTES
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.metrics import FeatureExtractor, face_features, inception_weights, kept, paired, preprocess
from paddle_ugatit.metrics import features as extraction
from paddle_ugatit.models.inception import InceptionV3
from paddle_ugatit.weights.pretrained import FACE_FEATURES, packaged

PUBLIC = "6726825d"  # how the digest of the public file begins
RANDOM = 4, 2015  # width divisor and seed of `--features random`
_PAIRED, _KEPT, _FACES = "metrics/paired.py", "metrics/kept.py", "metrics/face_features.py"
_WEIGHTS, _FEATURES, _SCALES = "metrics/inception_weights.py", "metrics/features.py", "metrics/preprocess.py"
_ROUNDING = 1e-5  # of networks in float32; 2e-6 has been measured
_UNTOLD = "expression"


def antialiased(seed):
    """Yield comparisons of clean-fid's and the paper's resize, and of the scales of Inception's input."""
    for image in drawn_images(4, seed):
        group = f"resize {image.shape[1]}x{image.shape[0]}"
        yield compared(group, "clean", preprocess.resize_clean(image), metric_pictures.clean(image), 1e-6, _SCALES)
        ours = preprocess.RESIZES["paper"](image)
        wanted = min(
            (metric_pictures.paper(image, first) for first in (1, 0)), key=lambda one: np.abs(one - ours).max()
        )
        yield compared(group, "paper", ours, wanted, 0.0, _SCALES)
    pixels = np.random.default_rng(seed).uniform(0, 255, (2, 4, 5, 3)).astype(np.float32)
    for resize in ("tf1", "clean", "paper"):
        wanted = metric_pictures.scaled(pixels, resize)
        yield compared("input", resize, preprocess.to_network(pixels, resize), wanted, 1e-6, _SCALES)


def pairs(seed):
    """Yield comparisons of L1, PSNR and SSIM."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (13, 15, 3), dtype=np.uint8)
    y = (x.astype(int) + rng.integers(-40, 41, x.shape)).clip(0, 255).astype(np.uint8)
    wanted = {"L1": metric_pictures.l1(x, y), "PSNR": metric_pictures.psnr(x, y), "SSIM": metric_pictures.ssim(x, y)}
    for name, value in wanted.items():
        yield compared("pairs", name, paired.paired(x, y)[name], value, 1e-10, _PAIRED)
    least = x[:11, :11], y[:11, :11]
    yield compared("pairs", "SSIM of 11x11", paired.ssim(*least), metric_pictures.ssim(*least), 1e-10, _PAIRED)
    yield same("pairs", "10x11 refused", refused(paired.ssim, x[:10], y[:10]), True, _PAIRED)
    yield same("pairs", "equal images", paired.paired(x, x), {"L1": 0.0, "PSNR": float("inf"), "SSIM": 1.0}, _PAIRED)
    several = [paired.paired(x, y), paired.paired(y, x[::-1])]
    means = {name: (several[0][name] + several[1][name]) / 2 for name in wanted}
    found = paired.mean_of(several)
    yield same("pairs", "names of the means", list(found), list(means), _PAIRED)
    yield compared("pairs", "means", list(found.values()), list(means.values()), 1e-12, _PAIRED)


def faces(seed):
    """Yield comparisons of the features and attributes of drawn faces with the network's plain statement."""
    network, ours = metric_networks.Faces(), face_features.FaceFeatures()
    few = [draw(split, i, 64, seed) for i in range(2) for split in ("testA", "testB")]
    pixels = np.concatenate([np.roll(few, shift, (1, 2)) for shift in range(17)])  # more than are run at a time
    x = paddle.to_tensor(np.ascontiguousarray(pixels[:4].transpose(0, 3, 1, 2) / np.float32(127.5) - 1))
    outputs = [output.numpy().reshape([4, -1]) for run in (ours._network, ours._network.features) for output in run(x)]
    found = np.concatenate(outputs, 1)
    yield compared("faces", "network", found, network.outputs(pixels[:4]), _ROUNDING, "models/faces.py")
    yield compared("faces", "features", ours.features(pixels), network.features(pixels), _ROUNDING, _FACES)
    yield same("faces", "attributes", ours.attributes(pixels), network.attributes(pixels), _FACES)
    yield same("faces", "dimensions", ours.dimensions, 641, _FACES)
    with default_dtype("float64"):  # of whatever else is trained in the process
        found = face_features.FaceFeatures().features(pixels[:2])
    yield compared("faces", "beside float64", found, network.features(pixels[:2]), _ROUNDING, _FACES)
    images = [*drawn_images(4, seed), pixels[0]]
    wanted = np.stack([_bicubic(image) for image in images])
    resized = np.stack([face_features.resized(image) for image in images])
    yield compared("faces", "resized", resized, wanted, 0.0, _FACES)
    extractor = FeatureExtractor("faces")
    found = extractor.extract(images)
    yield compared("faces", "extracted", found, network.features(wanted), _ROUNDING, _FEATURES)
    yield same("faces", "type", (str(found.dtype), extractor.dimensions), ("float32", 641), _FEATURES)


def _bicubic(image):
    from PIL import Image

    if image.shape == (64, 64, 3):
        return image
    return np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC)).astype(np.float64)


def attributes(seed):
    """Yield comparisons of the attributes that translations keep, over more pairs than are looked at together."""
    network, found = metric_networks.Faces(), kept.KeptAttributes()
    inputs, outputs = ([draw(split, i, 48, seed) for i in range(9)] for split in ("testA", "testB"))
    trios = [(inputs[i % 9], outputs[(i + i // 9) % 9], outputs[i % 9]) for i in range(67)]
    for i, trio in enumerate(trios):
        found.add(*(trio if i % 4 else trio[:2]))
    yield same("attributes", "pairs", found.pairs, len(trios), _KEPT)
    told = [network.attributes(np.stack([_bicubic(trio[i]) for trio in trios])) for i in range(3)]
    known = [i for i in range(len(trios)) if i % 4]
    shares = {name: (told[0] == told[1])[:, i].mean() for i, name in enumerate(ATTRIBUTES) if name != _UNTOLD}
    true = {name: (told[0] == told[2])[known, i].mean() for i, name in enumerate(ATTRIBUTES) if name != _UNTOLD}
    for label, ours, wanted in (("shares", found.shares(), shares), ("true images", found.shares(true=True), true)):
        yield same("attributes", f"names: {label}", list(ours), list(wanted), _KEPT)
        yield compared("attributes", label, list(ours.values()), list(wanted.values()), 1e-12, _KEPT)
    confusions = _confusions(*told[:2])
    yield same(
        "attributes", "confusions", [entry[1:] for entry in found.confusions()], [e[1:] for e in confusions], _KEPT
    )
    for change, _, _ in found.confusions():
        examples = _examples(change, trios, *told[:2])
        yield same(f"confusion {change}", "examples", np.array(found.examples(change)), examples[:8], _KEPT)
    yield same("attributes", "examples of none", found.examples(("glasses", 0, 0)), [], _KEPT)
    about = found.about()
    yield compared("attributes", "mean", about["mean"], np.mean(list(shares.values())), 1e-12, _KEPT)
    yield same("attributes", "without pairs", kept.KeptAttributes().shares(), {}, _KEPT)


def _confusions(was, became):
    """[(attribute, times, of)] of the most frequent change of each attribute, the most frequent first."""
    worst = []
    for column, name in enumerate(ATTRIBUTES):
        changes = list(zip(was[:, column].tolist(), became[:, column].tolist(), strict=True))
        counts = {change: changes.count(change) for change in changes if change[0] != change[1]}
        if counts and name != _UNTOLD:
            most = max(counts.values())
            change = min(change for change, times in counts.items() if times == most)
            worst.append((name, most, was[:, column].tolist().count(change[0])))
    return sorted(worst, key=lambda entry: -entry[1])


def _examples(change, trios, was, became):
    """The pictures of a change in order, each the input above its translation: uint8 (N,128,64,3)."""
    name, one, other = change
    column = list(ATTRIBUTES).index(name)
    rows = [i for i in range(len(trios)) if (was[i, column], became[i, column]) == (one, other)]
    return np.stack([np.concatenate([_bicubic(trios[i][0]), _bicubic(trios[i][1])]) for i in rows]).astype(np.uint8)


def extraction_options(seed):
    """Yield comparisons of the kinds of features, their batches and what they are called."""
    images = [image for image in drawn_images(4, seed) for _ in range(5)]  # more than a batch
    pixels = np.stack([preprocess.resize_tf1(image) for image in images])
    wanted = metric_pictures.cell_means(metric_pictures.scaled(pixels, "tf1"))
    extractor, steps = FeatureExtractor("pixels", workers=1), []
    found = extractor.extract([lambda image=image: image for image in images], steps.append)
    yield compared("pixels", "features", found, wanted, 1e-5, _FEATURES)
    yield same("pixels", "batches", steps, [8, 8, 4], _FEATURES)
    steps = []
    FeatureExtractor("pixels", batch_size=9).extract(images, steps.append)
    yield same("pixels", "batches of up to 9", steps, [16, 4], _FEATURES)
    about = extractor.kind, extractor.resize, extractor.dimensions, extractor.comparable, extractor.batch_size
    yield same("pixels", "options", about, ("pixels", "tf1", 768, False, 8), _FEATURES)
    none = extractor.extract([])
    yield same("pixels", "of no images", (none.shape, str(none.dtype)), ((0, 768), "float32"), _FEATURES)
    for name, image in (("grey", images[0][..., 0]), ("RGBA", np.zeros((4, 4, 4), np.uint8)), ("float", pixels[0])):
        yield same("pixels", f"{name} refused", refused(extractor.extract, [image]), True, _FEATURES)
    yield same("pixels", "empty refused", refused(extractor.extract, [np.zeros((0, 4, 3), np.uint8)]), True, _FEATURES)
    for label, options in (("kind", {"kind": "other"}), ("resize", {"resize": "other"}), ("batch", {"batch_size": 0})):
        yield same(
            "options", f"{label} refused", refused(lambda given=options: FeatureExtractor(**given)), True, _FEATURES
        )
    yield same("options", "weights refused", refused(FeatureExtractor, "pixels", "x.pth"), True, _FEATURES)
    yield same("options", "workers refused", refused(lambda: FeatureExtractor("pixels", workers=0)), True, _FEATURES)
    names = [FeatureExtractor("pixels", resize=resize).identity for resize in ("tf1", "paper")]
    names += [FeatureExtractor("faces").identity]
    digest = formats.sha256(packaged(FACE_FEATURES))
    wanted = ["pixels 1 tf1", "pixels 1 paper", f"faces {digest} 1"]
    yield same("options", "names in the cache", names, wanted, _FEATURES)
    yield same("options", "kinds by default", _default_kinds(), ["faces", "inception", "inception"], _FEATURES)


def _default_kinds():
    """Of drawn faces, of drawn faces with weights given, and of other pictures."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn"
        (drawn / "testB").mkdir(parents=True)
        (drawn / "dataset.json").write_text('{"kind": "paddle_ugatit procedural faces"}')
        kinds = [extraction.default_kind(drawn / "testB"), extraction.default_kind(drawn / "testB", "x.pth")]
        return [*kinds, extraction.default_kind(folder)]


def random_features(seed):
    """Yield comparisons of the random Inception with its definition, and of its features with the twin's."""
    narrow, own = RANDOM
    extractor = FeatureExtractor("random")
    network = extractor.loaded.network
    yield same("random", "dimensions, public", (extractor.dimensions, extractor.comparable), (512, False), _FEATURES)
    state = conversion.to_torch({key: value.numpy() for key, value in network.state_dict().items()}, network)
    wanted = metric_networks.random_inception(narrow, own)
    yield same("random", "names", sorted(state), sorted(wanted), _WEIGHTS)
    for part in ("conv.weight", "bn.weight", "bn.bias", "running_mean", "running_var", "fc.weight", "fc.bias"):
        ours, theirs = ([each[key].ravel() for key in sorted(wanted) if key.endswith(part)] for each in (state, wanted))
        limit = 1e-4 if "running" in part else 1e-6
        yield compared("random", part, np.concatenate(ours), np.concatenate(theirs), limit, _WEIGHTS)


def files(path, seed):
    """Yield comparisons of what is loaded from a file of weights and where the public one is looked for."""
    loaded = inception_weights.load(path)
    digest = formats.sha256(path)
    about = loaded.file, loaded.sha256, loaded.origin_sha256, loaded.public
    yield same("weights", "file and digests", about, (str(path), digest, digest, digest.startswith(PUBLIC)), _WEIGHTS)
    extractor = FeatureExtractor(weights=path)
    about = extractor.identity, extractor.dimensions, extractor.comparable
    wanted = f"inception {digest} tf1", loaded.network.fc.weight.shape[0], loaded.public
    yield same("weights", "name in the cache, width, comparable", about, wanted, _FEATURES)
    extractor.loaded = replace(loaded, origin_sha256=f"{PUBLIC}0")
    yield same("weights", "comparable if public", extractor.comparable, True, _FEATURES)
    with default_dtype("float64"):  # of whatever else is trained in the process
        kinds = [inception_weights.load(path).network, inception_weights.random_network(16)]
    kinds = [str(network.fc.weight.dtype) for network in kinds]
    yield same("weights", "beside float64", kinds, [str(loaded.network.fc.weight.dtype)] * 2, _WEIGHTS)
    public = [inception_weights.Loaded(loaded.network, "", "", sha).public for sha in (f"{PUBLIC}0", "0", f"0{PUBLIC}")]
    yield same("weights", "public by its digest", public, [True, False, False], _WEIGHTS)
    with tempfile.TemporaryDirectory() as folder:
        own = f"{folder}/own.pdparams"
        inception_weights.write_random(own, 16, seed)
        noted = formats.read(own)
        noted.metadata["source_sha256"] = f"{PUBLIC}1"
        formats.write(own, noted)
        origin = inception_weights.load(own)
        found = (origin.origin_sha256 if origin.public else "", origin.network.fc.weight.shape)
        yield same("weights", "noted origin, width", found, (f"{PUBLIC}1", [128, 63]), _WEIGHTS)
        double = {name: array.astype("float64") for name, array in noted.networks[""].items()}
        formats.write(own, replace(noted, networks={"": double}))
        read = inception_weights.load(own).network.fc.weight.numpy()
        yield same("weights", "from a file in float64", read, origin.network.fc.weight.numpy(), _WEIGHTS)
        again, twice = (inception_weights.random_network(16, number) for number in (seed, seed + 1))
        equal = [np.array_equal(net.fc.weight.numpy(), origin.network.fc.weight.numpy()) for net in (again, twice)]
        yield same("weights", "of their seed", equal, [True, False], _WEIGHTS)
        unnamed = [inception_weights.random_network(16, *own).fc.weight.numpy() for own in ((), (0,))]
        yield same("weights", "without a seed", unnamed[0], unnamed[1], _WEIGHTS)
        yield same(
            "weights",
            "places of the public file",
            _places(Path(folder)),
            ["own", "xdg", "hub", "other", "beside", ""],
            _WEIGHTS,
        )


def full_width():
    """Yield a comparison of the shapes of Inception's weights at its full width with the twin's."""
    theirs = metric_networks.shapes_of_inception()
    ours = {key: tuple(value.shape) for key, value in InceptionV3().state_dict().items()}
    ours["fc.weight"] = ours["fc.weight"][::-1]  # Paddle's layout is (in,out)
    yield same("Inception", "names and shapes at full width", dict(sorted(ours.items())), theirs, "models/inception.py")


def _places(folder):
    """In which of several folders the public file is found, the first ones taken away one after another."""
    name = f"pt_inception-2015-12-05-{PUBLIC}.pth"
    xdg, hub = folder / "cache" / "paddle_ugatit" / name, folder / "home" / "hub" / "checkpoints" / name
    places = {"own": folder / "named" / name, "xdg": xdg, "hub": hub}
    places["other"] = hub.with_name(f"weights-inception-2015-12-05-{PUBLIC}.pth")
    places["beside"] = folder / "cache" / "torch" / "hub" / "checkpoints" / name
    for path in places.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = []
    environment = {"XDG_CACHE_HOME": str(folder / "cache"), "TORCH_HOME": str(folder / "home")}
    with patch.dict(os.environ, environment | {"PADDLE_UGATIT_CACHE": str(folder / "named")}):
        for place in (*places, ""):
            found.append(_found(places))
            if place == "own":
                del os.environ["PADDLE_UGATIT_CACHE"]
            if place:
                places[place].unlink()
            if place == "other":
                del os.environ["TORCH_HOME"]
    return found


def _found(places):
    try:
        path = inception_weights.find()
    except Exception:  # a mutant may raise anything; only InputError says that there is none
        return "" if refused(inception_weights.find) else "an exception"
    return next((name for name, other in places.items() if other == path), str(path))


def cell_features(images, resize):
    """The plain statement of `--features pixels`: images (H,W,3) -> (N,768), float32 as it is kept."""
    pixels = np.stack([preprocess.RESIZES[resize](image) for image in images])  # compared in `antialiased`
    return metric_pictures.cell_means(metric_pictures.scaled(pixels, resize)).astype(np.float32)
