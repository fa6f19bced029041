"""Convert checkpoints of U-GAT-IT, AdaIN, SAGAN, StyleGAN2 or FID's Inception between PyTorch (.pt, .pth), Paddle
(.pdparams) and .safetensors, in both directions; TensorFlow's of U-GAT-IT into each of them."""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paddle_ugatit import formats, weights
from paddle_ugatit.backend.errors import UsageError, one_line
from paddle_ugatit.backend.progress import Progress, size
from paddle_ugatit.cli import checkpoint_report, command
from paddle_ugatit.formats import atomic
from paddle_ugatit.weights.rules import FLOATS

EXAMPLES = """\
examples:
  python tools/convert_weights.py selfie2anime_params_1000000.pt selfie2anime.pdparams
  python tools/convert_weights.py selfie2anime.pdparams back.pt
  python tools/convert_weights.py initial.pt initial.safetensors --model ugatit-initial
  python tools/convert_weights.py UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing official.pdparams
  python tools/convert_weights.py UGATIT.model-1000000 --report
  python tools/convert_weights.py vgg_normalised.pth encoder.pdparams
  python tools/convert_weights.py 1000000_G.pth sagan_generator.pdparams
  python tools/convert_weights.py model_150.pt stylegan2.pdparams
  python tools/convert_weights.py pt_inception-2015-12-05-6726825d.pth inception.pdparams

A .safetensors destination gets the other framework's layout unless --framework says otherwise; for a .safetensors
source the header says which layout it has. If both sides are of one framework, the file is checked and written anew.
With --dtype float16 a file takes half the space; what reads it widens the weights again. PyTorch is not needed. Beside
a .pt or .pdparams destination, <DST>.json describes what the file holds.

Files of other programs are read too: whatever their suffix, with the prefixes of DataParallel and torch.compile, nested
in a state_dict, flat, or beside optimisers and options, of which nothing is executed. Lines say what was left aside.

exit code: 0 converted, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("source", metavar="SRC", help="checkpoint to read, of TensorFlow also its folder")
    written = f"checkpoint to write ({', '.join(formats.SUFFIXES)}); replaced if it exists"
    parser.add_argument("destination", nargs="?", metavar="DST", help=written)
    parser.add_argument(
        "--report", action="store_true", help="write nothing; print what SRC holds, by name, for a report of a fault"
    )
    parser.add_argument(
        "--model",
        choices=weights.models(),
        help="revision of the networks, which shapes do not reveal (default: from SRC's metadata, else from its keys)",
    )
    parser.add_argument("--framework", choices=("torch", "paddle"), help="layout of a .safetensors destination")
    parser.add_argument("--dtype", choices=FLOATS, help="round the weights to this dtype (default: as in SRC)")
    parser.add_argument("--ema", action="store_true", help="take the running means of networks instead of the networks")
    parser.add_argument(
        "--lr-mlp",
        type=float,
        metavar="X",
        help="StyleGAN2: --lr_mlp of SRC's training (from its .config.json, or 0.1)",
    )
    arguments = parser.parse_args(argv)
    if arguments.destination is None and not arguments.report:
        parser.error("the following arguments are required: DST, unless --report is given")
    if arguments.destination is not None and arguments.report:
        parser.error(f"--report writes nothing: leave out {arguments.destination}")
    return arguments


def destination_framework(source_framework: str, destination: str, wanted: str | None) -> str:
    """Return the framework whose layout DST gets.

    That is the framework of its suffix; for .safetensors it is `wanted`, or the one that SRC is not of. Raises
    UsageError if `wanted` contradicts the suffix.
    """
    by_suffix = formats.framework_of(destination)
    if by_suffix and wanted and by_suffix != wanted:
        raise UsageError(f"{destination}: its suffix is for {by_suffix}, --framework says {wanted}")
    return by_suffix or wanted or ("torch" if source_framework == "paddle" else "paddle")


def require_usable(source: str, destination: str) -> None:
    """Raise UsageError if DST's suffix is unknown, or if SRC and DST are the same file under whatever names."""
    try:
        formats.framework_of(destination)
    except formats.CheckpointError as error:
        raise UsageError(str(error)) from error
    same = os.path.realpath(source) == os.path.realpath(destination)
    if same or (os.path.exists(source) and os.path.exists(destination) and os.path.samefile(source, destination)):
        raise UsageError(f"{destination}: is the source itself")


