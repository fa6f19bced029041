"""tools/eval_kid.py and the function behind it: numbers, files, cache, notes, and every way to be misused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up
from paddle_ugatit.cli import eval_kid
from paddle_ugatit.data.images import write_image
from paddle_ugatit.metrics import FeatureExtractor, evaluate, inception_weights, kid, page

ROOT = Path(__file__).resolve().parents[2]


def write_set(folder, count, seed, shade):
    """`count` pictures of patches about a shade, of several sizes and formats."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        patches = np.clip(shade + rng.integers(-60, 60, (6, 6, 3)), 0, 255)
        picture = np.kron(patches, np.ones((8 + i % 3, 9, 1))).astype(np.uint8)
        write_image(folder / f"{i:03}.{('png', 'jpg', 'webp')[i % 3]}", picture)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Fake, real and source sets, and narrow weights of Inception."""
    base = tmp_path_factory.mktemp("sets")
    inception_weights.write_random(base / "inception.pth", 16)
    write_set(base / "fake", 24, 0, 120)
    write_set(base / "real", 30, 1, 140)
    write_set(base / "source", 22, 2, 60)
    return base


def run(folders, *more, fake="fake", real="real", features="pixels"):
    """main() on the sets; by default with features that cost nothing, and no cache."""
    cache = [] if "--cache" in more else ["--no-cache"]
    arguments = ["--fake", str(folders / fake), "--real", str(folders / real), "--features", features, *cache]
    return eval_kid.main([*arguments, "--permutations", "50", *map(str, more)])


def report(folders, tmp_path, *more, **options):
    """The JSON of a run."""
    path = tmp_path / "kid.json"
    assert run(folders, "--json", path, *more, **options) == 0
    return json.loads(path.read_text())


def refused(capsys, code, *words):
    """One line on stderr with these words."""
    error = capsys.readouterr().err
    assert code == 1 or code == 2
    assert error.count("\n") == 1 and error.startswith("eval_kid: ") and "Traceback" not in error
    for word in words:
        assert word in error, error


def test_json_holds_what_is_needed_to_repeat_the_number(folders, tmp_path, capsys):
    weights = folders / "inception.pth"
    found = report(folders, tmp_path, "--weights", weights, "--seed", 7, features="inception")
    entry = found["kid"]
    assert entry["std"] == pytest.approx(np.std(entry["values"])) and entry["mean"] == np.mean(entry["values"])
    assert entry["ci95"][0] < entry["all_pairs"] < entry["ci95"][1] and 0 < entry["p_value"] <= 1
    assert (entry["subsets"], entry["subset_size"], entry["subset_size_chosen"]) == (100, 12, True)
    assert entry["kernel"] == {"name": "polynomial", "degree": 3, "gamma": 1 / 128, "coef0": 1.0}
    assert found["fid"] > 0 and 0 <= found["precision"] <= 1 and 0 <= found["recall"] <= 1
    assert found["seed"] == 7 and found["sets"]["fake"]["samples"] == 24 and len(found["sets"]["real"]["sha256"]) == 64
    features = found["features"]
    assert (features["kind"], features["resize"], features["weights_public"]) == ("inception", "tf1", False)
    assert len(features["weights_sha256"]) == 64 and set(found["versions"]) >= {"paddle", "numpy", "pillow", "python"}
    out = capsys.readouterr().out
    assert "sha256 begins" in out and "not comparable with published ones" in out
    again = report(folders, tmp_path, "--weights", weights, "--seed", 7, features="inception")
    assert again["kid"] == entry and again["fid"] == found["fid"]


def test_batch_size_and_workers_change_nothing(folders, tmp_path):
    weights = ("--weights", folders / "inception.pth")
    one = report(folders, tmp_path, *weights, "--batch-size", 1, "--workers", 1, features="inception")
    other = report(folders, tmp_path, *weights, "--batch-size", 7, "--workers", 3, features="inception")
    for name in ("mean", "std", "all_pairs"):
        assert other["kid"][name] == pytest.approx(one["kid"][name], rel=1e-6)


def test_the_function_and_the_core_give_the_same_number(folders, tmp_path):
    by_tool = report(folders, tmp_path)
    by_function = evaluate(folders / "fake", folders / "real", features="pixels", permutations=50)
    assert by_function.report["kid"] == by_tool["kid"]
    extractor = FeatureExtractor("pixels")
    sets = [by_function.sets[name].images for name in ("fake", "real")]
    features = [extractor.extract(images.image(i) for i in range(len(images))) for images in sets]
    assert kid(*features, permutations=50).all_pairs == by_tool["kid"]["all_pairs"]


@pytest.mark.parametrize("kind", ["pixels", "random"])
def test_stand_ins_say_that_they_are_no_measure(folders, tmp_path, kind, capsys):
    found = report(folders, tmp_path, "--html", tmp_path / "kid.html", features=kind)
    words = f"{kind} features are a stand-in: the numbers are not comparable with published ones"
    assert not found["features"]["comparable"] and words in found["notes"]
    assert words in capsys.readouterr().out and words in (tmp_path / "kid.html").read_text()


def test_the_resize_is_named_where_it_is_not_the_standard(folders, tmp_path):
    clean, standard = (report(folders, tmp_path, "--resize", resize) for resize in ("clean", "tf1"))
    assert any("resize is clean" in note for note in clean["notes"]) and clean["features"]["resize"] == "clean"
    assert not any("resize" in note for note in standard["notes"])
    assert clean["kid"]["mean"] != standard["kid"]["mean"]


def test_the_papers_protocol(folders, tmp_path, capsys):
    found = report(folders, tmp_path, "--protocol", "ugatit", "--source", folders / "source")
    paper = found["ugatit"]
    assert found["features"]["resize"] == "paper" and paper["blocks"] == 3
    assert paper["mean_KID"] == pytest.approx((0.02 * paper["kid"] + 0.98 * paper["source_kid"]) / 2)
    assert paper["kid_x100"] == 100 * paper["kid"] and paper["published_x100"]["selfie2anime"] == [11.61, 0.57]
    out = capsys.readouterr().out
    assert "mean_KID x 100" in out and "copying the input would win" in out and "11.61" in out
    assert "source" in found and "ugatit" not in report(folders, tmp_path, "--source", folders / "source")


def test_notes_on_small_sets(folders, tmp_path):
    assert any(
        note.startswith("subsets have 12 images, half the smaller set") for note in report(folders, tmp_path)["notes"]
    )
    whole = report(folders, tmp_path, "--subset-size", 24, real="fake")
    assert any("every subset is the whole set" in note for note in whole["notes"])
    assert any("FID from 24 samples" in note for note in whole["notes"])
    assert whole["kid"]["all_pairs"] < 0 and any("KID is negative" in note for note in whole["notes"])


def test_npz_of_images_and_of_features(folders, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 20, 22, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", images)
    np.savez(tmp_path / "features.npz", features=FeatureExtractor("pixels").extract(images))
    by_images = evaluate(tmp_path / "images.npz", folders / "real", features="pixels")
    by_features = evaluate(tmp_path / "features.npz", folders / "real", features="pixels")
    assert by_images.report["kid"] == by_features.report["kid"]
    both = evaluate(tmp_path / "features.npz", tmp_path / "features.npz")  # no network is needed
    assert both.report["features"]["kind"] == "given" and page.render(both)


# The cache.


def test_features_are_kept_by_content(folders, tmp_path, monkeypatch):
    cache = ("--cache", tmp_path / "cache")
    fake = write_set(tmp_path / "fake", 6, 3, 100)
    first = report(folders, tmp_path, *cache, fake=fake)
    os.rename(fake, tmp_path / "renamed")
    extract = FeatureExtractor.extract
    monkeypatch.setattr(FeatureExtractor, "extract", lambda *_: pytest.fail("extracted again"))
    assert report(folders, tmp_path, *cache, fake=tmp_path / "renamed")["kid"] == first["kid"]
    extracted = []
    monkeypatch.setattr(FeatureExtractor, "extract", lambda *a: extracted.append(1) or extract(*a))
    report(folders, tmp_path, *cache, "--resize", "clean", fake=tmp_path / "renamed")
    assert len(extracted) == 2  # another resize, both sets
    write_image(tmp_path / "renamed/000.png", np.zeros((9, 9, 3), np.uint8))
    changed = report(folders, tmp_path, *cache, fake=tmp_path / "renamed")
    assert len(extracted) == 3 and changed["kid"] != first["kid"]


def test_a_damaged_cache_is_made_anew(folders, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    first = report(folders, tmp_path, *cache)
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:200])
    assert report(folders, tmp_path, *cache)["kid"] == first["kid"]


# Misuse.


@pytest.fixture
def damaged(folders, tmp_path):
    """A set of 8 images of which two cannot be read."""
    folder = write_set(tmp_path / "damaged", 8, 4, 90)
    (folder / "003.png").write_bytes(b"no picture at all")
    (folder / "004.jpg").write_bytes((folder / "001.jpg").read_bytes()[:200])
    return folder


def test_unreadable_images_are_named_counted_and_refused(folders, damaged, capsys):
    refused(capsys, run(folders, fake=damaged), "2 of 8 images", "003.png", "004.jpg", "--skip-bad")


def test_unreadable_images_are_left_out_on_demand(folders, damaged, tmp_path):
    found = report(folders, tmp_path, "--skip-bad", "--cache", tmp_path / "cache", fake=damaged)
    assert found["sets"]["fake"]["samples"] == 6 and found["sets"]["fake"]["left_out"] == ["003.png", "004.jpg"]
    assert any("2 unreadable images were left out: 003.png" in note for note in found["notes"])
    for name in found["sets"]["fake"]["left_out"]:
        (damaged / name).unlink()
    assert report(folders, tmp_path, fake=damaged)["kid"] == found["kid"]


def test_sets_that_cannot_be_used_are_one_line(folders, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    write_set(tmp_path / "one", 1, 0, 9)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez(tmp_path / "wrong.npz", np.zeros((4, 5)).astype(int))
    np.savez(tmp_path / "nan.npz", np.full((4, 768), np.nan))
    np.savez(tmp_path / "narrow.npz", np.zeros((4, 5)))
    for name, words in {
        "absent": "there is no such folder",
        "empty": "holds no images",
        "one": "holds 1 image; 2 or more are needed",
        "text.npz": "cannot be read",
        "two.npz": "holds a, b",
        "wrong.npz": "holds int64 of shape (4, 5)",
        "nan.npz": "first set has NaN or infinite features in 4 of 4 samples",
        "narrow.npz": "features of 5 and 768 dimensions cannot be compared",
        "one/000.png": "is neither a folder of images, nor an .npz or .npy file, nor a text file",
    }.items():
        refused(capsys, run(folders, fake=tmp_path / name), words, name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--subset-size", "25"), "24 at most"),
        (("--subsets", "0"), "1 or more"),
        (("--seed", "-1"), "seed must be"),
        (("--batch-size", "0"), "must be 1 or more"),
        (("--weights", "x.pth"), "cannot be combined with --features pixels"),
        (("--json", "/proc/nothing/kid.json"), "/proc/nothing"),
    ],
)
def test_wrong_options_are_one_line(folders, options, words, capsys):
    refused(capsys, run(folders, *options), words)


def test_missing_weights_are_one_line(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PADDLE_UGATIT_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    refused(capsys, run(folders, features="inception"), "pt_inception-2015-12-05-6726825d.pth", str(tmp_path))
    refused(capsys, run(folders, "--weights", tmp_path / "no.pth", features="inception"), "no.pth")


def test_help_explains_itself(capsys):
    with pytest.raises(SystemExit) as end:
        eval_kid.main(["--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and "python tools/eval_kid.py --fake" in out and "exit code" in out


# The page, and several processes.


def test_page_is_whole_and_needs_no_network(folders, tmp_path):
    result = evaluate(folders / "fake", folders / "real", folders / "source", features="pixels", protocol="ugatit")
    text = page.render(result)
    assert text.count("data:image/jpeg;base64,") == 4 * page.SHOWN  # two rows of pairs
    assert "95 % interval" in text and "mean_KID" in text and "http" not in text and "<script" not in text
    assert f"{result.report['kid']['all_pairs']:.3f}" in text


def test_page_shows_hostile_names_as_text(folders, tmp_path):
    hostile = '"><script>alert(1)<'
    for place, path in enumerate(sorted((folders / "fake").iterdir())):
        (tmp_path / hostile).mkdir(exist_ok=True)
        (tmp_path / hostile / f"{place}{hostile}{path.suffix}").write_bytes(path.read_bytes())
    result = evaluate(tmp_path / hostile, folders / "real", features="pixels", cache=None)
    text = page.render(result)
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;" in text


@pytest.mark.slow
def test_several_processes_give_the_same_number(folders, tmp_path):
    alone = report(folders, tmp_path, "--weights", folders / "inception.pth", features="inception")
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    command += ["--log_dir", str(tmp_path / "log"), str(ROOT / "tools/eval_kid.py"), "--no-cache"]
    command += ["--fake", str(folders / "fake"), "--real", str(folders / "real"), "--permutations", "50"]
    command += ["--weights", str(folders / "inception.pth"), "--json", str(tmp_path / "two.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    # MKL's float32 sums depend on the number of threads and on where arrays lie in memory: the last digit of a feature.
    together = json.loads((tmp_path / "two.json").read_text())["kid"]
    assert together.keys() == alone["kid"].keys()
    for name, value in alone["kid"].items():
        close = pytest.approx(value, rel=0, abs=1e-6) if isinstance(value, float | list) else value
        assert together[name] == close, name
