"""check_data.py: silent on the product, and every planted fault found where it is and called by its name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before PyTorch
from align.checks import data as check_data
from align.checks.data_batches import batch_cases
from align.checks.data_folders import folder_cases
from align.checks.data_stream import stream_rows
from align.compare import data as data_side
from align.faults.data import CONTROLS, FAULTS
from align.planting import in_force
from align.report.page import render
from paddle_ugatit.data import folders, images, inputs, kinds, transforms
from paddle_ugatit.training import start


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return data_side.write_pictures(tmp_path_factory.mktemp("pictures"), 0, 1)


def entries(pictures, size=24, seed=0):
    return {entry["name"]: entry for entry in check_data.check(size, seed, pictures)}


def entry_of(case, pictures, size=24, seed=0):
    """The entry of one case; those after it are not run."""
    return next(entry for entry in check_data.check(size, seed, pictures) if entry["name"] == case)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_product_is_aligned(pictures, seed):
    found = entries(pictures, 24 + seed, seed)
    assert {entry["verdict"] for entry in found.values()} == {"aligned"} and len(found) == 16
    assert all(entry["counts"]["compared"] > 2 or name == "resize filter" for name, entry in found.items())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number} {fault.name}")
def test_a_planted_fault_is_found_and_named(pictures, fault):
    with fault.planted():
        found = entry_of(fault.case, pictures)
    cause = found["blamed"]["cause"]
    assert found["verdict"] == "diverged" and (cause["name"] if cause else "") == fault.cause, found["blamed"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_what_is_no_fault_is_left_alone(pictures, control):
    with control.planted():
        assert {entry["verdict"] for entry in entries(pictures).values()} == {"aligned"}


_tests_of = start.tests_of


def _stream_fault(change):
    """A change of (own sample, domain, number), the arguments of a stream's sample."""
    own = folders.Stream.sample

    def sample(self, number):
        return change(lambda n, domain=self.domain: _sample(own, self, n, domain), self.domain, number)

    return (folders.Stream, "sample", sample)


def _sample(own, stream, number, domain):
    before, stream.domain = stream.domain, domain
    try:
        return own(stream, number)
    finally:
        stream.domain = before


def _whole_batch(own):
    """One choice of flip and crop for a whole batch of two."""
    return lambda *key, margin: own(*key[:-1], key[-1] // 2, margin=margin)


_order, _choice, _rgb = transforms.draw_order, transforms.draw_choice, images._rgb
STREAM_FAULTS = {
    "A and B shuffled alike": (transforms, "draw_order", lambda n, seed, domain, *more: _order(n, seed, 0, *more)),
    "the same order every epoch": (transforms, "draw_order", lambda n, *key: _order(n, *key[:-1], 0)),
    "never shuffled": (transforms, "draw_order", lambda n, *key: np.arange(n)),
    "one choice for a batch": (transforms, "draw_choice", _whole_batch(_choice)),
    "A and B cropped alike": (transforms, "draw_choice", lambda seed, domain, *more, **m: _choice(seed, 0, *more, **m)),
    "no random crop": (transforms, "cut", lambda pixels, size, corner: pixels[:size, :size]),
    "a batch mirrored again": _stream_fault(lambda own, domain, n: own(n)[:, ::-1]),
}


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_a_fault_between_the_files_and_the_trainer_is_found(name):
    assert {row.verdict for row in stream_rows(24, 0)[0]} == {"pass"}
    with in_force([STREAM_FAULTS[name]]):
        assert "fail" in {row.verdict for row in stream_rows(24, 0)[0]}


def _composed(picture, path):
    if picture.mode != "RGBA":
        return _rgb(picture, path)
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _of_other_size(own):
    return lambda config, *more, **options: own(config.replaced(img_size=config.img_size + 4), *more, **options)


def _clipped(picture, path):
    return picture.convert("RGB")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param((images, "_rgb", _composed), id="RGBA composed"),
        pytest.param((start, "tests_of", _of_other_size(_tests_of)), id="test pictures of another size"),
        pytest.param((images, "_rgb", _clipped), id="16 bits clipped"),
    ],
)
def test_a_fault_in_the_test_pictures_is_found(fault):
    assert {row.verdict for row in stream_rows(24, 0)[1]} == {"pass"}
    with in_force([fault]):
        assert "fail" in {row.verdict for row in stream_rows(24, 0)[1]}


