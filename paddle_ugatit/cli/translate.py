"""Translate images with a trained generator of U-GAT-IT, from a checkpoint of either framework."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli import command
from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import ImageError, image_files, read_picture, write_image
from paddle_ugatit.data.inputs import collect
from paddle_ugatit.inference.sheets import GENERATORS, heatmap_pixels, sample_sheet
from paddle_ugatit.inference.translate import generate, require_size
from paddle_ugatit.metrics import paired
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import PRETRAINED, pretrained

EXAMPLES = """\
examples:
  python tools/translate.py --weights faces --input work/outputs/faces/testA --out anime
  python tools/translate.py --weights selfie2anime_params_1000000.pt --input photos --out anime
  python tools/translate.py --weights run/latest.pdparams --input 'photos/*.jpg' --out anime --heatmap --sheet
  python tools/translate.py --weights run/latest.pdparams --input faces/testA --out out --compare faces/testB

Results keep the names of their inputs, including subfolders; a second a.png becomes a_2.png. DIR holds nothing else, so
that tools/eval_kid.py can take it as it is: --heatmap writes to DIR-heatmaps and --sheet to DIR-sheets. A sheet shows,
from top to bottom: the image, identity heatmap, identity, translation heatmap, translation, cycle heatmap, cycled.
The weights faces ship with the package: a small model trained on drawn faces of 64 px (docs/faces.md).
A light model takes images of any size and keeps it; a full one takes only its own size, to which --resize brings them.
--compare finds the true image by name and prints L1 (levels of 255), PSNR (dB) and SSIM of the translated images and,
as a baseline, of the inputs themselves.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument(
        "--weights", required=True, metavar="FILE", help=f"checkpoint, a generator alone, or {', '.join(PRETRAINED)}"
    )
    parser.add_argument("--input", required=True, nargs="+", metavar="FILE|DIR|GLOB", help="images to translate")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if it does not exist")
    parser.add_argument("--direction", choices=GENERATORS, default="a2b", help="from which domain to which (a2b)")
    parser.add_argument("--heatmap", action="store_true", help="also write heatmaps of where the model looks")
    parser.add_argument("--sheet", action="store_true", help="also write a sheet of seven images for each input")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images of one size at a time (1)")
    parser.add_argument("--compare", metavar="DIR", help="folder with the true images, under the same names")
    parser.add_argument(
        "--resize", type=int, nargs="?", const=0, metavar="N", help="resize to NxN first (N: a full model's size)"
    )
    parser.add_argument(
        "--revision", choices=("current", "initial"), help="of the networks, if the file does not say (current)"
    )
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image instead of skipping it")
    command.add_device(parser)
    return parser.parse_args(argv)


def load(arguments: argparse.Namespace) -> dict[str, ResnetGenerator]:
    """Return the generators that are needed, as genA2B and genB2A.

    Raises InputError if the file holds none, or one that does not map RGB to RGB; UsageError if a sheet is asked for
    and the file holds one generator only.
    """
    there, back = GENERATORS[arguments.direction]
    wanted = (there, back, "") if arguments.sheet else (there, "")
    networks = load_networks(pretrained(arguments.weights), "float32", arguments.revision, wanted)
    if "" in networks:
        if arguments.sheet:
            raise UsageError(f"{arguments.weights}: holds one generator, a sheet needs both")
        networks = {there: networks[""]}
    if missing := [name for name in wanted if name and name not in networks]:
        raise InputError(f"{arguments.weights}: lacks {' and '.join(missing)}")
    for name, network in networks.items():
        if not isinstance(network, ResnetGenerator):
            raise InputError(f"{arguments.weights}: holds a {type(network).__name__}, not a generator of U-GAT-IT")
        channels = [network.DownBlock[1].weight.shape[1], network.UpBlock2[11].weight.shape[0]]
        if channels != [3, 3]:
            raise InputError(
                f"{arguments.weights}: {name} has {channels[0]} input and {channels[1]} output channels, not 3 and 3"
            )
    return networks


def side_of(arguments: argparse.Namespace, network: ResnetGenerator) -> int | None:
    """Return the height and width to which images are resized, None if they keep their size.

    Raises UsageError if the network does not take that size.
    """
    if arguments.resize is None:
        return None
    if arguments.resize == 0 and network.light:
        raise UsageError("--resize needs a number of pixels with a light model, which takes any size")
    if arguments.resize < 0 or (not network.light and arguments.resize not in (0, network.img_size)):
        raise UsageError(f"--resize {arguments.resize}: this model takes {network.img_size or 'any number of'} pixels")
    return arguments.resize or network.img_size


def truths(folder: str, pairs: list[tuple[Path, str]]) -> dict[str, Path]:
    """Return the file of the true image for the name of every result.

    That is the file of the same name, or else the only one whose name differs just in the suffix. Raises InputError if
    one is missing.
    """
    files = {path.relative_to(folder).as_posix(): path for path in image_files(folder)}
    stems: dict[str, list[str]] = {}
    for name in files:
        stems.setdefault(os.path.splitext(name)[0], []).append(name)
    found, missing = {}, []
    for _, name in pairs:
        alike = [name] if name in files else stems.get(os.path.splitext(name)[0], [])
        if len(alike) == 1:
            found[name] = files[alike[0]]
        else:
            missing.append(name)
    if missing:
        raise InputError(f"{folder}: has no true image for {missing[0]} ({len(missing)} of {len(pairs)} have none)")
    return found


def folder_of(out: str, extra: str) -> str:
    """Return the folder of the results, or of an extra kind of them."""
    return f"{os.path.normpath(out)}-{extra}" if extra else out


