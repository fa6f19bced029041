"""Draw images from a trained generator of SAGAN or StyleGAN2, from a checkpoint of either framework."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli import command
from paddle_ugatit.data.images import require_writable, write_image
from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.inference import sample as sampling
from paddle_ugatit.inference import sample_stylegan2 as styles
from paddle_ugatit.inference.sheets import grid
from paddle_ugatit.training.options import shown
from paddle_ugatit.weights import load_networks

BATCH = 16  # images whose attention is held at once
MOST = 100_000  # seeds in one call
ON_A_SHEET = 4096  # images in one file
_LONGEST = 80  # characters of a range of seeds
EXAMPLES = """\
examples:
  python tools/sample.py --weights run/checkpoints/latest/weights.pdparams --out grid.png
  python tools/sample.py --weights 1000000_G.pth --out grid.png --seeds 3,8-14 --columns 4 --attention
  python tools/sample.py --weights run/checkpoints/latest/ema.pdparams --out way.png --seeds 1,5,9 --interpolate
  python tools/sample.py --weights run/checkpoints/latest/ema.pdparams --out samples --count 500
  python tools/sample.py --weights model_150.pt --out mixed.png --seeds 3-8 --mix 2 --truncation 0.6

A seed always gives the same image, whichever others are drawn with it. --out FILE.png gets a grid, filled line by line;
a folder gets one file for each seed, such as seed000003.png, so that tools/eval_kid.py can take it as it is.
--interpolate draws a line of --frames images from each seed to the next. --attention also writes FILE-attention.png:
each image with four places marked by dots, and what each of these attends to, in the first and in the second attention
layer; red is most.

From StyleGAN2 checkpoints, the averaged networks SE and GE are used if the file has them; --latest uses S and G.
--truncation pulls styles towards their mean: 0 gives the mean alone, 1 the full variety. --mix N makes a table with the
seeds' images along the top and the left; each cell has the left one's style in the first N blocks (pose, shape) and the
upper one's in the rest (colours).

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--weights", required=True, metavar="FILE", help="checkpoint, or a generator alone")
    parser.add_argument("--out", required=True, metavar="FILE|DIR", help="image of a grid, or folder of images")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", metavar="LIST", help="for example 3,8-14")
    which.add_argument(
        "--count", type=int, metavar="N", help="use the seeds 0 to N-1 (64; 8 with --attention or --mix)"
    )
    parser.add_argument("--columns", type=int, metavar="N", help="columns of a grid (8)")
    parser.add_argument("--interpolate", action="store_true", help="draw a line from each seed to the next")
    parser.add_argument("--frames", type=int, metavar="N", help="images in a line, both ends included (9)")
    parser.add_argument("--attention", action="store_true", help="also write where the generator looks")
    style = parser.add_argument_group("StyleGAN2 only")
    style.add_argument(
        "--truncation", type=float, metavar="PSI", help=f"usually 0 to 1, at most 2 ({styles.TRUNCATION})"
    )
    style.add_argument("--mix", type=int, metavar="N", help="make a table of styles mixed after N blocks")
    style.add_argument("--latest", action="store_true", help="use S and G instead of their averages")
    command.add_device(parser)
    return parser.parse_args(argv)


def seeds_of(arguments: argparse.Namespace) -> list[int]:
    """Return the seeds that --seeds or --count name, in their order. Raises UsageError if they are malformed."""
    if arguments.seeds is None:
        count = arguments.count
        if count is None:
            count = 8 if arguments.attention or arguments.mix is not None else 64
        if not 1 <= count <= MOST:
            raise UsageError(f"--count must be 1 to {MOST}, got {count}")
        return list(range(count))
    found: list[int] = []
    for part in arguments.seeds.split(","):
        lower, dash, upper = part.strip().partition("-")
        if not lower.isdecimal() or (dash and not upper.isdecimal()) or len(part) > _LONGEST:
            raise UsageError(f"--seeds: {shown(part.strip())} is neither a number nor a range like 8-14")
        first, last = int(lower), int(upper or lower)
        if last >= 2**63 or not first <= last < first + MOST - len(found):
            raise UsageError(f"--seeds: {shown(part.strip())} is no range, or exceeds {MOST} seeds")
        found += range(first, last + 1)
    return found


def require_sense(arguments: argparse.Namespace, seeds: list[int]) -> None:
    """Raise UsageError if options contradict each other."""
    for name, least in (("columns", 1), ("frames", 2)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} must be {least} or more, got {value}")
    if arguments.frames and not arguments.interpolate:
        raise UsageError("--frames needs --interpolate")
    if arguments.columns and (arguments.interpolate or is_folder(arguments.out)):
        raise UsageError("--columns applies to a grid only, not to --interpolate or a folder")
    if arguments.interpolate and (len(seeds) < 2 or is_folder(arguments.out)):
        raise UsageError("--interpolate needs at least two seeds, and an image file as --out")
    if arguments.attention and (arguments.interpolate or is_folder(arguments.out)):
        raise UsageError("--attention applies to a grid only: it needs an image file as --out, and no --interpolate")
    if arguments.mix is not None:
        if arguments.interpolate or arguments.attention or arguments.columns or is_folder(arguments.out):
            raise UsageError("--mix needs an image file as --out, and no --columns, --interpolate or --attention")
        if (len(seeds) + 1) ** 2 > ON_A_SHEET:
            raise UsageError(f"--mix of {len(seeds)} seeds makes too many images for one file: use fewer --seeds")
    if arguments.truncation is not None and not -2 <= arguments.truncation <= 2:
        raise UsageError(f"--truncation must be between -2 and 2, got {arguments.truncation}")
    images = len(seeds) * ((arguments.frames or 9) if arguments.interpolate else 1)
    if not is_folder(arguments.out) and images > ON_A_SHEET:
        raise UsageError(f"{images} images are too many for one file, which takes {ON_A_SHEET}: use a folder, or fewer")


