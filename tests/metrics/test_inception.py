"""FID's Inception: names and sizes of the public file, every way to load it, both ways to run it."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up
from paddle_ugatit import formats, weights
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.formats import CheckpointError
from paddle_ugatit.metrics import FeatureExtractor, engine, inception_weights
from paddle_ugatit.metrics.preprocess import to_network
from paddle_ugatit.models.inception import InceptionV3

torch = pytest.importorskip("torch")
from torch_ref.models import inception as torch_inception  # noqa: E402

NARROW = 16


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Random narrow weights in the public file's layout."""
    path = tmp_path_factory.mktemp("weights") / "pt_inception.pth"
    inception_weights.write_random(path, NARROW)
    return path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40 + 9 * i, 60, 3)).astype(np.uint8) for i in range(5)]


def test_names_shapes_and_sizes_are_those_of_the_public_file():
    with paddle.LazyGuard():
        ours = {key: tuple(rule.shape_torch) for key, rule in weights.layout(InceptionV3()).items()}
    with torch.device("meta"):
        theirs = {key: tuple(value.shape) for key, value in torch_inception.InceptionV3().state_dict().items()}
    assert ours == theirs
    assert (len(ours), sum(map(math.prod, ours.values()))) == (472, 23_885_392)
    assert ours["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert ours["Mixed_6b.branch7x7_2.conv.weight"] == (128, 128, 1, 7)
    assert ours["Mixed_6b.branch7x7dbl_2.conv.weight"] == (128, 128, 7, 1)
    assert ours["Mixed_7c.branch_pool.conv.weight"] == (192, 2048, 1, 1)
    assert (ours["fc.weight"], ours["fc.bias"]) == ((1008, 2048), (1008,))
    leaves = {".".join(key.rsplit(".", 2)[-2:]) for key in ours if not key.startswith("fc.")}
    assert leaves == {"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}
    assert sum(key.endswith("conv.weight") for key in ours) == 94


def test_random_weights_neither_die_nor_explode(file, images):
    features = FeatureExtractor(weights=file).extract(images)
    assert features.shape == (5, 2048 // NARROW) and features.dtype == np.float32
    assert 0.05 < features.std() < 5 and (features > 0).mean() > 0.9
    assert (features.std(0) > 1e-3).mean() > 0.9  # each tells images apart


def features_of(path, images):
    return FeatureExtractor(weights=path, fast=False).extract(images)


def test_old_format_counters_and_conversions_load_alike(file, images, tmp_path, capsys):
    wanted = features_of(file, images)
    state = torch.load(file, weights_only=True)
    assert len(state) == 472
    state["Mixed_5b.branch1x1.bn.num_batches_tracked"] = torch.tensor(7)
    old = tmp_path / "old.pth"
    torch.save(state, old, _use_new_zipfile_serialization=False)
    converted, back = tmp_path / "converted.pdparams", tmp_path / "back.safetensors"
    assert convert_weights.main([str(old), str(converted)]) == 0
    assert "model: inception (from its keys)" in capsys.readouterr().out
    assert convert_weights.main([str(converted), str(back), "--framework", "torch"]) == 0
    for path in (old, converted, back):
        assert np.array_equal(features_of(path, images), wanted), path
    fc = formats.read(converted).networks[""]["fc.weight"]
    assert np.array_equal(fc, state["fc.weight"].numpy().T)


def test_the_checksum_is_compared_with_the_public_one(file, tmp_path, monkeypatch):
    assert not inception_weights.load(file).public
    assert not FeatureExtractor(weights=file).comparable
    monkeypatch.setattr(inception_weights, "SHA256_PREFIX", formats.sha256(file)[:8])
    assert inception_weights.load(file).public and FeatureExtractor(weights=file).comparable
    converted = tmp_path / "converted.pdparams"
    convert_weights.main([str(file), str(converted)])
    assert inception_weights.load(converted).public  # by the checksum of what it was made of


def test_missing_weights_say_where_to_get_them_and_where_to_put_them(tmp_path, monkeypatch, file):
    monkeypatch.setenv("PADDLE_UGATIT_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(InputError, match="pytorch-fid.*put it into .*--weights.*pixels") as error:
        FeatureExtractor()
    assert str(tmp_path) in str(error.value)
    (tmp_path / inception_weights.FILE).write_bytes(file.read_bytes())
    assert inception_weights.find() == tmp_path / inception_weights.FILE
    assert FeatureExtractor().dimensions == 2048 // NARROW


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("Mixed_6e.branch1x1.bn.running_var"), "lacks 'Mixed_6e.branch1x1.bn.running_var'"),
        (lambda state: state.update(extra=state["fc.bias"]), "has 'extra'"),
        (lambda state: state.update({"fc.weight": state["fc.weight"][:, :5]}), "'fc.weight' has the shape"),
    ],
)
def test_a_file_that_does_not_fit_is_named(file, tmp_path, change, words):
    checkpoint = formats.read(file)
    change(checkpoint.networks[""])
    path = tmp_path / "changed.pth"
    formats.write(path, checkpoint)
    with pytest.raises(CheckpointError, match=words):
        FeatureExtractor(weights=path)


def test_another_network_is_refused(file, tmp_path):
    network = paddle_ugatit.Discriminator(3, ndf=2, n_layers=5)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    path = tmp_path / "discriminator.pdparams"
    formats.write(path, formats.Checkpoint({"": state}, "paddle"))
    with pytest.raises(InputError, match="holds discriminator, not Inception"):
        FeatureExtractor(weights=path)
    with pytest.raises(CheckpointError, match="holds inception, not ugatit"):
        weights.convert(formats.read(file), "paddle", file, "ugatit")


def test_features_do_not_depend_on_batch_size_or_workers(file, images):
    extractors = [FeatureExtractor(weights=file, batch_size=b, workers=w) for b, w in ((1, 1), (3, 2), (8, 4))]
    extractors += [FeatureExtractor(weights=file, batch_size=b, fast=True) for b in (2, 5)]
    found = [extractor.extract(iter(images)) for extractor in extractors]
    for one, others in ((found[0], found[1:3]), (found[3], found[4:])):
        for other in others:
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-6 * np.abs(one).max())