FILE_FAULTS = {  # case -> what is planted
    "file kinds": (kinds, "_NOT_PICTURES", {".pdf"}),
    "folder": (kinds, "is_hidden", lambda name: name.startswith(".")),
    "command line": (
        inputs,
        "_distinct",
        lambda pairs: [(path, name.replace(".gif", ".gif.png")) for path, name in pairs],
    ),
    "reading": (images, "_TURNS", {**images._TURNS, 6: images._TURNS[8]}),
    "writing": (kinds, "_KEPT", {**kinds._KEPT, ".jpg": {"quality": 95}}),
    "batches of a run": (transforms, "draw_corner", lambda room, *key: _corner(room, *key)[::-1]),
    "single folder": (folders, "_CHOICE", 2),
    "framing": (transforms, "scaled_to", lambda picture, side: picture.resize((side, side))),
}
_corner = transforms.draw_corner


@pytest.mark.parametrize("case", FILE_FAULTS)
def test_a_fault_among_files_is_found_and_its_file_named(case):
    with in_force([FILE_FAULTS[case]]):
        found = {name: rows for name, rows, _ in (*folder_cases(), *batch_cases(16, 0))}[case]
    entry = check_data.case_entry(case, found, "", 16, 0, 0.0)
    assert entry["verdict"] == "diverged" and entry["paddle"].startswith("paddle_ugatit/data/"), entry
    assert entry["paddle"].endswith(f"{FILE_FAULTS[case][0].__name__.rpartition('.')[2]}.py") or case in MADE_OF


MADE_OF = {"folder", "writing", "batches of a run"}  # the file that is named is made of the one that was changed


def test_what_is_no_mistake_is_named_by_none():
    """No two of the known mistakes are one and the same, and none is the public pipeline."""
    assert len({*data_side.MISTAKES.values(), data_side.PUBLIC}) == len(data_side.MISTAKES) + 1


def test_an_array_of_another_kind_fails():
    zeros = np.zeros((2, 2), np.float32)
    for other in (zeros[:1], zeros.astype(np.float64), zeros * np.nan, np.zeros((0, 2), np.float32)):
        assert check_data._row("stage", other, zeros if other.size else other).verdict == "fail"
    assert check_data._row("stage", zeros, zeros).verdict == "pass"


def test_the_command(tmp_path, capsys):
    report = tmp_path / "report.json"
    assert check_data.main(["--size", "16", "--count", "5", "--json", str(report)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("device: cpu, ")
    assert said[-1].startswith("ALIGNED: data: ") and len(said) == 22
    noted = json.loads(report.read_text())
    assert noted["check"] == "data" and noted["verdict"] == "aligned" and len(noted["cases"]) == 20
    folder = tmp_path / "own"
    folder.mkdir()
    data_side.write_pictures(folder, 3, 2)
    assert check_data.main(["--size", "16", "--data", str(folder), "--count", "1"]) == 0
    assert "0_RGB.png" in capsys.readouterr().out
    with FAULTS[1].planted():
        assert check_data.main(["--size", "16", "--count", "1", "--json", str(report)]) == 1
    assert "cause: bicubic filter for bilinear" in capsys.readouterr().out
    assert "<b>Cause: bicubic filter for bilinear</b>" in render([json.loads(report.read_text())])


def test_bad_usage_is_one_line(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"junk")
    for arguments, reason in [
        (["--size", "0"], "--size must be from 1 to 16384"),
        (["--data", str(tmp_path / "absent")], "no such folder"),
        (["--data", str(tmp_path)], "is not an image"),
    ]:
        assert check_data.main(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and reason in lines[0]


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        check_data.main(["--help"])
    assert "python align/check_data.py" in capsys.readouterr().out and Path(check_data.__file__).exists()
