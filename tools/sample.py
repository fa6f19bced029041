#!/usr/bin/env python
"""Draw pictures from a trained generator of SAGAN or StyleGAN2, from a checkpoint of either framework."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit.cli import command  # noqa: E402

# ruff: isort: split
import numpy as np  # noqa: E402
import paddle  # noqa: E402

from paddle_ugatit.backend.errors import InputError, UsageError  # noqa: E402
from paddle_ugatit.backend.progress import Progress  # noqa: E402
from paddle_ugatit.data.images import write_image  # noqa: E402
from paddle_ugatit.data.transforms import to_pixels  # noqa: E402
from paddle_ugatit.inference import sample as sampling  # noqa: E402
from paddle_ugatit.inference import sample_stylegan2 as styles
from paddle_ugatit.inference.sheets import grid  # noqa: E402
from paddle_ugatit.weights import load_networks  # noqa: E402

PROGRAM = "sample"
MOST = 100_000  # seeds of one call
ON_A_SHEET = 4096  # pictures of one file
EXAMPLES = """\
examples:
  python tools/sample.py --weights run/checkpoints/latest/weights.pdparams --out grid.png
  python tools/sample.py --weights 1000000_G.pth --out grid.png --seeds 3,8-14 --columns 4 --attention
  python tools/sample.py --weights run/checkpoints/latest/ema.pdparams --out way.png --seeds 1,5,9 --interpolate
  python tools/sample.py --weights run/checkpoints/latest/ema.pdparams --out samples --count 500
  python tools/sample.py --weights model_150.pt --out mixed.png --seeds 3-8 --mix 2 --truncation 0.6

A seed gives the same picture every time, beside whatever others. --out FILE.png gets a grid of them, line by line; a
folder gets a file for each, seed000003.png, so that tools/eval_kid.py can take it as it is. --interpolate draws a line
of --frames pictures from each seed to the next. --attention also writes FILE-attention.png: of each picture four
places, marked by dots, then what each of them looks at, in the first attention and in the second; red is most.

