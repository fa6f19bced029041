#!/usr/bin/env python
"""Translate pictures with a trained generator, from a checkpoint of either framework."""

import argparse
import os
import sys
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit.cli import command  # noqa: E402

# ruff: isort: split
import numpy as np  # noqa: E402
import paddle  # noqa: E402
from PIL import Image  # noqa: E402

from paddle_ugatit.backend.errors import InputError, UsageError  # noqa: E402
from paddle_ugatit.backend.progress import Progress  # noqa: E402
from paddle_ugatit.data import transforms  # noqa: E402
from paddle_ugatit.data.images import ImageError, image_files, read_picture, write_image  # noqa: E402
from paddle_ugatit.data.inputs import collect  # noqa: E402
from paddle_ugatit.inference.sheets import GENERATORS, heatmap_pixels, sample_sheet  # noqa: E402
from paddle_ugatit.inference.translate import generate, require_size  # noqa: E402
from paddle_ugatit.metrics import paired  # noqa: E402
from paddle_ugatit.weights import load_networks  # noqa: E402

PROGRAM = "translate"
EXAMPLES = """\
examples:
  python tools/translate.py --weights selfie2anime_params_1000000.pt --input photos --out anime
  python tools/translate.py --weights run/latest.pdparams --input 'photos/*.jpg' --out anime --heatmap --sheet
  python tools/translate.py --weights run/latest.pdparams --input faces/testA --out out --compare faces/testB

Results keep the names of their inputs, subfolders included; a second a.png becomes a_2.png. DIR holds nothing else, so
that tools/eval_kid.py can take it as it is: --heatmap writes into DIR-heatmaps, --sheet into DIR-sheets, from top to
bottom the picture, identity heatmap, identity, translation heatmap, translation, cycle heatmap, cycled. A light model
takes any size and keeps it; a full one takes its own size only: --resize brings the pictures to it. --compare finds the
truth by name and prints L1 (levels of 255), PSNR (dB) and SSIM, of the translated pictures and, to hold against, of the
inputs as they are.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="checkpoint, or a generator alone")
    parser.add_argument("--input", required=True, nargs="+", metavar="FILE|DIR|GLOB", help="pictures to translate")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if need be")
    parser.add_argument("--direction", choices=GENERATORS, default="a2b", help="from which domain to which (a2b)")
    parser.add_argument("--heatmap", action="store_true", help="also write where the model looked")
    parser.add_argument("--sheet", action="store_true", help="also write the seven-row sample sheet")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="pictures of one size at a time (1)")
    parser.add_argument("--compare", metavar="DIR", help="folder with the truth under the same names")
    parser.add_argument(
        "--resize", type=int, nargs="?", const=0, metavar="N", help="to NxN pixels before (a full model's own size)"
    )
    parser.add_argument("--revision", choices=("current", "initial"), help="of the networks, where the file lacks it")
    parser.add_argument("--strict", action="store_true", help="end at a picture that cannot be read, do not skip it")
    parser.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1 ... (Paddle's own choice)")
    return parser.parse_args(argv)


def load(arguments):
    """The generators that are needed, as a dict of genA2B and genB2A."""
    there, back = GENERATORS[arguments.direction]
    wanted = (there, back, "") if arguments.sheet else (there, "")
    networks = load_networks(arguments.weights, "float32", arguments.revision, wanted)
    if "" in networks:
        if arguments.sheet:
            raise UsageError(f"{arguments.weights}: holds one generator, a sheet needs both")
        networks = {there: networks[""]}
    if missing := [name for name in wanted if name and name not in networks]:
        raise InputError(f"{arguments.weights}: lacks {' and '.join(missing)}")
    for name, network in networks.items():
        if not hasattr(network, "img_size"):
            raise InputError(f"{arguments.weights}: holds a discriminator, not a generator")
        channels = [network.DownBlock[1].weight.shape[1], network.UpBlock2[11].weight.shape[0]]
        if channels != [3, 3]:
            raise InputError(f"{arguments.weights}: {name} has {channels[0]} channels in, {channels[1]} out, not 3")
    return networks


def side_of(arguments, network):
    """To how many pixels a side pictures are resized, None for not at all."""
    if arguments.resize is None:
        return None
    if arguments.resize == 0 and network.light:
        raise UsageError("--resize needs a number of pixels with a light model, which takes any size")
    if arguments.resize < 0 or (not network.light and arguments.resize not in (0, network.img_size)):
        raise UsageError(f"--resize {arguments.resize}: this model takes {network.img_size or 'any number of'} pixels")
    return arguments.resize or network.img_size


def truths(folder, pairs):
    """Name of each result -> file of its truth: the one of the same name, else the only one that differs in suffix."""
    files = {path.relative_to(folder).as_posix(): path for path in image_files(folder)}
    stems = {}
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
        raise InputError(f"{folder}: has no truth for {missing[0]} ({len(missing)} of {len(pairs)} are without)")
    return found


def folder_of(out, extra):
    """Where results go, or an extra kind of them."""
    return f"{os.path.normpath(out)}-{extra}" if extra else out


class Translation:
    """One run of the command: pictures in, results, counts and measures out."""

    def __init__(self, arguments, networks, side, truth):
        self.arguments, self.networks, self.side, self.truth = arguments, networks, side, truth
        self.there = networks[GENERATORS[arguments.direction][0]]
        self.skipped, self.done, self.measures = [], 0, {"translated": [], "input": []}

    def read(self, path):
        """uint8 (H,W,3), resized where that is asked for."""
        picture = read_picture(path)
        return np.array(picture) if self.side is None else transforms.test_pixels(picture, self.side)

    def run(self, pairs, progress):
        """Translate everything, pictures of one size together."""
        batch = []
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

    def require_size(self, path, pixels):
        try:
            require_size(self.there, *pixels.shape[:2])
        except InputError as error:
            raise InputError(f"{path}: {error}".replace(": resize", ": add --resize")) from error

    def translate(self, batch, progress):
        """One batch: [(name, pixels)]."""
        images = np.stack([transforms.to_input(pixels) for _, pixels in batch])
        translated, heatmaps = generate(self.there, images)
        for index, (name, pixels) in enumerate(batch):
            result = transforms.to_pixels(translated[index])
            self.write(name, result)
            if self.arguments.heatmap:
                self.write(f"{name}.png", heatmap_pixels(heatmaps[index], *result.shape[:2]), "heatmaps")
            if self.arguments.sheet:
                sheet = sample_sheet(self.networks, images[index : index + 1], self.arguments.direction)
                self.write(f"{name}.png", sheet, "sheets")
            if self.truth:
                self.measure(name, result, pixels)
            self.done += 1
            progress()

    def write(self, name, pixels, extra=""):
        path = Path(folder_of(self.arguments.out, extra), PurePosixPath(name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made: {error.strerror}") from error
        write_image(path, pixels)

    def measure(self, name, result, pixels):
        truth = self.read(self.truth[name])
        try:
            self.measures["translated"].append(paired.paired(result, truth))
            self.measures["input"].append(paired.paired(pixels, truth))
        except InputError as error:
            raise InputError(f"{self.truth[name]}: {error}") from error

    def report(self):
        """What was done, in lines on stdout."""
        print(f"{self.arguments.out}: {self.done} translated, {self.arguments.direction}")
        if self.skipped:
            print(f"{len(self.skipped)} skipped, which could not be read: {', '.join(self.skipped[:5])}")
        for what, results in self.measures.items():
            if results:
                mean = paired.mean_of(results)
                figures = f"L1 {mean['L1']:.2f}, PSNR {mean['PSNR']:.2f} dB, SSIM {mean['SSIM']:.4f}"
                print(f"{what} against {self.arguments.compare}: {figures} ({len(results)} pairs)")


def require_full_model_sizes(network, pairs):
    """Have a full model refuse a wrong size before anything is translated, by the pictures' headers."""
    wrong = []
    for path, _ in pairs:
        try:
            with Image.open(path) as picture:
                size = picture.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # it is named when its turn comes
        if size != (network.img_size, network.img_size):
            wrong.append((path, size))
    if wrong:
        path, (width, height) = wrong[0]
        need = f"this full model takes {network.img_size}x{network.img_size} pixels only: add --resize"
        raise InputError(f"{path}: has {width}x{height} pixels ({len(wrong)} of {len(pairs)} are like that); {need}")


def translate(arguments):
    """Do all that the command line says."""
    if arguments.batch < 1:
        raise UsageError(f"--batch must be 1 or more, got {arguments.batch}")
    if arguments.device:
        try:
            paddle.set_device(arguments.device)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"--device {arguments.device}: {error}") from error
    pairs = collect(arguments.input, [folder_of(arguments.out, extra) for extra in ("", "heatmaps", "sheets")])
    inputs = {os.path.realpath(path) for path, _ in pairs}
    for _, name in pairs:
        if os.path.realpath(Path(arguments.out, name)) in inputs:
            raise UsageError(f"{Path(arguments.out, name)}: is an input, which would be overwritten")
    truth = truths(arguments.compare, pairs) if arguments.compare else None
    networks = load(arguments)
    work = Translation(arguments, networks, None, truth)
    work.side = side_of(arguments, work.there)
    if work.side is None and not work.there.light:
        require_full_model_sizes(work.there, pairs)
    with Progress("translating", len(pairs), "images") as progress:
        work.run(pairs, progress)
    if not work.done:
        raise InputError(f"{' '.join(arguments.input)}: no image there can be read")
    work.report()


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: translate(arguments), "what was written so far is whole")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
