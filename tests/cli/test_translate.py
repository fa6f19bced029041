"""Translation as a command and as functions: any size, names kept, both frameworks, measures against truth."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit import ResnetGenerator, formats, weights
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import translate
from paddle_ugatit.data import transforms
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.data.images import read_image
from paddle_ugatit.data.inputs import collect
from paddle_ugatit.inference import heatmaps, sheets
from paddle_ugatit.inference import translate as inference
from paddle_ugatit.metrics import paired

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "translate.py"


def generator(seed, light=True, **options):
    """A small generator with weights that are drawn here, so that they do not depend on Paddle's."""
    network = ResnetGenerator(3, 3, ngf=4, n_blocks=1, light=light, **options)
    rng = np.random.default_rng(seed)
    for parameter in network.parameters():
        parameter.set_value(rng.normal(0, 0.3, parameter.shape).astype("float32"))
    return network


def write_weights(path, **networks):
    """A checkpoint in the framework of the suffix; the keyword `bare` is for a generator alone."""
    framework = formats.framework_of(path)
    states = {}
    for name, network in networks.items():
        state = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
        states[name.replace("bare", "")] = weights.to_torch(state, network) if framework == "torch" else state
    states = {name: {k: np.ascontiguousarray(a) for k, a in state.items()} for name, state in states.items()}
    formats.write(path, formats.Checkpoint(states, framework, {}))
    return path


@pytest.fixture(scope="module")
def there():
    return generator(0)


@pytest.fixture(scope="module")
def light(tmp_path_factory, there):
    return write_weights(tmp_path_factory.mktemp("weights") / "light.pt", genA2B=there, genB2A=generator(1))


def put(folder, *names, size=(12, 16), seed=0):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def run(weights_file, inputs, out, *options):
    inputs = inputs if isinstance(inputs, list) else [inputs]
    arguments = ["--weights", weights_file, "--input", *inputs, "--out", out, *options]
    return translate.main(list(map(str, arguments)))


def refusal(capsys, *arguments):
    capsys.readouterr()
    code = run(*arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("translate: "), lines
    return code, lines[0]


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def expected(network, pixels):
    """The translation, by the network itself on a picture that needs no padding."""
    return transforms.to_pixels(inference.generate(network, transforms.to_input(pixels)[None])[0][0])


def test_names_are_kept_and_pictures_are_translated(tmp_path, light, there, capsys):
    photos = put(tmp_path / "in", "a.png", "b.bmp", "sub/a.png")
    assert run(light, photos, tmp_path / "out") == 0
    assert "3 translated, a2b" in capsys.readouterr().out
    assert listed(tmp_path / "out") == ["a.png", "b.bmp", "sub/a.png"]
    for name in listed(photos):
        assert (read_image(tmp_path / "out" / name) == expected(there, read_image(photos / name))).all()
    once = read_image(tmp_path / "out" / "a.png")
    assert run(light, photos, tmp_path / "back", "--direction", "b2a") == 0
    assert (read_image(tmp_path / "back" / "a.png") != once).mean() > 0.3


@pytest.mark.parametrize("suffix", ["pt", "pth", "pdparams", "safetensors"])
@pytest.mark.parametrize("kind", ["both", "bare"])
def test_weights_of_either_framework_whole_or_bare(tmp_path, there, suffix, kind):
    networks = {"bare": there} if kind == "bare" else {"genA2B": there, "genB2A": generator(1)}
    path = tmp_path / f"w.{suffix}"
    if suffix == "safetensors":
        write_weights(tmp_path / "w.pdparams", **networks)
        formats.write(path, weights.convert(formats.read(tmp_path / "w.pdparams"), "torch", path)[0])
    else:
        write_weights(path, **networks)
    photos = put(tmp_path / "in", "a.png")
    assert run(path, photos, tmp_path / "out") == 0
    assert (read_image(tmp_path / "out" / "a.png") == expected(there, read_image(photos / "a.png"))).all()


@pytest.mark.parametrize("size", [(5, 5), (7, 9), (13, 22), (16, 8)])
def test_a_light_model_takes_any_size(tmp_path, light, there, size):
    photos = put(tmp_path / "in", "a.png", size=size)
    assert run(light, photos, tmp_path / "out", "--heatmap", "--sheet") == 0
    pixels = read_image(photos / "a.png")
    height, width = size
    padded = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), "reflect")
    wanted = expected(there, padded)[:height, :width]
    assert (read_image(tmp_path / "out" / "a.png") == wanted).all()
    assert read_image(tmp_path / "out-heatmaps" / "a.png.png").shape == (height, width, 3)
    assert read_image(tmp_path / "out-sheets" / "a.png.png").shape == (7 * height, width, 3)


