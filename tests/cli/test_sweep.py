"""Every tool with every argument missing, empty, absurd, unreadable, unwritable, not UTF-8, too long, huge or NaN.

The arguments come from the tools' parsers, so a new one is swept without being listed. Each bad value must end in exit
code 1 or 2 with one line that names the argument or the value, no traceback, no file that is left and no file that is
changed. ACCEPTED lists the few odd values that are sound.
"""

import os

import numpy as np
import pytest
import sweeping
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from paddle_ugatit import formats
from paddle_ugatit.cli import train_face_features
from paddle_ugatit.inference.video import ClipWriter
from paddle_ugatit.models.adain import Decoder, Encoder
from paddle_ugatit.models.sagan import Generator
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit_command import TOOLS

# Relative paths lie in the folder of the test, `given` holds what is the user's.
PLACES = {
    "inputs": {
        **sweeping.TEXTS,
        "absent": "given/absent.png",
        "folder": "given/pictures",
        "hollow": "given/hollow",
        "empty file": "given/empty.png",
        "noise": "given/noise.png",
        "below a file": "given/noise.png/a.png",
        "device": "/dev/full",
        "unreadable": "/proc/self/mem",
        "no folder of processes": "/proc/none/a.png",
    },
    "outputs": {
        "empty": "",
        "too long": "x" * 5000,
        "long name": "x" * 300 + ".png",
        "folder": "given/pictures",
        "file": "given/noise.png",
        "below a file": "given/noise.png/a.png",
        "device": "/dev/full",
        "unwritable": "/proc/none/a.png",
    },
}
USUAL = {
    "train": {"config": ["given/tiny.yaml"], "data": ["given/data"], "out": ["new/run"], "options": []},
    "translate": {"weights": ["given/ugatit.pdparams"], "input": ["given/pictures"], "out": ["new/out"]},
    "export": {"weights": ["given/ugatit.pdparams"], "out": ["new/out"]},
    "translate-video": {"weights": ["given/ugatit.pdparams"], "input": ["given/clip.avi"], "out": ["new/out.webm"]},
    "convert": {"source": ["given/sagan.pdparams"], "destination": ["new/x.pt"]},
    "eval-kid": {
        "fake": ["given/fake.npy"],
        "real": ["given/real.npy"],
        "features": ["pixels"],
        "permutations": ["10"],
        "subsets": ["2"],
        "cache": ["new/cache"],
    },
    "make-dataset": {"out": ["new/faces"], "train": ["1"], "test": ["1"], "size": ["32"], "jobs": ["1"]},
    "stylize": {
        "weights": ["given/adain.pdparams"],
        "content": ["given/pictures"],
        "style": ["given/pictures/0.png"],
        "out": ["new/styled"],
    },
    "face-framing": {"input": ["given/pictures"]},
    "sample": {"weights": ["given/sagan.pdparams"], "out": ["new/grid.png"], "count": ["2"]},
    "train-face-features": {"out": ["new/f.safetensors"], "images": ["2"], "epochs": ["1"], "batch_size": ["2"]},
    "demo-page": {"out": ["new/page.html"]},
    "make-pictures": {"out": ["new/pictures"], "weights": ["given/ugatit.pdparams"], "only": ["faces"], "faces": ["1"]},
}
# What an argument needs beside it to be read at all.
IMAGES = {"fake": ["given/pictures"], "real": ["given/data/trainA"]}
WITH = {
    "eval-kid --weights": IMAGES | {"features": ["inception"]},
    "eval-kid --features": IMAGES,
    "eval-kid --batch-size": IMAGES,
    "eval-kid --workers": IMAGES,
    "eval-kid --cache": IMAGES,
    "make-pictures --run": {"weights": [], "only": ["translation"]},
    "make-pictures --weights": {"only": ["translation"], "faces": ["1"]},
    "make-pictures --parity": {"only": ["parity"]},
    "make-pictures --case": {"only": ["parity"], "parity": ["given/report.json"]},
    "sample --frames": {"out": ["new/a.png"]},
    "sample --seeds": {"count": []},
    "stylize --style-weights": {"style": ["given/pictures/0.png,given/pictures/1.png"]},
    "stylize --mask": {"style": ["given/pictures/0.png,given/pictures/1.png"]},
}
CASES = list(sweeping.cases(TOOLS, PLACES))
# What looks absurd and is not.
# Seeds and sizes in which a large number is as good as any; a cache that cannot be used is a note.
ACCEPTED = {
    "eval-kid --cache": {fault for fault in PLACES["outputs"] if fault != "empty"},
    "make-dataset --seed": {"large"},
    "make-pictures --seed": {"large"},
    "sample --columns": {"large"},
    "train --minutes": {"large"},
    "train-face-features --seed": {"large"},
    "translate --batch": {"large"},
    "translate --max-side": {"large"},
    "translate-video --max-frames": {"large"},
    "translate-video --max-side": {"large"},
}