def convert(arguments: argparse.Namespace) -> None:
    """Read, convert and write a checkpoint, and print what was done; or print a report on it."""
    if arguments.report:
        for line in checkpoint_report.lines(arguments.source, arguments.model):
            print(one_line(line))
        return
    started = time.monotonic()
    source, destination = arguments.source, arguments.destination
    require_usable(source, destination)
    atomic.require_replaceable(destination)
    if arguments.lr_mlp is not None and arguments.lr_mlp <= 0:
        raise UsageError(f"--lr-mlp must be above 0, got {arguments.lr_mlp:g}")
    read = formats.read(source)
    framework = destination_framework(read.framework, destination, arguments.framework)
    given = {} if arguments.lr_mlp is None else {"lr_mul": arguments.lr_mlp}
    checkpoint, notes = weights.convert(read, framework, source, arguments.model, given=given, averaged=arguments.ema)
    print(f"{source}: {read.framework}, {_amount(checkpoint)}")
    for name, options in checkpoint.metadata["networks"].items():
        print(f"  {name or 'bare state dict'}: {_described(options)}")
    for note in notes + weights.not_finite(checkpoint.networks, source):
        print(f"note: {note}")
    if arguments.dtype:
        checkpoint = rounded(checkpoint, arguments.dtype)
        print(f"rounded: every weight to the nearest {arguments.dtype}")
    print(f"model: {checkpoint.metadata['model']} ({_origin(arguments, read, checkpoint.metadata['model'])})")
    checkpoint.metadata.update(source=os.path.basename(source), source_sha256=_checksum(source))
    with Progress("writing", checkpoint.nbytes(), "B") as progress:
        formats.write(destination, checkpoint, progress)
    seconds = time.monotonic() - started
    print(f"{destination}: {framework}, {size(os.path.getsize(destination))}, written in {seconds:.1f} s")


def rounded(checkpoint: formats.Checkpoint, dtype: str) -> formats.Checkpoint:
    """Return the checkpoint with its weights rounded to `dtype`; integers, such as counters, stay as they are.

    Raises WeightError if a finite weight is too large for that dtype.
    """
    networks: dict[str, dict[str, np.ndarray]] = {}
    for name, state in checkpoint.networks.items():
        networks[name] = {}
        for key, array in state.items():
            if formats.dtype_name(array) not in FLOATS:
                networks[name][key] = array
                continue
            with np.errstate(over="ignore"):  # said below
                networks[name][key] = formats.cast(array, dtype)
            if np.isinf(formats.widened(networks[name][key])).sum() > np.isinf(formats.widened(array)).sum():
                raise weights.WeightError(f"{name}: {key!r} has values that are too large for {dtype}")
    return replace(checkpoint, networks=networks, metadata=checkpoint.metadata | {"dtype": dtype})


def _checksum(path: str) -> str:
    file = formats.file_of(path)
    with Progress("checksum", os.path.getsize(file), "B") as progress:
        return formats.sha256(file, progress)


def _amount(checkpoint: formats.Checkpoint) -> str:
    tensors = sum(1 for _ in checkpoint.tensors())
    dtype, amount = checkpoint.metadata["dtype"], size(checkpoint.nbytes())
    count = len(checkpoint.metadata["networks"])
    networks = "1 network" if count == 1 else f"{count} networks"
    return f"{networks}, {tensors} tensors, {amount}, {dtype}"


def _described(options: dict) -> str:
    named = {name: value for name, value in options.items() if name not in ("kind", "light", "img_size")}
    if options["kind"] == "generator":
        named["size"] = "light, any image" if options["light"] else f"full, {options['img_size']} px"
    return f"{options['kind']}: " + ", ".join(f"{name} {value}" for name, value in named.items())


def _origin(arguments: argparse.Namespace, read: formats.Checkpoint, model: str) -> str:
    if arguments.model:
        return "from --model"
    if "model" in read.metadata:
        return "from the file's metadata"
    if model not in ("ugatit", "ugatit-initial"):
        return "from its keys"
    return "the default; use --model ugatit-initial for checkpoints of the first revision"


def main(argv: Sequence[str] | None = None, program: str = "convert_weights") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: convert(arguments), "the destination is unchanged")
