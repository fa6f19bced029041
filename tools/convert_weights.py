#!/usr/bin/env python
"""Convert checkpoints of U-GAT-IT, AdaIN, SAGAN, StyleGAN2 or FID's Inception between PyTorch (.pt, .pth), Paddle
(.pdparams) and .safetensors, in both directions."""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit import formats, weights  # noqa: E402
from paddle_ugatit.backend.errors import UsageError  # noqa: E402
from paddle_ugatit.backend.progress import Progress, size  # noqa: E402
from paddle_ugatit.cli import command  # noqa: E402

PROGRAM = "convert_weights"
EXAMPLES = """\
examples:
  python tools/convert_weights.py selfie2anime_params_1000000.pt selfie2anime.pdparams
  python tools/convert_weights.py selfie2anime.pdparams back.pt
  python tools/convert_weights.py initial.pt initial.safetensors --model ugatit-initial
  python tools/convert_weights.py vgg_normalised.pth encoder.pdparams
  python tools/convert_weights.py 1000000_G.pth sagan_generator.pdparams
  python tools/convert_weights.py model_150.pt stylegan2.pdparams
  python tools/convert_weights.py pt_inception-2015-12-05-6726825d.pth inception.pdparams

A .safetensors destination takes the other framework's layout unless --framework says otherwise; as a source, its header
tells. With the same framework on both sides the file is checked and packed anew. PyTorch is not needed. Beside a .pt or
.pdparams destination, <DST>.json says what the file holds.

exit code: 0 converted, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="SRC", help=f"checkpoint to read: {', '.join(formats.SUFFIXES)}")
    parser.add_argument("destination", metavar="DST", help="checkpoint to write; replaced as a whole if it exists")
    parser.add_argument(
        "--model",
        choices=weights.MODELS,
        help="revision of the networks, which shapes do not tell (default: what SRC's metadata say, else by its keys)",
    )
    parser.add_argument("--framework", choices=("torch", "paddle"), help="layout of a .safetensors destination")
    return parser.parse_args(argv)


def destination_framework(source_framework, destination, wanted):
    """Whose layout DST gets: that of its suffix, and for .safetensors `wanted` or else the other one than SRC's."""
    by_suffix = formats.framework_of(destination)
    if by_suffix and wanted and by_suffix != wanted:
        raise UsageError(f"{destination}: its suffix is for {by_suffix}, --framework says {wanted}")
    return by_suffix or wanted or {"torch": "paddle", "paddle": "torch"}[source_framework]


def require_usable(source, destination):
    """Raise UsageError for a suffix that no format has, or where SRC and DST are one file under whatever names."""
    for path in (source, destination):
        try:
            formats.framework_of(path)
        except formats.CheckpointError as error:
            raise UsageError(str(error)) from error
    same = os.path.realpath(source) == os.path.realpath(destination)
    if same or (os.path.exists(source) and os.path.exists(destination) and os.path.samefile(source, destination)):
        raise UsageError(f"{destination}: is the source itself")


def convert(arguments):
    """Read, convert, write, and print a line on each."""
    started = time.monotonic()
    source, destination = arguments.source, arguments.destination
    require_usable(source, destination)
    read = formats.read(source)
    framework = destination_framework(read.framework, destination, arguments.framework)
    checkpoint, notes = weights.convert(read, framework, source, arguments.model)
    print(f"{source}: {read.framework}, {_amount(checkpoint)}")
    for name, options in checkpoint.metadata["networks"].items():
        print(f"  {name or 'bare state dict'}: {_described(options)}")
    for note in notes:
        print(f"note: {note}")
    print(f"model: {checkpoint.metadata['model']} ({_origin(arguments, read, checkpoint.metadata['model'])})")
    checkpoint.metadata.update(source=os.path.basename(source), source_sha256=_checksum(source))
    with Progress("writing", checkpoint.nbytes(), "B") as progress:
        formats.write(destination, checkpoint, progress)
    seconds = time.monotonic() - started
    print(f"{destination}: {framework}, {size(os.path.getsize(destination))}, written in {seconds:.1f} s")


def _checksum(path):
    with Progress("checksum", os.path.getsize(path), "B") as progress:
        return formats.sha256(path, progress)


def _amount(checkpoint):
    tensors = sum(1 for _ in checkpoint.tensors())
    dtype, amount = checkpoint.metadata["dtype"], size(checkpoint.nbytes())
    count = len(checkpoint.metadata["networks"])
    networks = "1 network" if count == 1 else f"{count} networks"
    return f"{networks}, {tensors} tensors, {amount}, {dtype}"


def _described(options):
    named = {name: value for name, value in options.items() if name not in ("kind", "light", "img_size")}
    if options["kind"] == "generator":
        named["size"] = "light, any image" if options["light"] else f"full, {options['img_size']} px"
    return f"{options['kind']}: " + ", ".join(f"{name} {value}" for name, value in named.items())


def _origin(arguments, read, model):
    if arguments.model:
        return "by --model"
    if "model" in read.metadata:
        return "by the file's metadata"
    if not model.startswith("ugatit"):
        return "by its keys"
    return "the default; --model ugatit-initial for checkpoints of the first revision"


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: convert(arguments), "the destination is as it was")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