def states(path, networks):
    arrays = {name: {key: value.numpy() for key, value in net.state_dict().items()} for name, net in networks.items()}
    formats.write(path, formats.Checkpoint(arrays, "paddle", {}))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with `given`, the files of a user."""
    folder = tmp_path_factory.mktemp("sweep")
    given = folder / "given"
    rng = np.random.default_rng(0)
    for part in ("pictures", "data/trainA", "data/trainB", "data/testA", "data/testB"):
        (given / part).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(given / part / f"{number}.png")
    (given / "hollow").mkdir()
    clip = ClipWriter(given / "clip.avi", 10, 32, 32, "clip.avi")
    clip.write(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    clip.close()
    (given / "empty.png").touch()
    (given / "noise.png").write_bytes(rng.bytes(999))
    for name in ("fake", "real"):
        np.save(given / f"{name}.npy", rng.standard_normal((8, 4)))
    options = dict(light=True, img_size=24, ch=2, n_res=1, global_layers=4, local_layers=3, iteration=1)
    (given / "report.json").write_text('{"schema": "paddle-ugatit-parity/1", "cases": []}')
    (given / "tiny.yaml").write_text("".join(f"{name}: {value}\n" for name, value in options.items()))
    generators = {name: ResnetGenerator(3, 3, ngf=4, n_blocks=1, light=True) for name in ("genA2B", "genB2A")}
    states(given / "ugatit.pdparams", generators)
    states(given / "adain.pdparams", {"encoder": Encoder(4), "decoder": Decoder(4)})
    states(given / "sagan.pdparams", {"G": Generator(16, 6, 8)})
    return folder


@pytest.fixture
def here(place, tmp_path, monkeypatch):
    """The folder in which a command is called: `given` and an empty folder `new`."""
    monkeypatch.setattr(train_face_features, "_HELD_OUT", 2)
    return sweeping.entered(place, tmp_path, monkeypatch)


def test_every_tool_is_swept():
    assert set(USUAL) == set(TOOLS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_value_that_cannot_be_meant_is_one_line(case, place, here, capsys):
    before = sweeping.held(place, here)
    usual = USUAL[case.command] | WITH.get(f"{case.command} {case.argument}", {})
    code = sweeping.called(sweeping.main_of(case.command), case.words(usual))
    if case.fault in ACCEPTED.get(f"{case.command} {case.argument}", ()):
        assert code == 0
        return
    log = here / "new/run/log.txt"
    line = sweeping.reason(capsys.readouterr().err, log.read_text() if log.exists() else "")
    assert code in (1, 2), line
    assert case.named_in(line), line
    after = sweeping.held(place, here)
    left = {os.path.relpath(path, here) for path in after.keys() - before.keys()}
    assert left <= ({"new/run/log.txt"} if case.command == "train" else set())
    assert {path: after.get(path) for path in before} == before