Of StyleGAN2 the running means SE and GE are drawn from where the file has them; --latest draws from S and G.
--truncation draws styles towards their mean: 0 is the mean alone, 1 all of the variety. --mix N makes a table: above
and at the left the pictures of the seeds, and where they meet the left one's style in the first N blocks (pose, shape),
the upper one's in the rest (colours).

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="checkpoint, or a generator alone")
    parser.add_argument("--out", required=True, metavar="FILE|DIR", help="picture of a grid, or folder of pictures")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", metavar="LIST", help="such as 3,8-14")
    which.add_argument("--count", type=int, metavar="N", help="the seeds 0 to N-1 (64; 8 with --attention or --mix)")
    parser.add_argument("--columns", type=int, metavar="N", help="of a grid (8)")
    parser.add_argument("--interpolate", action="store_true", help="a line from each seed to the next")
    parser.add_argument("--frames", type=int, metavar="N", help="of a line, both ends included (9)")
    parser.add_argument("--attention", action="store_true", help="also write where the generator looks")
    style = parser.add_argument_group("of StyleGAN2")
    style.add_argument("--truncation", type=float, metavar="PSI", help=f"0 to 1, or beyond ({styles.TRUNCATION})")
    style.add_argument("--mix", type=int, metavar="N", help="a table of styles mixed after N blocks")
    style.add_argument("--latest", action="store_true", help="draw from S and G, not from their running means")
    parser.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1 ... (Paddle's own choice)")
    return parser.parse_args(argv)


def seeds_of(arguments):
    """The whole numbers that --seeds or --count mean, in their order."""
    if arguments.seeds is None:
        count = arguments.count
        if count is None:
            count = 8 if arguments.attention or arguments.mix is not None else 64
        if not 1 <= count <= MOST:
            raise UsageError(f"--count must be 1 to {MOST}, got {count}")
        return list(range(count))
    found = []
    for part in arguments.seeds.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--seeds {arguments.seeds}: {part.strip()!r} is neither a number nor a range like 8-14")
        first, last = int(first), int(last or first)
        if last >= 2**63 or not first <= last < first + MOST - len(found):
            raise UsageError(f"--seeds {arguments.seeds}: {part.strip()!r} is no range, or of more than {MOST} seeds")
        found += range(first, last + 1)
    return found


def require_sense(arguments, seeds):
    """Raise UsageError for options that do not go together."""
    for name, least in (("columns", 1), ("frames", 2)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} must be {least} or more, got {value}")
    if arguments.frames and not arguments.interpolate:
        raise UsageError("--frames is of the lines of --interpolate, which is not asked for")
    if arguments.columns and (arguments.interpolate or is_folder(arguments.out)):
        raise UsageError("--columns is of a grid: a line has --frames, a folder neither")
    if arguments.interpolate and (len(seeds) < 2 or is_folder(arguments.out)):
        raise UsageError("--interpolate needs two seeds or more, and a picture as --out")
    if arguments.attention and (arguments.interpolate or is_folder(arguments.out)):
        raise UsageError("--attention goes with a grid only: a picture as --out, no --interpolate")
    if arguments.mix is not None:
        if arguments.interpolate or arguments.attention or arguments.columns or is_folder(arguments.out):
            raise UsageError("--mix makes a table of its own: a picture as --out, no --columns, lines or attention")
        if (len(seeds) + 1) ** 2 > ON_A_SHEET:
            raise UsageError(f"--mix of {len(seeds)} seeds has too many pictures for one file: name fewer by --seeds")
    if arguments.truncation is not None and not -2 <= arguments.truncation <= 2:
        raise UsageError(f"--truncation must be between -2 and 2, got {arguments.truncation}")
    pictures = len(seeds) * ((arguments.frames or 9) if arguments.interpolate else 1)
    if not is_folder(arguments.out) and pictures > ON_A_SHEET:
        raise UsageError(f"{pictures} pictures are too many for one file ({ON_A_SHEET}): give a folder, or fewer")


def is_folder(out):
    """Whether --out means a folder: one that is there, or a name without a suffix."""
    return os.path.isdir(out) or not os.path.splitext(out)[1]


def drawn(sampler, latents):
    """The images (n,3,S,S) of all latents, with progress."""
    with Progress("drawing", len(latents), "images") as progress:
        return np.stack([_counted(image, progress) for image in sampler.stream(latents)])


def _counted(image, progress):
    progress()
    return image


def write_folder(sampler, seeds, folder):
    """A file for each seed."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with Progress("drawing", len(seeds), "images") as progress:
        for start in range(0, len(seeds), sampling.BATCH):
            part = seeds[start : start + sampling.BATCH]
            for seed, image in zip(part, sampler.stream(sampler.latents(part)), strict=True):
                write_image(Path(folder, f"seed{seed:06}.png"), to_pixels(image))
                progress()
    print(f"{folder}: {len(seeds)} pictures of {sampler.size}x{sampler.size} pixels")


def write_picture(sampler, seeds, arguments):
    """A grid or lines, in one picture."""
    latents, columns = sampler.latents(seeds), arguments.columns or 8
    if arguments.interpolate:
        columns = arguments.frames or 9
        ways = [sampler.between(one, other, columns) for one, other in zip(latents, latents[1:], strict=False)]
        latents = np.concatenate(ways)
    images = drawn(sampler, latents)
    write_image(arguments.out, grid(images, min(columns, len(images))))
    told = f"{len(seeds) - 1} lines of {columns}" if arguments.interpolate else f"{len(images)} pictures"
    print(f"{arguments.out}: {told}, {sampler.size}x{sampler.size} pixels each")


def write_mixed(sampler, seeds, arguments):
    """The table of --mix."""
    latents = sampler.latents(seeds)
    try:
        mixed = sampler.mixed(latents, latents, arguments.mix)
    except ValueError as error:
        raise UsageError(f"--mix {arguments.mix}: {error}") from error
    plain, _ = sampler.images(latents)
    white = np.ones_like(plain[:1])
    rows = [np.concatenate([left[None], row]) for left, row in zip(plain, mixed, strict=True)]
    write_image(arguments.out, grid(np.concatenate([white, plain, *rows]), len(seeds) + 1))
    told = f"the first {arguments.mix} blocks of the seeds at the left, the rest of those above"
    print(f"{arguments.out}: {len(seeds)}x{len(seeds)} pictures, {told}")


def write_attention(sampler, seeds, out):
    """Where each picture looks, beside the grid."""
    rows = []
    for start in range(0, len(seeds), sampling.BATCH):
        images, maps = sampler.images(sampler.latents(seeds[start : start + sampling.BATCH]))
        if not maps:
            raise InputError(f"{out}: this generator has no attention")
        rows.append(sampling.attention_rows(images, maps))
    stem, suffix = os.path.splitext(out)
    write_image(f"{stem}-attention{suffix}", np.concatenate(rows))
    print(f"{stem}-attention{suffix}: {len(seeds)} rows, a picture and what four places of it look at")


def sampler_of(arguments):
    """The generator at work; UsageError where options are not of its kind."""
    networks = load_networks(arguments.weights, "float32", only=("", "G", "S", "GE", "SE"))
    sampler = sampling.of(networks, arguments.weights, arguments.latest)
    if isinstance(sampler, styles.StyleGan2):
        sampler.truncation = styles.TRUNCATION if arguments.truncation is None else arguments.truncation
    elif arguments.mix is not None or arguments.truncation is not None or arguments.latest:
        raise UsageError(f"{arguments.weights}: --mix, --truncation and --latest are of StyleGAN2, this is SAGAN")
    return sampler


def sample(arguments):
    """Do all that the command line says."""
    seeds = seeds_of(arguments)
    require_sense(arguments, seeds)
    if arguments.device:
        try:
            paddle.set_device(arguments.device)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"--device {arguments.device}: {error}") from error
    sampler = sampler_of(arguments)
    if is_folder(arguments.out):
        write_folder(sampler, seeds, arguments.out)
        return
    if arguments.mix is not None:
        write_mixed(sampler, seeds, arguments)
        return
    write_picture(sampler, seeds, arguments)
    if arguments.attention:
        write_attention(sampler, seeds, arguments.out)


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: sample(arguments), "what was written so far is whole")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
