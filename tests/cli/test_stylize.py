"""Stylising as a command and as functions: mixtures, masks, colours, folders, grey and transparent pictures."""

import numpy as np
import paddle
import pytest
from PIL import Image

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import stylize
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import stylise as stylising
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.training.adain import he_filters, random_filters


def networks(ch=4):
    encoder, decoder = Encoder(ch), Decoder(ch)
    random_filters(encoder, 0)
    he_filters(decoder, 0)
    return {"encoder": encoder, "decoder": decoder}


def write(path, nets):
    states = {name: {k: v.numpy() for k, v in net.state_dict().items()} for name, net in nets.items()}
    formats.write(path, formats.Checkpoint(states, formats.framework_of(path), {}))
    return path


@pytest.fixture(scope="module")
def nets():
    return networks()


@pytest.fixture(scope="module")
def files(tmp_path_factory, nets):
    folder = tmp_path_factory.mktemp("weights")
    write(folder / "both.pdparams", nets)
    write(folder / "encoder.pth", {"": nets["encoder"]})
    write(folder / "decoder.pth", {"": nets["decoder"]})
    write(folder / "wide.pth", {"": Encoder(8)})
    write(folder / "generator.pdparams", {"": ResnetGenerator(3, 3, ngf=4, n_blocks=1, light=True)})
    return folder