class TranslationJob:
    """One run of the command: reads images, writes results, keeps counts and measures."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        networks: dict[str, ResnetGenerator],
        side: int | None,
        truth: dict[str, Path] | None,
    ) -> None:
        self.arguments, self.networks, self.side, self.truth = arguments, networks, side, truth
        self.there = networks[GENERATORS[arguments.direction][0]]
        self.skipped: list[str] = []
        self.done = 0
        self.measures: dict[str, list[dict[str, float]]] = {"translated": [], "input": []}

    def read(self, path: Path) -> np.ndarray:
        """Read an image, resized if that is asked for: uint8 (H,W,3)."""
        picture = read_picture(path)
        return np.array(picture) if self.side is None else transforms.test_pixels(picture, self.side)

    def run(self, pairs: list[tuple[Path, str]], progress: Progress) -> None:
        """Translate everything, consecutive images of one size together."""
        batch: list[tuple[str, np.ndarray]] = []
        for path, name in pairs:
            try:
                pixels = self.read(path)
                self.require_size(path, pixels)
            except ImageError as error:
                if self.arguments.strict:
                    raise
                self.skipped.append(name)
                progress.say(f"skipped: {error}")
                progress()
                continue
            if batch and (len(batch) == self.arguments.batch or batch[0][1].shape != pixels.shape):
                self.translate(batch, progress)
                batch = []
            batch.append((name, pixels))
        if batch:
            self.translate(batch, progress)

    def require_size(self, path: Path, pixels: np.ndarray) -> None:
        """Raise InputError, which names the file, if the generator does not take an image of this size."""
        try:
            require_size(self.there, *pixels.shape[:2])
        except InputError as error:
            raise InputError(f"{path}: {error}".replace(": resize", ": add --resize")) from error

    def translate(self, batch: list[tuple[str, np.ndarray]], progress: Progress) -> None:
        """Translate and write one batch of (name, pixels)."""
        images = np.stack([transforms.to_input(pixels) for _, pixels in batch])
        translated, heatmaps = generate(self.there, images)
        for index, (name, pixels) in enumerate(batch):
            result = transforms.to_pixels(translated[index])
            self.write(name, result)
            if self.arguments.heatmap:
                height, width = result.shape[:2]
                self.write(f"{name}.png", heatmap_pixels(heatmaps[index], height, width), "heatmaps")
            if self.arguments.sheet:
                sheet = sample_sheet(self.networks, images[index : index + 1], self.arguments.direction)
                self.write(f"{name}.png", sheet, "sheets")
            if self.truth:
                self.measure(self.truth[name], result, pixels)
            self.done += 1
            progress()

    def write(self, name: str, pixels: np.ndarray, extra: str = "") -> None:
        """Write one image of the results, or of an extra kind of them."""
        path = Path(folder_of(self.arguments.out, extra), PurePosixPath(name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made: {error.strerror}") from error
        write_image(path, pixels)

    def measure(self, path: Path, result: np.ndarray, pixels: np.ndarray) -> None:
        """Compare a result, and its input, with the true image in a file."""
        truth = self.read(path)
        try:
            self.measures["translated"].append(paired.paired(result, truth))
            self.measures["input"].append(paired.paired(pixels, truth))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def report(self) -> None:
        """Print what was done."""
        print(f"{self.arguments.out}: {self.done} translated, {self.arguments.direction}")
        if self.skipped:
            print(f"{len(self.skipped)} skipped as unreadable: {', '.join(self.skipped[:5])}")
        for what, results in self.measures.items():
            if results:
                mean = paired.mean_of(results)
                figures = f"L1 {mean['L1']:.2f}, PSNR {mean['PSNR']:.2f} dB, SSIM {mean['SSIM']:.4f}"
                print(f"{what} against {self.arguments.compare}: {figures} ({len(results)} pairs)")


def require_full_model_sizes(network: ResnetGenerator, pairs: list[tuple[Path, str]]) -> None:
    """Raise InputError if an image is not of a full model's size; reads only the headers, before any translation."""
    wrong = []
    for path, _ in pairs:
        try:
            with Image.open(path) as picture:
                size = picture.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # it is reported when its turn comes
        if size != (network.img_size, network.img_size):
            wrong.append((path, size))
    if wrong:
        path, (width, height) = wrong[0]
        need = f"this full model takes {network.img_size}x{network.img_size} pixels only: add --resize"
        raise InputError(f"{path}: has {width}x{height} pixels ({len(wrong)} of {len(pairs)} differ); {need}")


def translate(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    if arguments.batch < 1:
        raise UsageError(f"--batch must be 1 or more, got {arguments.batch}")
    device.choose(arguments.device)
    pairs = collect(arguments.input, [folder_of(arguments.out, extra) for extra in ("", "heatmaps", "sheets")])
    inputs = {os.path.realpath(path) for path, _ in pairs}
    for _, name in pairs:
        if os.path.realpath(Path(arguments.out, name)) in inputs:
            raise UsageError(f"{Path(arguments.out, name)}: is an input, which would be overwritten")
    truth = truths(arguments.compare, pairs) if arguments.compare else None
    networks = load(arguments)
    there = networks[GENERATORS[arguments.direction][0]]
    side = side_of(arguments, there)
    if side is None and not there.light:
        require_full_model_sizes(there, pairs)
    work = TranslationJob(arguments, networks, side, truth)
    with Progress("translating", len(pairs), "images") as progress:
        work.run(pairs, progress)
    if not work.done:
        raise InputError(f"{' '.join(arguments.input)}: no image there can be read")
    work.report()


def main(argv: Sequence[str] | None = None, program: str = "translate") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: translate(arguments), "what has been written is complete")
