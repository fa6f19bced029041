"""Make the pictures of README: faces translated by a trained model, the drawn data set, the parity chart."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.cli import command
from paddle_ugatit.cli.parity_chart import parity_chart, read_report
from paddle_ugatit.data import transforms
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.faces.folder import LARGEST, SMALLEST
from paddle_ugatit.formats import atomic
from paddle_ugatit.inference.face_crop import cropped, frame_of, pasted
from paddle_ugatit.inference.face_finder import load_finder
from paddle_ugatit.inference.figures import photo_figure, translation_figure, write_small
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import SIDES, pretrained, trained_side

PROGRAM = "make_pictures"
_SHOWN = 96  # pixels of a picture in a figure
_SIDE = 64  # of work/configs/demo.yaml
_LARGE = 8  # how many times larger than the model's pictures photos are that are to be reduced
_MOST = 100  # faces in a row
_PHOTO_MARGIN = 0.9  # with which photos are framed as the drawn faces are
_GENERATORS = ("genA2B", "genB2A")
EXAMPLES = """\
examples:
  python tools/make_pictures.py --out pictures
  python tools/make_pictures.py --run work/outputs/demo/run --out pictures
  python tools/make_pictures.py --weights run/checkpoints/latest/ema.pdparams --size 64
  python tools/make_pictures.py --only photo
  python tools/make_pictures.py --only short --run work/outputs/demo/run
  python tools/make_pictures.py --parity work/outputs/parity/forward.json --only parity

Writes translation.png (a photo, where the model looks, the translation, and back, for faces it was not trained on),
faces.png (pairs of the drawn data set: the same person as photo and as cartoon), resizing.png (photos reduced with and
without antialiasing, each above its translation) and, with --parity, parity.svg (the error of every layer along the
depth of a network). With --only photo: photo.png, a photograph, its face cut out, translated and put back. With --only
short: short.png, translation.png by a run that was short. The model is the one that ships, or the newest checkpoint of
--run, its running means if it has them.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--out", default="docs/img", metavar="DIR", help="folder for the pictures (docs/img)")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--run", metavar="DIR", help="a folder of a training run")
    model.add_argument("--weights", default="faces", metavar="FILE", help="a checkpoint with both generators (faces)")
    parser.add_argument("--parity", metavar="FILE", help="report of align/check_forward.py --json")
    parser.add_argument("--case", metavar="NAME", help="the case of the report to draw (its deepest)")
    parser.add_argument("--only", choices=PICTURES, metavar="NAME", help=f"one picture: {', '.join(PICTURES)}")
    parser.add_argument("--faces", type=int, default=8, metavar="N", help="faces in a row (8)")
    parser.add_argument(
        "--size", type=int, metavar="S", help=f"pixels the model was trained on (faces: {SIDES['faces']}, else {_SIDE})"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="another one, other faces (0)")
    arguments = parser.parse_args(argv)
    if arguments.size is None:
        arguments.size = (not arguments.run and trained_side(arguments.weights)) or _SIDE
    return arguments


def _translation(arguments: argparse.Namespace, out: Path) -> None:
    """Test faces through both generators."""
    _write(out / "translation.png", *_translated(arguments))


def _translated(arguments: argparse.Namespace) -> tuple[np.ndarray, str]:
    path, networks = _model(arguments)
    pictures = [faces.draw("testA", index, arguments.size, arguments.seed) for index in range(arguments.faces)]
    return translation_figure(networks, pictures, _SHOWN), f"by {path}"


def _short(arguments: argparse.Namespace, out: Path) -> None:
    """Test faces through both generators of a run; only if it is asked for."""
    if not arguments.only:
        return
    if not arguments.run:
        raise UsageError("short.png needs --run, the folder of the run")
    _write(out / "short.png", *_translated(arguments))


def _model(arguments: argparse.Namespace) -> tuple[Path | str, dict[str, Any]]:
    """The file of the model, and its generators."""
    path = _newest(arguments.run) if arguments.run else arguments.weights
    networks = load_networks(pretrained(path), "float32", None, _GENERATORS)
    if missing := [name for name in _GENERATORS if name not in networks]:
        raise InputError(f"{path}: lacks {' and '.join(missing)}")
    return path, networks