def test_features_are_the_same_in_a_float64_process(file, images):
    """A trainer in float64 sets Paddle's default; the KID beside it does not change."""
    wanted = [FeatureExtractor(weights=file).extract(images), FeatureExtractor("random").extract(images)]
    with default_dtype("float64"):
        found = [FeatureExtractor(weights=file).extract(images), FeatureExtractor("random").extract(images)]
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-6 * np.abs(one).max())


def test_the_folded_program_equals_the_network(file):
    network = inception_weights.load(file).network
    x = to_network(np.random.default_rng(1).uniform(0, 255, (2, 299, 299, 3)).astype(np.float32), "tf1")
    plain = engine.runner(network, fast=False)(x)
    folded = engine.folded(network)(paddle.to_tensor(x))[0].numpy()
    fast = engine.runner(network, fast=True)(x)
    scale = np.abs(plain).max()  # random weights magnify rounding: PyTorch's own float32 is 1e-5 off as well
    assert np.abs(folded - plain).max() < 1e-4 * scale and np.abs(fast - plain).max() < 1e-4 * scale


def test_a_wrong_epsilon_in_folding_is_seen(file, monkeypatch):
    network = inception_weights.load(file).network
    x = to_network(np.random.default_rng(1).uniform(0, 255, (1, 299, 299, 3)).astype(np.float32), "tf1")
    plain = engine.runner(network, fast=False)(x)
    for layer in network.sublayers():
        if hasattr(layer, "eps"):
            layer.eps = 2e-3
    folded = engine.folded(network)(paddle.to_tensor(x))[0].numpy()
    assert np.abs(folded - plain).max() > 1e-4 * np.abs(plain).max()


@pytest.mark.parametrize("image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InputError, match="an image must be"):
        FeatureExtractor("pixels").extract([image])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "vgg"}, "features must be one of"),
        ({"kind": "pixels", "resize": "lanczos"}, "resize must be one of"),
        ({"kind": "pixels", "weights": "x.pth"}, "cannot be combined with"),
        ({"kind": "pixels", "batch_size": 0}, "must be 1 or more"),
    ],
)
def test_wrong_options_are_one_line(options, words):
    with pytest.raises(InputError, match=words):
        FeatureExtractor(**options)


def test_pixels_are_means_of_cells():
    image = np.zeros((299, 299, 3), np.uint8)
    image[:, :, 0] = 255
    features = FeatureExtractor("pixels").extract([image, 255 - image])
    assert features.shape == (2, 768)
    assert np.allclose(features[0].reshape(3, -1), np.array([[127 / 128], [-1], [-1]]))


def test_png_can_be_read_after_paddle_is_loaded(tmp_path):
    """Paddle 2.6 loaded before Pillow used to lend it another zlib, with which every PNG was refused."""
    code = (
        "import paddle_ugatit, numpy\n"
        "from paddle_ugatit.data.images import read_image, write_image\n"
        f"write_image(r'{tmp_path}/a.png', numpy.full((8, 9, 3), 7, 'uint8'))\n"
        f"print(read_image(r'{tmp_path}/a.png').sum())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2]
    )
    assert done.stdout.strip() == str(7 * 8 * 9 * 3), done.stderr[-500:]


@pytest.mark.slow
def test_full_size_in_float64(tmp_path):
    from align.checks import metric as check_metric

    path = tmp_path / "full.pth"
    inception_weights.write_random(path)
    assert len(torch.load(path, weights_only=True)) == 472
    assert all(comparison.passed for comparison in check_metric.features(path, 0, count=2))