def test_batches_change_nothing(tmp_path, light):
    photos = put(tmp_path / "in", "a.png", "b.png", "c.png", "f.png", "g.png")
    put(photos, "d.png", "e.png", size=(20, 12))
    for batch in (1, 2, 3, 9):
        assert run(light, photos, tmp_path / str(batch), "--batch", batch, "--heatmap") == 0
    for extra, limit in (("", 1), ("-heatmaps", 8)):
        for name in listed(tmp_path / f"1{extra}"):
            one = read_image(tmp_path / f"1{extra}" / name).astype(int)
            for batch in (2, 3, 9):
                other = read_image(tmp_path / f"{batch}{extra}" / name)
                assert np.abs(one - other).max() <= limit
        assert len(listed(tmp_path / f"9{extra}")) == 7


def test_a_full_model_says_which_size_it_needs(tmp_path, capsys):
    network = generator(2, light=False, img_size=16)
    full = write_weights(tmp_path / "full.pt", genA2B=network, genB2A=network)
    photos = put(tmp_path / "in", "a.png", size=(16, 16))
    assert run(full, photos, tmp_path / "out") == 0
    put(photos, "b.png", size=(16, 20))
    assert run(full, photos, tmp_path / "one") == 0 and listed(tmp_path / "one") == ["a.png"]
    said = capsys.readouterr()
    assert "1 skipped: b.png" in said.out and "not 20x16: add --resize" in said.err
    put(tmp_path / "wrong", "b.png", "c.png", size=(16, 20))
    code, line = refusal(capsys, full, tmp_path / "wrong", tmp_path / "none")
    assert code == 1 and "b.png: has 20x16 pixels (2 of 2" in line and "16x16 pixels only: add --resize" in line
    assert not (tmp_path / "none").exists()
    assert run(full, photos, tmp_path / "out", "--resize") == 0
    small = transforms.test_pixels(Image.open(photos / "b.png"), 16)
    assert (read_image(tmp_path / "out" / "b.png") == expected(network, small)).all()
    code, line = refusal(capsys, full, photos, tmp_path / "out", "--resize", 32)
    assert code == 2 and "takes 16 pixels" in line


def test_distinct_inputs_never_overwrite_one_another(tmp_path, light):
    photos = put(tmp_path / "in", "a.png", "a.jpg", "x/a.png", "y/a.png")
    for _ in range(2):  # what the first run made is no input of the second
        assert run(light, photos, photos / "out", "--heatmap") == 0
        assert len(listed(photos / "out")) == len(listed(photos / "out-heatmaps")) == 4
    shutil.rmtree(photos / "out")
    shutil.rmtree(photos / "out-heatmaps")
    files = [photos / "x" / "a.png", photos / "y" / "a.png", photos / "x" / "a.png"]
    assert run(light, files, tmp_path / "two") == 0
    assert listed(tmp_path / "two") == ["a.png", "a_2.png"]
    first, second = (read_image(tmp_path / "two" / name) for name in listed(tmp_path / "two"))
    assert (first != second).any()
    assert run(light, f"{photos}/*/*.png", tmp_path / "glob") == 0
    assert listed(tmp_path / "glob") == ["x/a.png", "y/a.png"]


def test_collected_names(tmp_path):
    put(tmp_path / "in", "a.png", "deep/er/b.png")
    (tmp_path / "in" / "c.psd").touch()
    (tmp_path / "in" / "notes.txt").touch()

    def names(*values, **options):
        return [name for _, name in collect([str(value) for value in values], **options)]

    assert names(tmp_path / "in") == ["a.png", "c.psd.png", "deep/er/b.png"]
    assert names(tmp_path / "in" / "**" / "*.png") == ["a.png", "deep/er/b.png"]
    assert names(tmp_path / "in", outs=[tmp_path / "in" / "deep"]) == ["a.png", "c.psd.png"]
    assert names(tmp_path / "in" / "deep", outs=[tmp_path / "in"]) == ["er/b.png"]
    assert names(tmp_path / "in" / "notes.txt") == ["notes.txt.png"]
    put(tmp_path / "odd[1]", "d.png")
    assert names(tmp_path / "odd[1]") == ["d.png"] and names(tmp_path / "odd[1]" / "d.png") == ["d.png"]
    for value in (tmp_path / "absent", tmp_path / "*.gif"):
        with pytest.raises(InputError):
            names(value)