def _newest(run: str) -> Path:
    folder = Path(run, "checkpoints", "latest")
    for name in ("ema.pdparams", "weights.pdparams"):
        if (folder / name).exists():
            return folder / name
    raise InputError(f"{folder}: holds no checkpoint; bash tools/demo.sh trains one, --weights names another")


def _faces(arguments: argparse.Namespace, out: Path) -> None:
    """Pairs of the test set, each photo above its cartoon."""
    _write(out / "faces.png", faces.preview(_SHOWN, arguments.seed, arguments.faces), f"seed {arguments.seed}")


def _parity(arguments: argparse.Namespace, out: Path) -> None:
    """The chart of a report; nothing without one."""
    if not arguments.parity:
        if arguments.only:
            raise UsageError("the parity chart needs --parity, a report of align/check_forward.py --json")
        return
    chart = parity_chart(read_report(arguments.parity), arguments.case)
    with atomic.replacing(out / "parity.svg", "w") as file:
        file.write(chart)
    print(f"{out / 'parity.svg'}: from {arguments.parity}, {len(chart) / 1000:.0f} kB")


def _write(path: Path, pixels: np.ndarray, origin: str) -> None:
    print(f"{path}: {origin}, {write_small(path, pixels) / 1000:.0f} kB")


def _resizing(arguments: argparse.Namespace, out: Path) -> None:
    """Large photos, reduced with and without antialiasing, each above its translation."""
    network = _model(arguments)[1][_GENERATORS[0]]
    photos = [
        Image.fromarray(faces.draw("testA", index, _LARGE * arguments.size, arguments.seed))
        for index in range(arguments.faces)
    ]
    rows = []
    for reduced, to_input, written in (
        (transforms.test_pixels, transforms.to_input, transforms.to_pixels),
        (transforms.official_pixels, transforms.official_input, transforms.official_output),
    ):
        pixels = [reduced(photo, arguments.size) for photo in photos]
        results = written(generate(network, np.stack([to_input(image) for image in pixels]))[0])
        rows += [np.concatenate(pixels, 1), np.concatenate(list(results), 1)]
    sheet = Image.fromarray(np.concatenate(rows)).resize(
        (_SHOWN * arguments.faces, _SHOWN * len(rows)), Image.Resampling.NEAREST
    )
    _write(out / "resizing.png", np.asarray(sheet), f"{_LARGE * arguments.size} px reduced to {arguments.size}")


def _photo(arguments: argparse.Namespace, out: Path) -> None:
    """The face in a photograph as `translate --faces --paste` does it; only if it is asked for."""
    if not arguments.only:
        return
    if find_spec("skimage") is None:
        raise UsageError('the photograph is one of scikit-image: pip install "scikit-image>=0.22"')
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[:320, :400])
    (face, *_) = load_finder().find(pixels)
    frame = frame_of(face.landmarks, _PHOTO_MARGIN)
    network = _model(arguments)[1][_GENERATORS[0]]
    crop = cropped(pixels, frame, arguments.size)
    translated = transforms.to_pixels(generate(network, transforms.to_input(crop)[None])[0][0])
    figure = photo_figure(pixels, frame.corners(), crop, translated, pasted(pixels, frame, translated))
    _write(out / "photo.png", figure, f"astronaut of scikit-image, {arguments.size} px, margin {_PHOTO_MARGIN}")


PICTURES = {
    "translation": _translation,
    "faces": _faces,
    "parity": _parity,
    "resizing": _resizing,
    "photo": _photo,
    "short": _short,
}


def make(arguments: argparse.Namespace) -> None:
    """Make the pictures. Raises InputError or UsageError, in one line, for what cannot be used."""
    if not 1 <= arguments.faces <= _MOST:
        raise UsageError(f"--faces must be 1 to {_MOST}, got {arguments.faces}")
    if not SMALLEST <= arguments.size <= LARGEST:
        raise UsageError(f"--size must be {SMALLEST} to {LARGEST} pixels, got {arguments.size}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in [arguments.only] if arguments.only else PICTURES:
        PICTURES[name](arguments, out)


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run the command line and return its exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: make(arguments), "the pictures written so far are complete")
