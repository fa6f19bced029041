"""tools/export.py: files that are proved, faults that are found, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit import formats, weights
from paddle_ugatit.cli import export, export_networks, translate
from paddle_ugatit.data.images import read_image
from paddle_ugatit.deploy import check, compressed, exports, onnx_file, picture, rules, ugatit
from paddle_ugatit.deploy.run import run
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.upsample import Upsample
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import pretrained
from tests.deploy.deployed import generator


def write(path, **networks):
    framework = formats.framework_of(path) or "torch"
    states = {}
    for name, network in networks.items():
        state = {key: value.numpy() for key, value in network.state_dict().items()}
        states[name] = weights.to_torch(state, network) if framework == "torch" else state
    states = {name: {key: np.ascontiguousarray(a) for key, a in state.items()} for name, state in states.items()}
    formats.write(path, formats.Checkpoint(states, framework, {}))
    return path


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    return write(tmp_path_factory.mktemp("weights") / "light.pdparams", genA2B=generator(0), genB2A=generator(1))


def photo(path, height, width, seed=0):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


def ran(*words):
    return export.main([str(word) for word in words])


def refusal(capsys, *words):
    capsys.readouterr()
    code = ran(*words)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("export: "), lines
    return code, lines[0]


def test_a_file_is_written_and_what_was_measured_is_said(tmp_path, light, capsys):
    assert ran("--weights", light, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    graph = onnx_file.read_onnx(tmp_path / "out" / "a2b.onnx")
    assert [value.name for value in graph.outputs] == ["translated", "cam_logit", "heatmap"]
    assert graph.metadata["sha256"] == formats.sha256(light) and graph.metadata["direction"] == "a2b"
    assert {"light": "true", "ch": "4", "n_blocks": "1", "revision": "current"}.items() <= graph.metadata.items()
    assert "a2b.onnx: " in said and "image float32 (batch,3,height,width)" in said and "translated: off by " in said


def test_two_exports_are_the_same_bytes_and_directions_differ(tmp_path, light):
    for out in ("one", "two"):
        assert ran("--weights", light, "--out", tmp_path / out, "--picture") == 0
    assert ran("--weights", light, "--out", tmp_path / "one", "--picture", "--direction", "b2a") == 0
    one, two = ((tmp_path / out / "a2b-picture.onnx").read_bytes() for out in ("one", "two"))
    assert one == two != (tmp_path / "one" / "b2a-picture.onnx").read_bytes()


def test_nothing_but_paddle_is_needed(tmp_path, light, monkeypatch, capsys):
    for name in ("torch", "onnx", "onnxruntime", "paddle2onnx"):
        monkeypatch.setitem(sys.modules, name, None)  # its import fails
    photo(tmp_path / "a.png", 9, 14)
    words = ("--weights", light, "--out", tmp_path, "--picture", "--check", tmp_path / "a.png")
    assert ran(*words) == 0
    said = capsys.readouterr().out
    assert "onnxruntime is not installed" in said and "in ONNX Runtime" not in said and "a.png (14x9)" in said


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_of_pytorch_give_the_same_model(tmp_path, light, suffix):
    other = write(tmp_path / f"w.{suffix}", genA2B=generator(0), genB2A=generator(1))
    for path in (light, other):
        assert ran("--weights", path, "--out", tmp_path / path.suffix) == 0
    one, two = (onnx_file.read_onnx(tmp_path / path.suffix / "a2b.onnx") for path in (light, other))
    assert one.nodes == two.nodes and one.arrays.keys() == two.arrays.keys()
    assert all(np.array_equal(array, two.arrays[name]) for name, array in one.arrays.items())


@pytest.mark.parametrize("size", [(5, 5), (7, 9), (16, 20), (33, 18)], ids=str)
def test_the_picture_model_gives_the_pixels_of_translate(tmp_path, light, size):
    photo(tmp_path / "a.png", *size)
    assert ran("--weights", light, "--out", tmp_path, "--picture", "--check", tmp_path / "a.png") == 0
    words = ["--weights", light, "--input", tmp_path / "a.png", "--out", tmp_path / "t"]
    assert translate.main(list(map(str, words))) == 0
    pixels = read_image(tmp_path / "a.png")
    found = run(onnx_file.read_onnx(tmp_path / "a2b-picture.onnx"), {"picture": pixels[None]})["translated"][0]
    away = np.abs(found.astype(int) - read_image(tmp_path / "t" / "a.png"))
    assert away.max() <= 1 and (away > 0).mean() < 0.01


def test_a_full_model_has_its_own_size_and_pictures_are_resized(tmp_path, capsys):
    full = write(tmp_path / "full.pdparams", genA2B=generator(2, light=False))
    photo(tmp_path / "a.png", 9, 14)
    assert ran("--weights", full, "--out", tmp_path, "--picture", "--check", tmp_path / "a.png") == 0
    assert "a.png (16x16): differs" in capsys.readouterr().out
    assert onnx_file.read_onnx(tmp_path / "a2b-picture.onnx").inputs[0].shape == ("batch", 16, 16, 3)
    code, line = refusal(capsys, "--weights", full, "--out", tmp_path / "x", "--size", 32)
    assert code == 2 and "takes 16 pixels only, not 32" in line and not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_weights_in_fewer_bits_are_proved_and_compared(tmp_path, light, kind, capsys):
    photo(tmp_path / "a.png", 12, 16)
    words = ("--weights", light, "--out", tmp_path, "--weights-as", kind, "--check", tmp_path / "a.png")
    assert ran(*words) == 0
    assert "from the weights in float32 by at most " in capsys.readouterr().out
    graph = onnx_file.read_onnx(tmp_path / f"a2b-{kind}.onnx")
    assert graph.metadata["weights"] == kind and graph.arrays[f"conv1x1.weight.{kind}"].dtype == kind


def test_a_trained_model_in_fewer_bits_is_small_and_close():
    network = load_networks(pretrained("faces"), "float32", None, ("genA2B",))["genA2B"]
    size, found = {}, {}
    pictures = {"picture": (128 + 80 * np.sin(np.arange(2 * 24 * 28 * 3) / 9)).astype(np.uint8).reshape(2, 24, 28, 3)}
    for kind in compressed.KINDS:
        graph = exports.export_generator(network, picture=True, kind=kind).graph
        size[kind] = sum(map(len, onnx_file.encoded(graph)))
        found[kind] = run(graph, pictures)["translated"]
    assert size["float16"] <= 0.51 * size["float32"] and size["int8"] <= 0.27 * size["float32"]
    half, few = (check.Levels.of(found[kind], found["float32"]) for kind in ("float16", "int8"))
    assert half.largest <= 1 < few.largest and half.mean < 0.1 < few.mean < 5


def test_a_weight_too_large_for_float16_is_named(tmp_path, capsys):
    network = generator(0)
    kernel = network.conv1x1.weight.numpy()
    kernel[0, 0] = 70000
    network.conv1x1.weight.set_value(kernel)
    path = write(tmp_path / "large.pdparams", genA2B=network)
    code, line = refusal(capsys, "--weights", path, "--out", tmp_path / "out", "--weights-as", "float16")
    assert code == 1 and "conv1x1.weight: holds 70000, and float16 at most 65504" in line
    assert not (tmp_path / "out").exists()


def test_a_channel_of_zeros_is_fine_in_int8(tmp_path):
    network = generator(0)
    kernel = network.UpBlock2[11].weight.numpy()
    kernel[1] = 0
    kernel[2] *= 1e-42
    network.UpBlock2[11].weight.set_value(kernel)
    path = write(tmp_path / "zeros.pdparams", genA2B=network)
    assert ran("--weights", path, "--out", tmp_path, "--weights-as", "int8") == 0
    graph = onnx_file.read_onnx(tmp_path / "a2b-int8.onnx")
    assert (graph.arrays["UpBlock2.11.weight.scale"] > 0).all()
    assert (compressed.stored(graph, "UpBlock2.11.weight")[1] == 0).all()


def test_a_network_with_nan_is_refused(tmp_path, capsys):
    network = generator(0)
    network.beta.weight.set_value(np.full(network.beta.weight.shape, np.nan, "float32"))
    path = write(tmp_path / "nan.pdparams", genA2B=network)
    capsys.readouterr()
    assert ran("--weights", path, "--out", tmp_path / "out") == 1
    assert "beta.weight: holds NaN" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "out").iterdir())


def test_more_than_the_format_takes_is_refused_before_any_work(tmp_path, light, monkeypatch, capsys):
    monkeypatch.setattr(onnx_file, "LARGEST", 5000)
    monkeypatch.setattr(export_networks, "export_generator", None)
    code, line = refusal(capsys, "--weights", light, "--out", tmp_path / "out")
    assert code == 1 and "an ONNX file has at most 2" in line and not (tmp_path / "out").exists()


def test_what_is_no_generator_is_refused(tmp_path, capsys):
    path = write(tmp_path / "one.pdparams", genA2B=generator(0))
    code, line = refusal(capsys, "--weights", path, "--out", tmp_path / "out", "--direction", "b2a")
    assert code == 1 and "lacks genB2A" in line


def test_a_picture_too_small_for_the_model_is_named(tmp_path, light, capsys):
    photo(tmp_path / "a.png", 4, 9)
    code, line = refusal(capsys, "--weights", light, "--out", tmp_path / "out", "--check", tmp_path / "a.png")
    assert code == 1 and "a.png: 9x4 pixels are too few" in line and not list((tmp_path / "out").iterdir())


def swapped(function):
    return lambda *values: function(*values)[::-1]


def linear_upsample(g, layer, prefix, x):
    scales = g.array("scales(1,1,2,2)", np.array([1, 1, 2, 2], np.float32))
    return g.apply("Resize", x, "", scales, coordinate_transformation_mode="asymmetric", mode="linear")


def constant_pad(g, pad, prefix, x):
    sides = g.integers(0, 0, pad.padding, pad.padding, 0, 0, pad.after, pad.after)
    return g.apply("Pad", x, sides, mode="constant")


def larger_eps(original):
    return lambda g, var, eps: original(g, var, 10 * eps)


def rounding(tensor):
    return lambda name, array: tensor(name, array.astype(np.float16).astype(array.dtype))


FAULTS = {
    "gap and gmp swapped": lambda m: m.setattr(ugatit, "factors", swapped(ugatit.factors)),
    "logits swapped": lambda m: m.setattr(ugatit, "cam_logits", swapped(ugatit.cam_logits)),
    "biased variance": lambda m: m.setattr(rules, "unbiased", lambda g, var, n: var),
    "bilinear": lambda m: m.setitem(rules.RULES, Upsample, linear_upsample),
    "constant border": lambda m: m.setitem(rules.RULES, ReflectionPad2D, constant_pad),
    "eps 1e-4": lambda m: m.setattr(rules, "inverse_deviation", larger_eps(rules.inverse_deviation)),
    "rho the other way": lambda m: m.setattr(rules, "mixed", lambda g, a, b, rho, f=rules.mixed: f(g, b, a, rho)),
    "gamma as beta": lambda m: m.setattr(ugatit, "add_style", swapped(ugatit.add_style)),
    "rounded in the file": lambda m: m.setattr(onnx_file, "_tensor", rounding(onnx_file._tensor)),
}
PICTURE_FAULTS = {
    "floor": lambda m: m.setattr(picture, "rounded", floored),
    "no crop": lambda m: m.setattr(picture, "cropped", lambda g, picture, x: x),
    "scaled once": lambda m: m.setattr(picture, "scaled", scaled_once),
}


def floored(g, x, rounded=picture.rounded):
    return rounded(g, g.apply("Sub", x, g.number(0.5 / 127.5)))


def scaled_once(g, pixels):
    x = g.apply("Div", g.apply("Cast", pixels, to=1), g.number(255.0))
    return g.apply("Transpose", x, perm=(0, 3, 1, 2))


@pytest.mark.parametrize("name", [*FAULTS, *PICTURE_FAULTS])
def test_a_planted_fault_ends_with_1_and_no_file(tmp_path, light, name, monkeypatch, capsys):
    (FAULTS | PICTURE_FAULTS)[name](monkeypatch)
    extra = ("--picture",) if name in PICTURE_FAULTS else ()
    code, line = refusal(capsys, "--weights", light, "--out", tmp_path / "out", *extra)
    assert code == 1 and ("does not compute what the network does" in line or "cannot be computed" in line), line
    assert not list((tmp_path / "out").iterdir())


def test_a_file_that_is_there_survives_a_failed_proof(tmp_path, light, monkeypatch):
    assert ran("--weights", light, "--out", tmp_path) == 0
    before = (tmp_path / "a2b.onnx").read_bytes()
    FAULTS["eps 1e-4"](monkeypatch)
    assert ran("--weights", light, "--out", tmp_path) == 1
    assert (tmp_path / "a2b.onnx").read_bytes() == before


def test_a_file_that_differs_on_a_picture_is_refused(tmp_path, light, monkeypatch, capsys):
    photo(tmp_path / "a.png", 12, 16)
    original = check.by_network
    monkeypatch.setattr(check, "by_network", lambda *words: np.maximum(original(*words), 3) - 2)
    words = ("--weights", light, "--out", tmp_path / "out", "--check", tmp_path / "a.png")
    code, line = refusal(capsys, *words)
    assert code == 1 and "the file is wrong" in line and not list((tmp_path / "out").iterdir())


def test_the_example_runs_the_script(tmp_path):
    assert "tools/export.py" in export.EXAMPLES
    assert (Path(__file__).resolve().parents[2] / "tools" / "export.py").is_file()


def test_several_pictures_have_a_line_together(tmp_path, light, capsys):
    for number, size in enumerate(((9, 14), (12, 8))):
        photo(tmp_path / f"{number}.png", *size, seed=number)
    words = ("--weights", light, "--out", tmp_path / "out", "--weights-as", "int8", "--check", tmp_path / "0.png")
    assert ran(*words, tmp_path / "1.png") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "differs from translate" in line]
    assert len(said) == 3 and said[2].startswith("2 pictures: ") and "weights in float32" in said[2]
    one, two = check.Levels(1, 0.5, 0.2), check.Levels(3, 1.5, 0.4)
    assert str(check.Levels.of_all([one, two])) == "at most 3 levels, 1.0000 on average, in 30.000 % of the values"


def test_both_formats_at_once(tmp_path, light, capsys):
    photo(tmp_path / "a.png", 9, 14)
    words = ("--weights", light, "--out", tmp_path / "out", "--format", "onnx,paddle", "--picture")
    assert ran(*words, "--check", tmp_path / "a.png") == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 0 and said.out.count("a.png (14x9): differs from translate by at most") == 2
    assert "in paddle.inference " in said.out and "a2b-picture-paddle: " in said.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a2b-picture.onnx", "a2b-picture-paddle"}
    assert ran(*words) == 0


def test_formats_that_cannot_be_are_refused(tmp_path, light, capsys):
    code, line = refusal(capsys, "--weights", light, "--out", tmp_path / "out", "--format", "onnx,tflite")
    assert code == 2 and "--format: unknown format 'tflite'" in line
    words = ("--format", "paddle", "--weights-as", "int8")
    code, line = refusal(capsys, "--weights", light, "--out", tmp_path / "out", *words)
    assert code == 2 and "paddle stores float32 alone" in line and not (tmp_path / "out").exists()