def put(path, size=(24, 32), seed=0, mode="RGB"):
    """A picture of soft colours, `size` is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


@pytest.fixture
def pictures(tmp_path):
    for seed, name in enumerate(("a/one.png", "a/sub/two.png", "s/red.png", "s/blue.png")):
        put(tmp_path / name, seed=seed)
    return tmp_path


def run(files, pictures, *options, content="a/one.png", style="s/red.png", weights="both.pdparams", out="o"):
    base = ["--weights", files / weights, "--content", pictures / content, "--style", *style_of(pictures, style)]
    return stylize.main([str(word) for word in (*base, "--out", pictures / out, *options)])


def style_of(pictures, style):
    return [",".join(str(pictures / part) for part in style.split(","))]


def result(pictures, name="o/one.png"):
    return read_image(pictures / name)


def refusal(capsys, *arguments, **options):
    capsys.readouterr()
    code = run(*arguments, **options)
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and lines[0].startswith("stylize: "), lines
    return code, lines[0]


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# Results.


def test_a_picture_of_one_style(files, pictures, nets, capsys):
    assert run(files, pictures) == 0
    told = capsys.readouterr()
    assert "1 stylised" in told.out and "the encoder is not VGG-19" in told.err
    content, style = (read_image(pictures / name) for name in ("a/one.png", "s/red.png"))
    wanted = stylising.stylise(StyleTransfer(**nets), content, [style])
    assert np.array_equal(result(pictures), wanted) and wanted.shape == content.shape and wanted.std() > 1


def test_two_files_of_weights_are_one(files, pictures):
    assert run(files, pictures) == 0
    assert run(files, pictures, "--encoder", files / "encoder.pth", weights="decoder.pth", out="p") == 0
    assert np.array_equal(result(pictures), result(pictures, "p/one.png"))


def test_of_the_encoders_file_only_the_encoder_is_taken(files, pictures, capsys):
    other = networks()
    he_filters(other["decoder"], 7)
    write(files / "other.pdparams", {"": other["decoder"]})
    assert run(files, pictures, "--encoder", files / "both.pdparams", weights="other.pdparams") == 0
    assert run(files, pictures, "--encoder", files / "encoder.pth", weights="other.pdparams", out="p") == 0
    assert np.array_equal(result(pictures), result(pictures, "p/one.png"))
    code, line = refusal(capsys, files, pictures, "--encoder", files / "decoder.pth", weights="other.pdparams")
    assert code == 1 and "decoder.pth: holds no encoder" in line


def test_alpha_0_has_no_style(files, pictures):
    for style in ("red", "blue"):
        assert run(files, pictures, "--alpha", "0", style=f"s/{style}.png", out=f"plain-{style}") == 0
        assert run(files, pictures, style=f"s/{style}.png", out=style) == 0
    assert np.array_equal(result(pictures, "plain-red/one.png"), result(pictures, "plain-blue/one.png"))
    assert not np.array_equal(result(pictures, "red/one.png"), result(pictures, "blue/one.png"))


def test_weights_of_a_mixture_are_normalised(files, pictures):
    mixed = "s/red.png,s/blue.png"
    for out, weights in (("w1", "1,3"), ("w2", "0.5,1.5"), ("first", "2,0"), ("other", "3,1")):
        assert run(files, pictures, "--style-weights", weights, style=mixed, out=out) == 0
    assert run(files, pictures, out="red") == 0
    assert np.array_equal(result(pictures, "w1/one.png"), result(pictures, "w2/one.png"))
    assert np.array_equal(result(pictures, "first/one.png"), result(pictures, "red/one.png"))
    assert not np.array_equal(result(pictures, "w1/one.png"), result(pictures, "other/one.png"))


def test_a_mask_gives_each_region_its_style(files, pictures):
    put(pictures / "a/wide.png", (32, 128), seed=9)
    mask = np.zeros((32, 128), np.uint8)
    mask[:, :64] = 255
    Image.fromarray(mask).save(pictures / "mask.png")
    Image.fromarray(np.full_like(mask, 255)).save(pictures / "white.png")
    both = {"content": "a/wide.png", "style": "s/red.png,s/blue.png"}
    assert run(files, pictures, "--mask", pictures / "mask.png", **both) == 0
    assert run(files, pictures, "--mask", pictures / "white.png", out="white", **both) == 0
    assert run(files, pictures, content="a/wide.png", out="red") == 0
    assert np.array_equal(result(pictures, "white/wide.png"), result(pictures, "red/wide.png"))
    put(pictures / "s/other.png", seed=11)
    mask = "--mask", pictures / "mask.png"
    assert run(files, pictures, *mask, content="a/wide.png", style="s/red.png,s/other.png", out="right") == 0
    assert run(files, pictures, *mask, content="a/wide.png", style="s/other.png,s/blue.png", out="left") == 0
    found, right, left = (result(pictures, f"{out}/wide.png") for out in ("o", "right", "left"))
    border = 32  # pixels beside it, to which the decoder carries the other region's style
    assert np.array_equal(found[:, : 64 - border], right[:, : 64 - border])
    assert np.array_equal(found[:, 64 + border :], left[:, 64 + border :])
    assert not np.array_equal(found[:, 64 + border :], right[:, 64 + border :])
    assert not np.array_equal(found[:, : 64 - border], left[:, : 64 - border])


def test_region_shares_are_cell_means():
    mask = np.zeros((12, 16), np.uint8)
    mask[:8, :8], mask[8:, 8:12] = 255, 255
    first, second = stylising.region_shares(mask)
    np.testing.assert_allclose(first, [[1, 0], [0, 0.5]])
    np.testing.assert_allclose(first + second, 1)


def test_folder_by_folder(files, pictures):
    assert run(files, pictures, "--sheet", pictures / "sheet.png", content="a", style="s") == 0
    assert listed(pictures / "o") == ["blue/one.png", "blue/sub/two.png", "red/one.png", "red/sub/two.png"]
    assert read_image(pictures / "sheet.png").shape == (3 * stylize.TILE, 3 * stylize.TILE, 3)


def test_grey_and_transparent_pictures(files, pictures):
    put(pictures / "a/grey.png", mode="L", seed=5)
    put(pictures / "s/clear.png", mode="RGBA", seed=6)
    assert run(files, pictures, "--preserve-color", content="a/grey.png", style="s/clear.png") == 0
    assert result(pictures, "o/grey.png").shape == (24, 32, 3)


def test_size_and_crop(files, pictures):
    assert run(files, pictures, "--size", "12") == 0
    assert result(pictures).shape == (12, 16, 3)
    assert run(files, pictures, "--size", "12", "--crop", out="p") == 0
    assert result(pictures, "p/one.png").shape == (12, 12, 3)


def test_an_odd_size_is_kept(files, pictures):
    put(pictures / "a/odd.png", (21, 35))
    assert run(files, pictures, content="a/odd.png") == 0
    assert result(pictures, "o/odd.png").shape == (21, 35, 3)


def test_a_bad_picture_is_passed_over_or_not(files, pictures, capsys):
    (pictures / "a/bad.png").write_bytes(b"no picture")
    assert run(files, pictures, content="a") == 0
    told = capsys.readouterr()
    assert "skipped: " in told.err and "1 skipped" in told.out and len(listed(pictures / "o")) == 2
    code, line = refusal(capsys, files, pictures, "--strict", content="a", out="p")
    assert code == 1 and "bad.png" in line


# Colours.


def test_matched_colours_have_the_targets_mean_and_covariance():
    rng = np.random.default_rng(0)
    picture = rng.integers(60, 200, (40, 50, 3)).astype(np.uint8)
    target = np.clip(128 + rng.normal(0, 20, (30, 20, 1)) + rng.normal(0, 8, (30, 20, 3)), 0, 255).astype(np.uint8)
    found = stylising.matched_colours(picture, target).reshape(-1, 3).astype(float)
    wanted = target.reshape(-1, 3).astype(float)
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=0.5)
    np.testing.assert_allclose(np.cov(found.T), np.cov(wanted.T), rtol=0.03)
    assert not np.allclose(np.cov(picture.reshape(-1, 3).T), np.cov(wanted.T), rtol=0.03)


def test_colours_of_its_own_change_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    assert np.abs(stylising.matched_colours(picture, picture).astype(int) - picture).max() <= 1
    grey = np.repeat(picture[..., :1], 3, axis=2)  # a covariance of rank one
    assert np.abs(stylising.matched_colours(grey, grey).astype(int) - grey).max() <= 1


# Refusals.


@pytest.mark.parametrize(
    ("options", "changes", "code", "told"),
    [
        (["--alpha", "1.5"], {}, 2, "--alpha must be from 0 to 1"),
        (["--alpha", "-0.1"], {}, 2, "--alpha must be from 0 to 1"),
        (["--size", "0"], {}, 2, "--size must be 1 or more"),
        (["--style-size", "-1"], {}, 2, "--style-size must be 1 or more"),
        (["--style-weights", "1,2"], {}, 2, "--style-weights needs --style with several images"),
        (["--style-weights", "0,0"], {"style": "s/red.png,s/blue.png"}, 2, "not all 0"),
        (["--style-weights", "1,-1"], {"style": "s/red.png,s/blue.png"}, 2, "must be 0 or more"),
        (["--style-weights", "1,x"], {"style": "s/red.png,s/blue.png"}, 2, "must be numbers"),
        (["--style-weights", "1,2,3"], {"style": "s/red.png,s/blue.png"}, 2, "are 3 weights, not one a style"),
        ([], {"style": "s/red.png,s/red.png"}, 2, "each part of a mixture must be one image"),
        ([], {"content": "absent.png"}, 1, "there is no such file or folder"),
        ([], {"weights": "absent.pth"}, 1, "absent.pth"),
        ([], {"weights": "decoder.pth"}, 2, "add --encoder"),
        ([], {"weights": "encoder.pth"}, 1, "holds no decoder"),
        ([], {"weights": "generator.pdparams"}, 1, "holds ResnetGenerator"),
        ([], {"out": "a"}, 2, "is an input, which would be overwritten"),
        (["--device", "quantum"], {}, 2, "--device quantum"),
    ],
)
def test_bad_usage_is_one_line(files, pictures, capsys, options, changes, code, told):
    found, line = refusal(capsys, files, pictures, *options, **changes)
    assert found == code and told in line, line


def test_networks_that_do_not_go_together(files, pictures, capsys):
    code, line = refusal(capsys, files, pictures, "--encoder", files / "wide.pth", weights="decoder.pth")
    assert code == 1 and "does not go with" in line


def test_masks_that_cannot_be(files, pictures, capsys):
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(pictures / "mask.png")
    code, line = refusal(capsys, files, pictures, "--mask", pictures / "mask.png")
    assert code == 2 and "--mask needs --style with two images" in line
    mixed = {"style": "s/red.png,s/blue.png"}
    code, line = refusal(capsys, files, pictures, "--mask", pictures / "absent.png", **mixed)
    assert code == 1 and "absent.png" in line
    dot = np.zeros((24, 32), np.uint8)
    dot[:8, :8] = 255
    Image.fromarray(dot).save(pictures / "dot.png")
    code, line = refusal(capsys, files, pictures, "--mask", pictures / "dot.png", **mixed)
    assert code == 1 and "share covers a single pixel" in line
    code, line = refusal(capsys, files, pictures, "--mask", pictures / "dot.png", "--style-weights", "1,1", **mixed)
    assert code == 2 and "takes no --style-weights" in line


def test_too_small_a_picture(files, pictures, capsys):
    put(pictures / "a/tiny.png", (8, 40))
    assert run(files, pictures, content="a/tiny.png") == 1
    assert "9x9 pixels or more, got 8x40: add --size" in capsys.readouterr().err
    with pytest.raises(InputError, match="9x9"):
        stylising.stylise(
            StyleTransfer(**networks()), *[np.zeros((8, 8, 3), np.uint8), [np.zeros((9, 9, 3), np.uint8)]]
        )


def test_damaged_weights_are_named(nets):
    broken = networks()
    broken["decoder"][28].bias.set_value(paddle.full([3], float("nan")))
    content = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="NaN"):
        stylising.stylise(StyleTransfer(**broken), content, [content])


def test_contents_and_styles_of_two_sizes(files, pictures, nets):
    assert run(files, pictures, "--size", "16", "--style-size", "12") == 0
    content, style = (Image.open(pictures / name).convert("RGB") for name in ("a/one.png", "s/red.png"))
    images = [np.asarray(stylize.prepared(picture, size, False)) for picture, size in ((content, 16), (style, 12))]
    assert [image.shape[0] for image in images] == [16, 12]
    wanted = stylising.stylise(StyleTransfer(**nets), images[0], images[1:])
    assert np.array_equal(result(pictures), wanted)
