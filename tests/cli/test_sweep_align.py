"""Every check of the harness with every argument empty, absurd, unreadable, unwritable, too long, huge or NaN.

As in test_sweep.py: exit code 2 (1 would mean "compared and different"), one line that names the argument or the value,
no traceback, no file that is left and no file that is changed.
"""

import numpy as np
import pytest
import sweeping
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from align.cases import make_checkpoint
from align.checks import command as check_command
from paddle_ugatit_command import CHECKS

PLACES = {
    "inputs": {
        **sweeping.TEXTS,
        "absent": "given/absent.pt",
        "folder": "given/pictures",
        "hollow": "given/hollow",
        "empty file": "given/empty.pt",
        "noise": "given/noise.pt",
        "below a file": "given/noise.pt/a.pt",
        "device": "/dev/full",
        "unreadable": "/proc/self/mem",
    },
    "outputs": {
        "empty": "",
        "too long": "x" * 5000,
        "long name": "x" * 300 + ".safetensors",
        "folder": "given/pictures",
        "file": "given/noise.pt",
        "below a file": "given/noise.pt/a.safetensors",
        "device": "/dev/full",
        "unwritable": "/proc/none/a.safetensors",
    },
}
LAYER = {"cases": ["adailn"], "dtype": ["float64"], "layers": ["none"]}
USUAL = {
    "align forward": LAYER,
    "align backward": LAYER,
    "align init": {"cases": ["sagan-generator"], "seeds": ["2"]},
    "align training": {"system": ["adain"], "steps": ["1"]},
    "align data": {"count": ["1"], "size": ["16"]},
    "align metric": {},
    "align all": {"only": ["data"], "out": ["new/checks"]},
    "align device": {"config": ["none"]},
    "align api": {"only": ["nn.ReLU"], "jobs": ["1"]},
    "align faults": {"only": ["16"], "seeds": ["0"]},
    "align mutants": {"sample": ["1"], "out": ["new/mutants"]},
    "align learning": {"data": ["given/data"], "config": ["given/tiny.yaml"], "out": ["new/learning"], "seeds": ["0"]},
    "align round-trip": {"before": ["given/weights.pt"], "after": ["given/weights.pt"]},
    "align page": {"html": ["new/page.html"], "reports": ["given/report.json"]},
    "align checkpoint": {"out": ["new/x.pt"], "ngf": ["2"], "ndf": ["2"], "img_size": ["32"], "n_blocks": ["1"]},
    "align record": {"cases": ["adailn"], "out": ["new/x.safetensors"]},
    "align layer-table": {},
}
WITH = {  # what an argument needs beside it to be read at all
    f"align {check} --{option}": {"cases": []}
    for check in ("forward", "backward", "record")
    for option in ("weights", "pair", "image", "reference")
} | {
    f"align {check} --{option}": {"cases": [], "weights": ["given/weights.pt"]}
    for check in ("forward", "backward", "record")
    for option in ("size", "batch", "revision", "image")
}
CASES = list(sweeping.cases(sweeping.CHECK_MAINS, PLACES))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with `given`, the files of a user."""
    folder = tmp_path_factory.mktemp("sweep")
    given = folder / "given"
    rng = np.random.default_rng(0)
    for part in ("pictures", "data/trainA", "data/trainB", "data/testA", "data/testB"):
        (given / part).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(given / part / "0.png")
    (given / "hollow").mkdir()
    (given / "empty.pt").touch()
    (given / "noise.pt").write_bytes(rng.bytes(999))
    assert check_command.main("forward", ["conv", "--dtype", "float64", "--json", str(given / "report.json")]) == 0
    (given / "tiny.yaml").write_text(
        "light: true\nimg_size: 24\nch: 2\nn_res: 1\nglobal_layers: 4\nlocal_layers: 3\niteration: 1\n"
    )
    small = ["--light", "--ngf", "2", "--ndf", "2", "--n-blocks", "1"]
    assert make_checkpoint.main(["--out", str(given / "weights.pt"), *small]) == 0
    return folder


@pytest.fixture
def here(place, tmp_path, monkeypatch):
    """The folder in which a command is called: `given` and an empty folder `new`."""
    return sweeping.entered(place, tmp_path, monkeypatch)


def test_every_check_is_swept():
    assert set(USUAL) == set(sweeping.CHECK_MAINS)
    assert {f"align {name}" for name in CHECKS} | {"align layer-table"} == set(USUAL)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_value_that_cannot_be_meant_is_one_line(case, place, here, capsys):
    before = sweeping.held(place, here)
    code = sweeping.called(
        sweeping.main_of(case.command),
        case.words(USUAL[case.command] | WITH.get(f"{case.command} {case.argument}", {})),
    )
    line = sweeping.reason(capsys.readouterr().err)
    assert code == 2, line
    assert case.named_in(line), line
    after = sweeping.held(place, here)
    assert after == before
