"""AdaIN, SAGAN and StyleGAN2 as graphs: proved as ONNX and as Paddle's programs, and a fault in each is found."""

import numpy as np
import paddle
import pytest
from deployed import randomised, written

from paddle_ugatit.cli import export
from paddle_ugatit.deploy import adain, exports, proof, rules, sagan, siblings, stylegan2
from paddle_ugatit.deploy.graph import as_float64, pruned
from paddle_ugatit.deploy.onnx_file import read_onnx, write_onnx
from paddle_ugatit.deploy.program_files import write_proved_program
from paddle_ugatit.deploy.run import run
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer
from paddle_ugatit.models.sagan import SAGANDiscriminator, SAGANGenerator
from paddle_ugatit.models.stylegan2 import StyleGAN2Generator, StyleVectorizer

NETWORKS = {
    "adain": (siblings.export_transfer, lambda: StyleTransfer(Encoder(4), Decoder(4))),
    "sagan": (siblings.export_sagan, lambda: SAGANGenerator(16, 6, 8)),
    "stylegan2": (siblings.export_stylegan2, lambda: StyleGAN2Generator(16, 8, 2)),
    "styles": (siblings.export_styles, lambda: StyleVectorizer(8, 3)),
}


def exported(name, kind="float32"):
    make, network = NETWORKS[name]
    paddle.seed(0)  # of the vectors of spectral norms
    network = randomised(network())
    for key, buffer in network.named_buffers():  # of norms, which in a trained network are no zeros and ones
        if key.endswith(("running_mean", "running_var")):
            values = np.random.default_rng(1).uniform(0.5, 1.5, buffer.shape).astype("float32")
            buffer.set_value(values)
    return make(network, kind)


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_sibling_is_proved(tmp_path, name, kind):
    made = exported(name, kind)
    measured = exports.write_proved(tmp_path / "a.onnx", made)
    assert max(measured.double.values()) <= 1e-12
    assert measured.double.keys() == {value.name for value in made.graph.outputs}
    assert all(value.name in made.meanings for value in (*made.graph.inputs, *made.graph.outputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_sibling_is_proved_as_a_program(tmp_path, name):
    measured = write_proved_program(tmp_path / "p", exported(name))
    assert max(measured.double.values()) <= 1e-12
    assert ("its oneDNN" in measured.runtimes) == (name in ("adain", "styles"))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_there_and_nothing_is_left_over(name):
    made = exported(name)
    assert dict(made.network.named_parameters()).keys() <= made.graph.arrays.keys()
    assert pruned(made.graph).nodes == made.graph.nodes and pruned(made.graph).arrays.keys() == made.graph.arrays.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_accepts_the_files(tmp_path, name):
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    made = exported(name)
    write_onnx(tmp_path / "a.onnx", made.graph)
    onnx.checker.check_model(onnx.load(str(tmp_path / "a.onnx")), full_check=True)
    write_onnx(tmp_path / "double.onnx", as_float64(made.graph))
    inputs = proof.widened(made)[0]
    wanted = proof._computed(made, proof.network_of(made.network, made.graph, "float64"), inputs)
    found = reference.ReferenceEvaluator(str(tmp_path / "double.onnx")).run(None, inputs)
    for value, array in zip(made.graph.outputs, found, strict=True):
        assert proof.relative_error(array, wanted[value.name]) <= 1e-12


FAULTS = {
    "adain, biased": ("adain", adain, "unbiased", lambda g, var, n: var),
    "adain, no strength": ("adain", adain, "adain", lambda g, norm, x, y: x),
    "sagan, sigma": ("sagan", rules, "normalised", lambda g, layer, prefix, kernel: kernel),
    "sagan, attention": ("sagan", sagan, "self_attention", None),
    "stylegan2, corners": ("stylegan2", stylegan2, "doubling", lambda n: np.eye(n).repeat(2, 0)),
    "stylegan2, borders": ("stylegan2", stylegan2, "blurring", lambda n, blur: np.eye(n)),
    "styles, rate": ("styles", stylegan2, "equal_linear", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tmp_path, fault, monkeypatch):
    name, module, function, wrong = FAULTS[fault]
    if fault == "sagan, attention":
        original = sagan.self_attention

        def without(g, attend, prefix, x, side):
            return x, original(g, attend, prefix, x, side)[1]

        monkeypatch.setattr(sagan, "self_attention", without)
    elif fault == "styles, rate":
        plain = rules.linear
        monkeypatch.setitem(
            rules.RULES, stylegan2.EqualLinear, lambda g, each, prefix, x: plain(g, Spectreless(each), prefix, x)
        )
    else:
        monkeypatch.setattr(module, function, wrong)
    with pytest.raises(exports.ProofError, match="does not compute what the network does"):
        exports.write_proved(tmp_path / "a.onnx", exported(name))
    assert not list(tmp_path.iterdir())


class Spectreless:
    """A layer as one without spectral normalisation."""

    spectral = None

    def __init__(self, layer):
        self.weight, self.bias = layer.weight, layer.bias


def test_a_style_for_each_content_or_one_for_all(tmp_path):
    made = exported("adain")
    content, style = siblings.share(0, 2, 3, 16, 11), siblings.share(1, 2, 3, 9, 24)
    inputs = {"content": content, "style": style, "alpha": np.array([0.4], np.float32)}
    both = run(made.graph, inputs)["stylised"]
    for i in range(2):
        one = run(made.graph, inputs | {"content": content[i : i + 1], "style": style[i : i + 1]})["stylised"]
        np.testing.assert_allclose(both[i], one[0], atol=1e-4)
        assert one.shape == (1, 3, 16, 16)


@pytest.mark.parametrize("system", ["sagan", "stylegan2", "adain", "decoder"])
def test_the_command_exports_siblings(tmp_path, system, capsys):

    encoder, decoder = randomised(Encoder(4)), randomised(Decoder(4))
    networks = {
        "sagan": {"G": SAGANGenerator(16, 6, 8)},
        "stylegan2": {"G": StyleGAN2Generator(16, 8, 2), "S": StyleVectorizer(8, 3)},
        "adain": {"encoder": encoder, "decoder": decoder},
        "decoder": {"bare": decoder},
    }[system]
    path = written(tmp_path / "w.pdparams", **networks)
    words = ["--weights", str(path), "--out", str(tmp_path / "out")]
    if system == "decoder":
        assert export.main(words) == 2 and "add --encoder" in capsys.readouterr().err
        words += ["--encoder", str(written(tmp_path / "vgg.pdparams", bare=encoder))]
    assert export.main(words) == 0
    names = {"stylegan2": ["stylegan2-styles.onnx", "stylegan2.onnx"], "sagan": ["sagan.onnx"]}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names.get(system, ["adain.onnx"])
    for file in (tmp_path / "out").iterdir():
        assert read_onnx(file).metadata["sha256"]
    capsys.readouterr()
    assert export.main([*words, "--picture"]) == 2
    assert "--picture, --size and --check are for generators of U-GAT-IT" in capsys.readouterr().err


def test_networks_without_an_export_are_named(tmp_path, capsys):

    path = written(tmp_path / "d.pdparams", bare=SAGANDiscriminator(16, 8))
    assert export.main(["--weights", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "holds SAGANDiscriminator, which cannot be exported" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