def test_compare_prints_the_measures(tmp_path, light, capsys):
    photos = put(tmp_path / "in", "a.png", "b.png", size=(16, 16))
    truth = put(tmp_path / "truth", "a.png", "b.bmp", size=(16, 16), seed=9)
    assert run(light, photos, tmp_path / "out", "--compare", truth, "--batch", 2) == 0
    said = capsys.readouterr().out
    pairs = [("a.png", "a.png"), ("b.png", "b.bmp")]
    for what, folder in (("translated", tmp_path / "out"), ("input", photos)):
        mean = paired.mean_of([paired.paired(read_image(folder / a), read_image(truth / b)) for a, b in pairs])
        assert (
            f"{what} against {truth}: L1 {mean['L1']:.2f}, PSNR {mean['PSNR']:.2f} dB, SSIM {mean['SSIM']:.4f}" in said
        )
    code, line = refusal(capsys, light, photos / "a.png", tmp_path / "out", "--compare", put(tmp_path / "x", "x.png"))
    assert code == 1 and "no true image for a.png (1 of 1" in line


def test_bad_pictures_are_named_and_counted_or_refused(tmp_path, light, capsys):
    photos = put(tmp_path / "in", "a.png", "c.png")
    (photos / "b.png").write_bytes(b"junk")
    assert run(light, photos, tmp_path / "out") == 0
    said = capsys.readouterr()
    assert "2 translated" in said.out and "1 skipped: b.png" in said.out
    assert "skipped: " in said.err and listed(tmp_path / "out") == ["a.png", "c.png"]
    code, line = refusal(capsys, light, photos, tmp_path / "strict", "--strict")
    assert code == 1 and "b.png: is not an image" in line
    assert "b.png: is not an image" in refusal(capsys, light, photos / "b.png", tmp_path / "none")[1]
    (photos / "d.png").write_bytes(b"junk")
    assert run(light, [photos / "b.png", photos / "d.png"], tmp_path / "none") == 1
    assert "no image there can be translated" in capsys.readouterr().err


def test_what_cannot_be_is_one_line(tmp_path, light, there, capsys):
    photos = put(tmp_path / "in", "a.png")
    bare = write_weights(tmp_path / "bare.pt", bare=there)
    one = write_weights(tmp_path / "one.pdparams", genB2A=there)
    grey = write_weights(tmp_path / "grey.pt", bare=ResnetGenerator(1, 1, ngf=4, n_blocks=1, light=True))
    broken = generator(3)
    broken.UpBlock2[11].weight.set_value(broken.UpBlock2[11].weight.numpy() * np.nan)
    broken = write_weights(tmp_path / "nan.pt", bare=broken)
    out = tmp_path / "out"
    for arguments, code, reason in [
        ((bare, photos, out, "--sheet"), 2, "one generator"),
        ((one, photos, out), 1, "lacks genA2B"),
        ((grey, photos, out), 1, "1 input and 1 output channels"),
        ((broken, photos, out), 1, "NaN"),
        ((light, photos, photos), 2, "is an input"),
        ((light, photos / "a.png", photos), 2, "is an input"),
        ((light, photos / "absent.png", out), 1, "no such file"),
        ((tmp_path / "absent.pt", photos, out), 1, "cannot be read"),
        ((light, photos, out, "--batch", 0), 2, "--batch"),
        ((light, photos, out, "--resize"), 2, "number of pixels"),
        ((light, photos, out, "--resize", 10**18), 2, "at most 16384 pixels"),
        ((light, photos, out, "--device", "abacus"), 2, "--device abacus"),
        ((light, photos, out, "--compare", tmp_path / "absent"), 1, "no such folder"),
        ((light, photos, "/proc/out"), 1, "cannot be made"),
    ]:
        assert refusal(capsys, *arguments)[0] == code
        assert reason in refusal(capsys, *arguments)[1]
    put(photos, "tiny.png", size=(4, 9))
    assert "tiny.png: 9x4 pixels are too few" in refusal(capsys, light, photos / "tiny.png", out)[1]


