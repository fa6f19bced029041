"""Translate images with a trained generator of U-GAT-IT, from a checkpoint of either framework."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.cli import command, first_picture
from paddle_ugatit.cli.face_translation import (
    EXTRAS,
    FaceJob,
    add_faces,
    face_side,
    require_face_options,
    require_inputs_kept,
)
from paddle_ugatit.cli.translation import TranslationJob, folder_of, truths
from paddle_ugatit.data.images import picture_size
from paddle_ugatit.data.inputs import collect, renamed
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.face_finder import Finder, load_finder
from paddle_ugatit.inference.sheets import GENERATORS
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import PRETRAINED, pretrained, trained_side

_OFFICIAL_SIDE = 256  # pixels, of the authors' program unless told otherwise
EXAMPLES = """\
examples:
  python tools/translate.py --demo
  python tools/translate.py --weights faces --input work/outputs/faces/testA --out anime
  python tools/translate.py --weights selfie2anime_params_1000000.pt --input photos --out anime
  python tools/translate.py --weights run/latest.pdparams --input 'photos/*.jpg' --out anime --heatmap --sheet
  python tools/translate.py --weights run/latest.pdparams --input faces/testA --out out --compare faces/testB
  python tools/translate.py --weights selfie2anime_params_1000000.pt --input photos --out anime --faces --paste

Results keep the names of their inputs, including subfolders; a second a.png becomes a_2.png. DIR holds nothing else, so
that tools/eval_kid.py can take it as it is: --heatmap writes to DIR-heatmaps and --sheet to DIR-sheets. A sheet shows,
from top to bottom: the image, identity heatmap, identity, translation heatmap, translation, cycle heatmap, cycled.
The weights faces ship with the package: a small model trained on drawn faces of 96 px (docs/faces.md).
A light model takes images of any size and keeps it; a full one takes only its own size, to which --resize brings them.
A large photo would need more memory than most machines have. It is translated with its longer side at --max-side, or
less if memory is short, and enlarged to its own size; so are heatmaps, while sheets stay small (docs/metrics.md).
--as official gives the pixels of the authors' TensorFlow program, which resizes every image to NxN (256) without
antialiasing and cuts fractions off (docs/official.md).
Results keep the suffixes of their inputs where that format keeps the image: .gif, .ico, .heic ... become .png.
--faces looks for faces in photos, levels and cuts out each, and translates it at the size the model was trained on:
DIR gets NAME_face1.png, NAME_face2.png ... from left to right, DIR-crops what they were made of and, with --paste,
DIR-pasted the photos with their faces translated. A photo without a face is skipped (docs/faces_in_photos.md).
--compare finds the true image by name and prints L1 (levels of 255), PSNR (dB) and SSIM of the translated images and,
as a baseline, of the inputs themselves; for drawn faces also which attributes were kept, such as glasses and the colour
of the hair, and DIR-attributes/changed.png with those that were not.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    weights = add_weights(parser)
    images = parser.add_argument("--input", nargs="+", metavar="FILE|DIR|GLOB", help="images to translate")
    out = parser.add_argument("--out", metavar="DIR", help="folder for the results; made if it does not exist")
    parser.add_argument(
        "--demo",
        action="store_true",
        help=f"draw some faces and translate them with the model that ships, into --out ({first_picture.OUT})",
    )
    parser.add_argument("--heatmap", action="store_true", help="also write heatmaps of where the model looks")
    parser.add_argument("--sheet", action="store_true", help="also write a sheet of seven images for each input")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images of one size at a time (1)")
    parser.add_argument("--compare", metavar="DIR", help="folder with the true images, under the same names")
    parser.add_argument(
        "--as",
        dest="like",
        choices=("port", "official"),
        default="port",
        help="official: resize and round as the authors' TensorFlow program does, without antialiasing (port)",
    )
    add_faces(parser, "translate the faces in photos, each levelled and cut out")
    parser.add_argument("--paste", action="store_true", help="with --faces: also put the faces back into their photos")
    parser.add_argument("--strict", action="store_true", help="stop at an image that cannot be done, skip none")
    add_generator(parser)
    arguments = parser.parse_args(argv)
    needed = [action.option_strings[0] for action in (weights, images, out) if getattr(arguments, action.dest) is None]
    if needed and not arguments.demo:
        parser.error(f"the following arguments are required: {', '.join(needed)}")
    if arguments.demo and (arguments.weights or arguments.input):
        parser.error("--demo has faces and weights of its own: leave out --weights and --input")
    return arguments


def add_weights(parser: argparse.ArgumentParser, required: bool = False) -> argparse.Action:
    """Add the option `--weights`, and return it."""
    return parser.add_argument(
        "--weights",
        metavar="FILE",
        required=required,
        help=f"checkpoint (TensorFlow: or its folder), a generator, or {', '.join(PRETRAINED)}",
    )


