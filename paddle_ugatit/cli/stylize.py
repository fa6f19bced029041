"""Give images the style of others with AdaIN: one style or several, blended or by region, with or without its
colours."""

import argparse
import itertools
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError, one_line
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.cli import command
from paddle_ugatit.cli.pictures import Skipped, make_folder, write_result
from paddle_ugatit.data.images import ImageError, further_frames, read_picture, require_writable, write_image
from paddle_ugatit.data.inputs import collect, renamed
from paddle_ugatit.data.listing import Say
from paddle_ugatit.data.transforms import middle_of, scaled_to
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.inference.stylise import matched_colours, region_shares, stylise, takes_vgg_levels
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer, require_size
from paddle_ugatit.weights import load_networks

EXAMPLES = """\
examples:
  python tools/stylize.py --weights decoder.pth --encoder vgg_normalised.pth --content a.jpg --style b.jpg --out o
  python tools/stylize.py --weights run/checkpoints/latest/weights.pdparams --content photos --style paintings --out o
  python tools/stylize.py --weights W --content a.jpg --style b.jpg,c.jpg --style-weights 3,1 --alpha 0.7 --out o
  python tools/stylize.py --weights W --content a.jpg --style b.jpg,c.jpg --mask sky.png --preserve-color --out o

A value of --style is an image, a folder or pattern (each image in it is a style of its own), or several images joined
by commas: one mixture. With one style, results are written to DIR under the names of the contents; with several, to a
subfolder for each. A mask is white where the first of two styles applies, black where the second does, grey in between.
Grey images become RGB, transparency is dropped. Images keep their size unless --size is given, and their suffix where
that format keeps the image: .gif, .ico, .heic ... become .png.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""
TILE, SHOWN = 192, 8  # pixels of an image on the sheet, and the most images in a row or column

Style = tuple[str, list[Path]]  # its name and its files: one, or several that are mixed


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--weights", required=True, metavar="FILE", help="checkpoint, or a decoder alone")
    parser.add_argument("--encoder", metavar="FILE", help="VGG's weights, if --weights holds a decoder alone")
    parser.add_argument("--content", required=True, nargs="+", metavar="FILE|DIR|GLOB", help="images to stylise")
    parser.add_argument("--style", required=True, nargs="+", metavar="FILE[,FILE..]|DIR|GLOB", help="styles to apply")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if it does not exist")
    parser.add_argument("--style-weights", metavar="W,W..", help="weights of a mixture's styles, of any sum (equal)")
    parser.add_argument("--mask", metavar="FILE", help="regions of a mixture of two styles, instead of weights")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="A", help="0 is the content, 1 full style (1)")
    parser.add_argument("--preserve-color", action="store_true", help="keep the content's colours")
    parser.add_argument("--size", type=int, metavar="N", help="resize the shorter side of every image to N pixels")
    parser.add_argument("--style-size", type=int, metavar="N", help="that of the styles, if it is another (--size)")
    parser.add_argument("--crop", action="store_true", help="crop every image to the square in its middle")
    parser.add_argument("--sheet", metavar="FILE", help="also write contents, styles and results as one image")
    parser.add_argument("--strict", action="store_true", help="stop at an image that cannot be done, skip none")
    command.add_device(parser)
    return parser.parse_args(argv)


def load(arguments: argparse.Namespace) -> StyleTransfer:
    """Return the networks, from one file or two.

    Raises InputError if a file holds other networks, or two that do not fit together; UsageError if the encoder is
    missing.
    """
    found: dict[type, Any] = {}
    for path in filter(None, (arguments.weights, arguments.encoder)):
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            networks = load_networks(path, "float32")
        for note in notes:
            print(f"note: {note.message}", file=sys.stderr)
        kinds = {type(network): network for network in networks.values()}
        if not kinds.keys() <= {Encoder, Decoder}:
            raise InputError(f"{path}: holds {', '.join(kind.__name__ for kind in kinds)}, not an encoder or decoder")
        found |= kinds if path == arguments.weights else {Encoder: kinds.get(Encoder)}
    if arguments.encoder and found[Encoder] is None:
        raise InputError(f"{arguments.encoder}: holds no encoder")
    if Decoder not in found:
        raise InputError(f"{arguments.weights}: holds no decoder")
    if Encoder not in found:
        raise UsageError(f"{arguments.weights}: holds a decoder alone: add --encoder with VGG's weights")
    if found[Encoder].ch != found[Decoder].ch:
        widths = (
            f"{found[Decoder].ch} channels in the decoder's last layers, {found[Encoder].ch} in the encoder's first"
        )
        raise InputError(f"{arguments.weights} does not go with {arguments.encoder}: {widths}")
    if not takes_vgg_levels(found[Encoder]):
        print("note: the encoder is not VGG-19, so its styles differ from the published ones", file=sys.stderr)
    return StyleTransfer(found[Encoder], found[Decoder])


def mixtures(values: list[str]) -> list[Style]:
    """Return the styles that the values of --style name."""
    found: list[Style] = []
    for value in values:
        if "," in value and not os.path.exists(value):
            pairs = collect(value.split(","))
            if len(pairs) != value.count(",") + 1:
                raise UsageError(f"--style {value}: each part of a mixture must be one image, and all must differ")
            found.append(("+".join(PurePosixPath(name).stem for _, name in pairs), [path for path, _ in pairs]))
        else:
            found += [(os.path.splitext(name)[0], [path]) for path, name in collect([value], say=to_stderr)]
    names = [name for name, _ in found]
    return [(f"{name}_{i + 1}" if names.index(name) < i else name, files) for i, (name, files) in enumerate(found)]


def shares_of(arguments: argparse.Namespace, styles: list[Style]) -> list[float] | None:
    """Return --style-weights scaled to a sum of 1, None if there are none. Raises UsageError if they do not fit."""
    for option in ("style_weights", "mask"):
        for _, files in styles if getattr(arguments, option) else ():
            if len(files) < 2 or (option == "mask" and len(files) != 2):
                number = "two images" if option == "mask" else "several images"
                raise UsageError(f"--{option.replace('_', '-')} needs --style with {number}, A,B")
    if arguments.style_weights is None:
        return None
    if arguments.mask:
        raise UsageError("--mask decides where each style applies: it takes no --style-weights")
    try:
        weights = [float(weight) for weight in arguments.style_weights.split(",")]
    except ValueError as error:
        raise UsageError(f"--style-weights {arguments.style_weights}: must be numbers separated by commas") from error
    if not all(0 <= weight < math.inf for weight in weights) or not 0 < sum(weights) < math.inf:
        raise UsageError(f"--style-weights {arguments.style_weights}: must be 0 or more, not all 0, and no infinity")
    if any(len(weights) != len(files) for _, files in styles):
        raise UsageError(f"--style-weights {arguments.style_weights}: are {len(weights)} weights, not one a style")
    return [weight / sum(weights) for weight in weights]


def prepared(picture: Image.Image, size: int | None, crop: bool) -> Image.Image:
    """Resize an image so that its shorter side has `size` pixels, if that is given, and crop it if `crop`."""
    if size:
        picture = scaled_to(picture, size)
    return _square(picture) if crop else picture


def _square(picture: Image.Image) -> Image.Image:
    return middle_of(picture, min(picture.size))


class Stylising:
    """One run of the command: reads contents and styles, writes results, keeps counts."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        transfer: StyleTransfer,
        contents: list[tuple[Path, str]],
        styles: list[Style],
        weights: list[float] | None,
    ) -> None:
        self.arguments, self.transfer, self.contents, self.styles = arguments, transfer, contents, styles
        self.weights = weights
        self.mask = read_picture(arguments.mask).convert("L") if arguments.mask else None
        self.free = memory.available()
        self.done = 0
        self.say: Say = to_stderr
        self.noted: set[Path] = set()
        self.tiles: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def read(self, path: Path, size: int | None) -> np.ndarray:
        """Read an image, resized to `size`: uint8 (H,W,3). Raises ImageError if it is unreadable or of no fit size."""
        picture = read_picture(path)
        if path not in self.noted and (note := further_frames(picture, path)):
            self.noted.add(path)
            self.say(note)
        if size:
            longer = round(size * max(picture.size) / min(picture.size))
            if longer > memory.LARGEST:
                raise ImageError(f"{path}: --size {size} would make it {longer} pixels long: {memory.LARGEST} at most")
        pixels = np.array(prepared(picture, size, self.arguments.crop))
        height, width = pixels.shape[:2]
        try:
            require_size(height, width)
            needs = memory.needed_for_style(self.transfer.encoder.ch, height, width)
            memory.require_free(needs, self.free, f"{width}x{height} pixels")
        except (ValueError, InputError) as error:
            raise ImageError(f"{path}: {error}: add --size") from error
        return pixels

    def readable(
        self, items: list[Style], size: int | None, progress: Progress, skipped: Skipped, units: int
    ) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Yield (name, images) of every item (name, files) whose files can all be read.

        An unreadable item is reported once, and counts as `units` of progress.
        """
        for name, files in items:
            pictures = None
            with skipped.one(name):
                pictures = [self.read(path, size) for path in files]
            if pictures is None:
                progress(units)
            else:
                yield name, pictures

    def run(self, progress: Progress) -> Skipped:
        """Render every content in every style; return what was skipped."""
        skipped = Skipped(self.arguments.strict or progress.total == 1, progress.say)
        self.say = progress.say
        make_folder(Path(self.arguments.out))
        contents, size = [(name, [path]) for path, name in self.contents], self.arguments.size
        style_size = self.arguments.style_size or size
        for content, (pixels,) in self.readable(contents, size, progress, skipped, len(self.styles)):
            for style, pictures in self.readable(self.styles, style_size, progress, skipped, 1):
                with skipped.one(content if len(self.styles) == 1 else f"{content} in {style}"):
                    self.write(content, style, pixels, pictures)
                progress()
        return skipped

    def write(self, content: str, style: str, pixels: np.ndarray, pictures: list[np.ndarray]) -> None:
        """Render and write one content in one style, which is made of `pictures`."""
        tiles = [self.tile(picture) for picture in (pixels, *pictures)]
        if self.arguments.preserve_color:
            pictures = [matched_colours(picture, pixels) for picture in pictures]
        try:
            result = stylise(self.transfer, pixels, pictures, self.shares(pixels, pictures), self.arguments.alpha)
        except InputError as error:  # the kind of error stays: an ImageError lies in this pair alone
            raise type(error)(f"{content} in the style of {style}: {error}") from error
        write_result(Path(self.arguments.out, *([style] if len(self.styles) > 1 else [])), content, result)
        self.tiles[content, style] = tiles[0], tiles[1], self.tile(result)
        self.done += 1

    def shares(self, pixels: np.ndarray, pictures: list[np.ndarray]) -> list[float] | list[np.ndarray]:
        """Return the share of each style: a number, or a map (h,w) if there is a mask."""
        if self.mask is None:
            return self.weights or [1 / len(pictures)] * len(pictures)
        height, width = pixels.shape[:2]
        mask = prepared(self.mask, self.arguments.size, self.arguments.crop)
        return region_shares(np.asarray(mask.resize((width, height), Image.Resampling.BILINEAR)))

    def tile(self, pixels: np.ndarray) -> np.ndarray:
        """Return an image as it appears on the sheet."""
        return np.array(_square(Image.fromarray(pixels)).resize((TILE, TILE), Image.Resampling.BOX))

    def sheet(self) -> np.ndarray:
        """Return the sheet: contents along the top, styles (the first of a mixture) on the left, results."""
        contents = list(dict.fromkeys(content for content, _ in self.tiles))[:SHOWN]
        styles = list(dict.fromkeys(style for _, style in self.tiles))[:SHOWN]
        white = np.full((TILE, TILE, 3), 255, np.uint8)
        rows = [[white, *(self.tiles[content, styles[0]][0] for content in contents)]]
        for style in styles:
            rows.append([self.tiles[contents[0], style][1], *(self.tiles[content, style][2] for content in contents)])
        return sheet(rows)


def require_apart(arguments: argparse.Namespace, contents: list[tuple[Path, str]], styles: list[Style]) -> None:
    """Raise UsageError if a result would overwrite an input."""
    inputs = {os.path.realpath(path) for path in [arguments.mask, *[path for path, _ in contents]] if path}
    inputs |= {os.path.realpath(path) for _, files in styles for path in files}
    folders = [style for style, _ in styles] if len(styles) > 1 else [""]
    results = [Path(arguments.out, folder, name) for folder, (_, name) in itertools.product(folders, contents)]
    for path in [*results, *filter(None, [arguments.sheet])]:
        if os.path.realpath(path) in inputs:
            raise UsageError(f"{path}: is an input, which would be overwritten")


def stylize(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    if not 0 <= arguments.alpha <= 1:
        raise UsageError(f"--alpha must be from 0 to 1, got {arguments.alpha}")
    for option, size in (("--size", arguments.size), ("--style-size", arguments.style_size)):
        if size is not None and not 1 <= size <= memory.LARGEST:
            raise UsageError(f"{option} must be 1 or more, and at most {memory.LARGEST}, got {size}")
    if arguments.sheet:
        require_writable(arguments.sheet)
    device.choose(arguments.device)
    contents, styles = collect(arguments.content, [arguments.out], to_stderr), mixtures(arguments.style)
    require_apart(arguments, contents, styles)
    weights = shares_of(arguments, styles)
    work = Stylising(arguments, load(arguments), contents, styles, weights)
    with Progress("stylising", len(contents) * len(styles), "images") as progress:
        if line := renamed(contents):
            progress.say(line)
        skipped = work.run(progress)
    if not work.done:
        given = f"{' '.join(arguments.content)} in {' '.join(arguments.style)}"
        raise InputError(f"{given}: no pair of a content and a style can be done")
    counts = f"{len(contents)} contents, {len(styles)} styles"
    print(one_line(f"{arguments.out}: {work.done} stylised, {counts}, alpha {arguments.alpha:g}"))
    skipped.report()
    if arguments.sheet:
        write_image(arguments.sheet, work.sheet())


def main(argv: Sequence[str] | None = None, program: str = "stylize") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: stylize(arguments), "what has been written is complete")