def is_folder(out: str) -> bool:
    """Return whether --out names a folder: an existing one, or a name without a suffix."""
    return os.path.isdir(out) or not os.path.splitext(out)[1]


def drawn(sampler: sampling.Sampler, latents: np.ndarray) -> np.ndarray:
    """Return the images (n,3,S,S) of all latents (n,z), with progress."""
    with Progress("drawing", len(latents), "images") as progress:
        return np.stack([_counted(image, progress) for image in sampler.stream(latents)])


def _counted(image: np.ndarray, progress: Progress) -> np.ndarray:
    progress()
    return image


def write_folder(sampler: sampling.Sampler, seeds: list[int], folder: str) -> None:
    """Write one file for each seed."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with Progress("drawing", len(seeds), "images") as progress:
        for start in range(0, len(seeds), BATCH):
            part = seeds[start : start + BATCH]
            for seed, image in zip(part, sampler.stream(sampler.latents(part)), strict=True):
                write_image(Path(folder, f"seed{seed:06}.png"), to_pixels(image))
                progress()
    print(f"{folder}: {len(seeds)} images of {sampler.size}x{sampler.size} pixels")


def write_picture(sampler: sampling.Sampler, seeds: list[int], arguments: argparse.Namespace) -> None:
    """Write a grid, or lines, as one image."""
    latents, columns = sampler.latents(seeds), arguments.columns or 8
    if arguments.interpolate:
        columns = arguments.frames or 9
        ways = [sampler.between(one, other, columns) for one, other in zip(latents, latents[1:], strict=False)]
        latents = np.concatenate(ways)
    images = drawn(sampler, latents)
    write_image(arguments.out, grid(images, min(columns, len(images))))
    told = f"{len(seeds) - 1} lines of {columns}" if arguments.interpolate else f"{len(images)} images"
    print(f"{arguments.out}: {told}, {sampler.size}x{sampler.size} pixels each")


def write_mixed(sampler: styles.StyleGAN2Sampler, seeds: list[int], arguments: argparse.Namespace) -> None:
    """Write the table of --mix. Raises UsageError if the generator has no such number of blocks."""
    latents = sampler.latents(seeds)
    try:
        mixed = sampler.mixed(latents, latents, arguments.mix)
    except ValueError as error:
        raise UsageError(f"--mix {arguments.mix}: {error}") from error
    plain, _ = sampler.images(latents)
    white = np.ones_like(plain[:1])
    rows = [np.concatenate([left[None], row]) for left, row in zip(plain, mixed, strict=True)]
    write_image(arguments.out, grid(np.concatenate([white, plain, *rows]), len(seeds) + 1))
    told = f"the first {arguments.mix} blocks from the seeds on the left, the rest from those above"
    print(f"{arguments.out}: {len(seeds)}x{len(seeds)} images, {told}")


def write_attention(sampler: sampling.Sampler, seeds: list[int], out: str) -> None:
    """Write where the generator looks in each image, beside the grid. Raises InputError if it has no attention."""
    rows = []
    for start in range(0, len(seeds), BATCH):
        images, maps = sampler.images(sampler.latents(seeds[start : start + BATCH]))
        if not maps:
            raise InputError(f"{out}: this generator has no attention")
        rows.append(sampling.attention_rows(images, maps))
    stem, suffix = os.path.splitext(out)
    write_image(f"{stem}-attention{suffix}", np.concatenate(rows))
    print(f"{stem}-attention{suffix}: {len(seeds)} rows, an image and what four of its places attend to")


def sampler_of(arguments: argparse.Namespace) -> sampling.Sampler:
    """Return the sampler of the file's generator. Raises UsageError if an option is for another kind of generator."""
    networks = load_networks(arguments.weights, "float32", only=("", "G", "S", "GE", "SE"))
    sampler = sampling.of(networks, arguments.weights, arguments.latest)
    if isinstance(sampler, styles.StyleGAN2Sampler):
        sampler.truncation = styles.TRUNCATION if arguments.truncation is None else arguments.truncation
    elif arguments.mix is not None or arguments.truncation is not None or arguments.latest:
        raise UsageError(f"{arguments.weights}: --mix, --truncation and --latest are for StyleGAN2 only")
    return sampler


def sample(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    seeds = seeds_of(arguments)
    require_sense(arguments, seeds)
    if not is_folder(arguments.out):
        require_writable(arguments.out)
    device.choose(arguments.device)
    sampler = sampler_of(arguments)
    if is_folder(arguments.out):
        write_folder(sampler, seeds, arguments.out)
        return
    if arguments.mix is not None and isinstance(sampler, styles.StyleGAN2Sampler):
        write_mixed(sampler, seeds, arguments)
        return
    write_picture(sampler, seeds, arguments)
    if arguments.attention:
        write_attention(sampler, seeds, arguments.out)


def main(argv: Sequence[str] | None = None, program: str = "sample") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: sample(arguments), "what has been written is complete")
