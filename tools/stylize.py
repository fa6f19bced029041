#!/usr/bin/env python
"""Give pictures the style of others with AdaIN: one style or several, in part or by regions, with or without its
colours."""

import argparse
import itertools
import math
import os
import sys
import warnings
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit.cli import command  # noqa: E402

# ruff: isort: split
import numpy as np  # noqa: E402
import paddle  # noqa: E402
from PIL import Image  # noqa: E402

from paddle_ugatit.backend.errors import InputError, UsageError  # noqa: E402
from paddle_ugatit.backend.progress import Progress  # noqa: E402
from paddle_ugatit.data.images import ImageError, read_picture, write_image  # noqa: E402
from paddle_ugatit.data.inputs import collect  # noqa: E402
from paddle_ugatit.inference.sheets import sheet  # noqa: E402
from paddle_ugatit.inference.stylise import matched_colours, region_shares, stylise, takes_vgg_levels  # noqa: E402
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer, require_size  # noqa: E402
from paddle_ugatit.weights import load_networks  # noqa: E402

PROGRAM = "stylize"
EXAMPLES = """\
examples:
  python tools/stylize.py --weights decoder.pth --encoder vgg_normalised.pth --content a.jpg --style b.jpg --out o
  python tools/stylize.py --weights run/checkpoints/latest/weights.pdparams --content photos --style paintings --out o
  python tools/stylize.py --weights W --content a.jpg --style b.jpg,c.jpg --style-weights 3,1 --alpha 0.7 --out o
  python tools/stylize.py --weights W --content a.jpg --style b.jpg,c.jpg --mask sky.png --preserve-color --out o

A value of --style is a picture, a folder or pattern (each picture in it a style of its own), or pictures with commas
between them: one mixture. Of one style, DIR gets results under the names of the contents; of several, a folder for
each. A mask is white where the first of two styles goes, black where the second does, and grey between. Grey pictures
become RGB, transparency is dropped. Pictures keep their size unless --size says otherwise.

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""
TILE, SHOWN = 192, 8  # pixels of a picture on the sheet, and pictures at most in a row or column


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="checkpoint, or a decoder alone")
    parser.add_argument("--encoder", metavar="FILE", help="VGG's weights, where FILE holds a decoder alone")
    parser.add_argument("--content", required=True, nargs="+", metavar="FILE|DIR|GLOB", help="pictures to stylise")
    parser.add_argument(
        "--style", required=True, nargs="+", metavar="FILE[,FILE..]|DIR|GLOB", help="styles to give them"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if need be")
    parser.add_argument("--style-weights", metavar="W,W..", help="shares of a mixture's styles, of any sum (equal)")
    parser.add_argument("--mask", metavar="FILE", help="regions of a mixture of two, instead of weights")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="A", help="0 is the content, 1 all style (1)")
    parser.add_argument("--preserve-color", action="store_true", help="keep the content's colours")
    parser.add_argument("--size", type=int, metavar="N", help="bring the shorter side of every picture to N pixels")
    parser.add_argument("--crop", action="store_true", help="cut the square in the middle out of every picture")
    parser.add_argument("--sheet", metavar="FILE", help="also write contents, styles and results as one picture")
    parser.add_argument("--strict", action="store_true", help="end at a picture that cannot be read, do not skip it")
    parser.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1 ... (Paddle's own choice)")
    return parser.parse_args(argv)


def load(arguments):
    """The networks, from one file or two."""
    found = {}
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
        print("note: the encoder is not VGG-19: its styles are those of other filters", file=sys.stderr)
    return StyleTransfer(found[Encoder], found[Decoder])


def mixtures(values):
    """(name, files) of every style: one file, or several where they are to be mixed."""
    found = []
    for value in values:
        if "," in value and not os.path.exists(value):
            pairs = collect(value.split(","))
            if len(pairs) != value.count(",") + 1:
                raise UsageError(f"--style {value}: each part of a mixture must be one picture, and another one")
            found.append(("+".join(PurePosixPath(name).stem for _, name in pairs), [path for path, _ in pairs]))
        else:
            found += [(os.path.splitext(name)[0], [path]) for path, name in collect([value])]
    names = [name for name, _ in found]
    return [(f"{name}_{i + 1}" if names.index(name) < i else name, files) for i, (name, files) in enumerate(found)]


def shares_of(arguments, styles):
    """Weights of --style-weights as shares, None without them. UsageError for what does not fit the styles."""
    for option in ("style_weights", "mask"):
        for _, files in styles if getattr(arguments, option) else ():
            if len(files) < 2 or (option == "mask" and len(files) != 2):
                number = "two pictures" if option == "mask" else "several pictures"
                raise UsageError(f"--{option.replace('_', '-')} needs --style with {number}, A,B")
    if arguments.style_weights is None:
        return None
    if arguments.mask:
        raise UsageError("--mask says where each style goes: it takes no --style-weights")
    try:
        weights = [float(weight) for weight in arguments.style_weights.split(",")]
    except ValueError as error:
        raise UsageError(f"--style-weights {arguments.style_weights}: must be numbers with commas between") from error
    if not all(0 <= weight < math.inf for weight in weights) or not sum(weights) > 0:
        raise UsageError(f"--style-weights {arguments.style_weights}: must be 0 or more, and not all of them 0")
    if any(len(weights) != len(files) for _, files in styles):
        raise UsageError(f"--style-weights {arguments.style_weights}: there are other than {len(weights)} styles")
    return [weight / sum(weights) for weight in weights]


def prepared(picture, arguments):
    """A picture at the size and cut that the options ask for."""
    if arguments.size:
        scale = arguments.size / min(picture.size)
        picture = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.BILINEAR)
    return _square(picture) if arguments.crop else picture


def _square(picture):
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    return picture.crop((left, top, left + side, top + side))


class Stylising:
    """One run of the command: contents and styles in, results and counts out."""

    def __init__(self, arguments, transfer, contents, styles, weights):
        self.arguments, self.transfer, self.contents, self.styles = arguments, transfer, contents, styles
        self.weights = weights
        self.mask = read_picture(arguments.mask).convert("L") if arguments.mask else None
        self.skipped, self.done, self.tiles = [], 0, {}

    def read(self, path):
        """uint8 (H,W,3); ImageError for what cannot be read, or is too small."""
        pixels = np.array(prepared(read_picture(path), self.arguments))
        try:
            require_size(*pixels.shape[:2])
        except ValueError as error:
            raise ImageError(f"{path}: {error}: add --size") from error
        return pixels

    def readable(self, items, progress, units):
        """(item, what `read` makes of its files) of every item (name, files) whose files can all be read."""
        for name, files in items:
            try:
                yield name, [self.read(path) for path in files]
            except ImageError as error:
                if self.arguments.strict:
                    raise
                if name not in self.skipped:
                    self.skipped.append(name)
                    progress.say(f"skipped: {error}")
                progress(units)

    def run(self, progress):
        """Every content in every style."""
        contents = [(name, [path]) for path, name in self.contents]
        for content, (pixels,) in self.readable(contents, progress, len(self.styles)):
            for style, pictures in self.readable(self.styles, progress, 1):
                self.write(content, style, pixels, pictures)
                progress()

    def write(self, content, style, pixels, pictures):
        """One content in one style."""
        tiles = [self.tile(picture) for picture in (pixels, *pictures)]
        if self.arguments.preserve_color:
            pictures = [matched_colours(picture, pixels) for picture in pictures]
        try:
            result = stylise(self.transfer, pixels, pictures, self.shares(pixels, pictures), self.arguments.alpha)
        except InputError as error:
            raise InputError(f"{content} in the style of {style}: {error}") from error
        path = Path(self.arguments.out, *([style] if len(self.styles) > 1 else []), PurePosixPath(content))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made: {error.strerror}") from error
        write_image(path, result)
        self.tiles[content, style] = (*tiles[:2], self.tile(result))
        self.done += 1

    def shares(self, pixels, pictures):
        """Of each style: numbers, or maps where there is a mask."""
        if self.mask is None:
            return self.weights or [1 / len(pictures)] * len(pictures)
        mask = prepared(self.mask, self.arguments).resize(pixels.shape[1::-1], Image.Resampling.BILINEAR)
        return region_shares(np.asarray(mask))

    def tile(self, pixels):
        """A picture as it is on the sheet."""
        return np.array(_square(Image.fromarray(pixels)).resize((TILE, TILE), Image.Resampling.BOX))

    def sheet(self):
        """Contents above, styles (the first of a mixture) on the left, results."""
        contents = list(dict.fromkeys(content for content, _ in self.tiles))[:SHOWN]
        styles = list(dict.fromkeys(style for _, style in self.tiles))[:SHOWN]
        white = np.full((TILE, TILE, 3), 255, np.uint8)
        rows = [[white, *(self.tiles[content, styles[0]][0] for content in contents)]]
        for style in styles:
            rows.append([self.tiles[contents[0], style][1], *(self.tiles[content, style][2] for content in contents)])
        return sheet(rows)


def require_apart(arguments, contents, styles):
    """Raise UsageError where a result would replace an input."""
    inputs = {os.path.realpath(path) for path in [arguments.mask, *[path for path, _ in contents]] if path}
    inputs |= {os.path.realpath(path) for _, files in styles for path in files}
    folders = [style for style, _ in styles] if len(styles) > 1 else [""]
    results = [Path(arguments.out, folder, name) for folder, (_, name) in itertools.product(folders, contents)]
    for path in [*results, *filter(None, [arguments.sheet])]:
        if os.path.realpath(path) in inputs:
            raise UsageError(f"{path}: is an input, which would be overwritten")


def stylize(arguments):
    """Do all that the command line says."""
    if not 0 <= arguments.alpha <= 1:
        raise UsageError(f"--alpha must be from 0 to 1, got {arguments.alpha}")
    if arguments.size is not None and arguments.size < 1:
        raise UsageError(f"--size must be 1 or more, got {arguments.size}")
    if arguments.device:
        try:
            paddle.set_device(arguments.device)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"--device {arguments.device}: {error}") from error
    contents, styles = collect(arguments.content, [arguments.out]), mixtures(arguments.style)
    require_apart(arguments, contents, styles)
    weights = shares_of(arguments, styles)
    work = Stylising(arguments, load(arguments), contents, styles, weights)
    with Progress("stylising", len(contents) * len(styles), "images") as progress:
        work.run(progress)
    if not work.done:
        raise InputError("no content and style there can be read")
    counts = f"{len(contents)} contents, {len(styles)} styles"
    print(f"{arguments.out}: {work.done} stylised, {counts}, alpha {arguments.alpha:g}")
    if work.skipped:
        print(f"{len(work.skipped)} skipped, which could not be read: {', '.join(work.skipped[:5])}")
    if arguments.sheet:
        write_image(arguments.sheet, work.sheet())


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: stylize(arguments), "what was written so far is whole")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