def add_generator(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which generator translates, where, and at which size: `load`, `side_of` read them."""
    parser.add_argument("--direction", choices=GENERATORS, default="a2b", help="from which domain to which (a2b)")
    parser.add_argument(
        "--resize", type=int, nargs="?", const=0, metavar="N", help="resize to NxN first (N: a full model's size)"
    )
    parser.add_argument(
        "--max-side",
        type=int,
        default=memory.MAX_SIDE,
        metavar="N",
        help="translate longer images at N pixels and enlarge the result again (%(default)s; 0: never)",
    )
    parser.add_argument(
        "--revision",
        choices=("current", "initial", "tensorflow"),
        help="of the networks, if the file does not say (current)",
    )
    command.add_device(parser)


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
        return (network.img_size or _OFFICIAL_SIDE) if arguments.like == "official" else None
    if arguments.resize == 0 and network.light:
        raise UsageError("--resize needs a number of pixels with a light model, which takes any size")
    if arguments.resize > memory.LARGEST:
        raise UsageError(f"--resize {arguments.resize}: at most {memory.LARGEST} pixels")
    if arguments.resize < 0 or (not network.light and arguments.resize not in (0, network.img_size)):
        raise UsageError(f"--resize {arguments.resize}: this model takes {network.img_size or 'any number of'} pixels")
    return arguments.resize or network.img_size


def require_full_model_sizes(network: ResnetGenerator, pairs: list[tuple[Path, str]]) -> None:
    """Raise InputError if no image is of a full model's size; reads only the headers, before any translation."""
    sizes = [(path, picture_size(path)) for path, _ in pairs]
    wrong = [(path, size) for path, size in sizes if size and size != (network.img_size, network.img_size)]
    if wrong and len(wrong) == sum(size is not None for _, size in sizes):
        path, (width, height) = wrong[0]
        need = f"this full model takes {network.img_size}x{network.img_size} pixels only: add --resize"
        raise InputError(f"{path}: has {width}x{height} pixels ({len(wrong)} of {len(pairs)} differ); {need}")


def other_size(weights: str, side: int | None, pairs: list[tuple[Path, str]]) -> str:
    """Return a line if pretrained weights meet images, resized to `side` unless None, of quite another size; or ""."""
    own, sizes = trained_side(weights), [(side, side)] if side else (picture_size(path) for path, _ in pairs)
    size = own and next(filter(None, sizes), None)
    if not own or not size or 0.75 * own <= min(size) <= 1.5 * own:
        return ""
    return (
        f"note: the weights {weights} were trained on {own}x{own} pixels; {size[0]}x{size[1]} suit them less: "
        f"add --resize {own}, or for faces in photos --faces"
    )


def require_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError if a value makes no sense."""
    if arguments.batch < 1:
        raise UsageError(f"--batch must be 1 or more, got {arguments.batch}")
    require_max_side(arguments)
    require_face_options(arguments)


def require_max_side(arguments: argparse.Namespace) -> None:
    """Raise UsageError if the value of `--max-side` makes no sense."""
    if arguments.max_side < 0 or 0 < arguments.max_side < 8:
        raise UsageError(f"--max-side must be 0 (no limit) or 8 or more, got {arguments.max_side}")


def translate(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    require_options(arguments)
    device.choose(arguments.device)
    if arguments.demo:
        print("\n".join(first_picture.make(arguments.out or first_picture.OUT)))
        return
    outs = [folder_of(arguments.out, extra) for extra in ("", "heatmaps", "sheets", *EXTRAS)]
    pairs = collect(arguments.input, outs, to_stderr)
    inputs = {os.path.realpath(path) for path, _ in pairs}
    finder = load_finder() if arguments.faces else None
    if finder is not None:
        require_inputs_kept(arguments.out, pairs)
    for _, name in pairs if finder is None else ():
        if os.path.realpath(Path(arguments.out, name)) in inputs:
            raise UsageError(f"{Path(arguments.out, name)}: is an input, which would be overwritten")
    networks = load(arguments)
    there = networks[GENERATORS[arguments.direction][0]]
    side = side_of(arguments, there)
    if finder is None and side is None and not there.light:
        require_full_model_sizes(there, pairs)
    if finder is None and (line := other_size(arguments.weights, side, pairs)):
        to_stderr(line)
    with Progress("translating", len(pairs), "images") as progress:
        work = _job(arguments, networks, side, finder, progress, pairs)
        work.run(pairs)
    if not work.done:
        what = "image there can be translated" if finder is None else "face there can be translated"
        raise InputError(f"{' '.join(arguments.input)}: no {what}")
    work.report()


def _job(
    arguments: argparse.Namespace,
    networks: dict[str, ResnetGenerator],
    side: int | None,
    finder: Finder | None,
    progress: Progress,
    pairs: list[tuple[Path, str]],
) -> TranslationJob | FaceJob:
    """The work on whole images or, with a finder, on the faces in them."""
    there = networks[GENERATORS[arguments.direction][0]]
    if finder is not None:
        return FaceJob(arguments, networks, face_side(arguments, side, there), finder, progress)
    work = TranslationJob(arguments, networks, side, progress)
    if arguments.compare:
        work.truth = truths(arguments.compare, pairs, work.uncompared)
    if line := renamed(pairs):
        progress.say(line)
    return work


def main(argv: Sequence[str] | None = None, program: str = "translate") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: translate(arguments), "what has been written is complete")