def test_networks_are_left_as_they_were(there):
    there.train()
    there.UpBlock2.eval()
    modes = [layer.training for layer in there.sublayers(include_self=True)]
    images = np.zeros((2, 3, 8, 8), np.float32)
    with inference.evaluating(there):
        assert not any(layer.training for layer in there.sublayers(include_self=True))
    sheets.sample_sheet({"genA2B": there, "genB2A": generator(1)}, images)
    assert [layer.training for layer in there.sublayers(include_self=True)] == modes and len(set(modes)) == 2
    with pytest.raises(InputError):
        inference.generate(there, images[:, :, :3])
    assert [layer.training for layer in there.sublayers(include_self=True)] == modes


def test_the_seven_rows_of_a_sheet(there):
    networks = {"genA2B": there, "genB2A": generator(1)}
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 12, 8)).astype(np.float32)
    for direction, (first, second) in sheets.GENERATORS.items():
        found = sheets.sample_sheet(networks, images, direction).reshape(7, 12, 2, 8, 3).swapaxes(1, 2)
        for column, image in enumerate(images):
            translated, translation_map = inference.generate(networks[first], image[None])
            cycled, cycle_map = inference.generate(networks[second], translated)
            identity, identity_map = inference.generate(networks[second], image[None])
            wanted = [image, identity[0], translated[0], cycled[0]]
            assert (found[0::2, column] == [transforms.to_pixels(picture) for picture in wanted]).all()
            maps = [identity_map[0], translation_map[0], cycle_map[0]]
            assert (found[1::2, column] == [heatmaps.coloured(heatmap, 12, 8) for heatmap in maps]).all()


def test_terminated_it_leaves_whole_pictures(tmp_path, light):
    photos = put(tmp_path / "in", *(f"{i}.png" for i in range(60)), size=(64, 64))
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--weights", light, "--input", photos, "--out", tmp_path / "out"],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "out" / "0.png").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert process.stderr.read().splitlines()[-1] == "translate: interrupted; what has been written is complete"
    assert all(read_image(path).shape == (64, 64, 3) for path in (tmp_path / "out").iterdir())


def test_help_has_an_example():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "python tools/translate.py --weights" in done.stdout


def test_demo_draws_translates_and_shows(tmp_path, capsys):
    out = tmp_path / "demo"
    assert translate.main(["--demo", "--out", str(out)]) == 0
    assert [len(list((out / name).iterdir())) for name in ("photos", "cartoons", "truth")] == [8, 8, 8]
    picture = np.asarray(Image.open(out / "picture.png"))
    assert picture.shape[0] > 5 * 96 and picture.shape[1] > 8 * 96
    assert str(out / "picture.png") in capsys.readouterr().out


@pytest.mark.parametrize("more", [["--weights", "faces"], ["--input", "photos"]])
def test_demo_has_weights_and_faces_of_its_own(more, capsys):
    with pytest.raises(SystemExit) as ended:
        translate.main(["--demo", *more])
    assert ended.value.code == 2 and "--demo has faces and weights of its own" in capsys.readouterr().err


def test_attributes_of_drawn_faces_are_compared(tmp_path, capsys):
    faces = tmp_path / "faces"
    make_dataset(faces, 1, 6, 96, 3)
    out = tmp_path / "out"
    arguments = ["--weights", "faces", "--input", str(faces / "testA"), "--out", str(out)]
    assert translate.main([*arguments, "--compare", str(faces / "testB")]) == 0
    printed = capsys.readouterr().out
    assert "attributes kept: " in printed and "(true images: " in printed
    assert (tmp_path / "out-attributes" / "changed.png").is_file()
    # Elsewhere than in a drawn data set nothing is known of attributes.
    (faces / "testB").rename(tmp_path / "elsewhere")
    assert translate.main([*arguments, "--compare", str(tmp_path / "elsewhere")]) == 0
    assert "attributes kept" not in capsys.readouterr().out
