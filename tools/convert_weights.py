#!/usr/bin/env python
"""Convert U-GAT-IT checkpoints between PyTorch (.pt, .pth), Paddle (.pdparams) and .safetensors, in both directions."""

import argparse
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit import formats, weights  # noqa: E402

PROGRAM = "convert_weights"
EXAMPLES = """\
examples:
  python tools/convert_weights.py selfie2anime_params_1000000.pt selfie2anime.pdparams
  python tools/convert_weights.py selfie2anime.pdparams back.pt
  python tools/convert_weights.py initial.pt initial.safetensors --model ugatit-initial

A .safetensors destination takes the other framework's layout unless --framework says otherwise; as a source, its header
tells. With the same framework on both sides the file is checked and packed anew. PyTorch is not needed. Beside a .pt or
.pdparams destination, <DST>.json says what the file holds.

exit code: 0 converted, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""
_PLAIN_SECONDS = 10  # between two lines of progress where there is no terminal


class UsageError(Exception):
    """Arguments that contradict one another."""


class Progress:
    """Bytes done: a bar on a terminal, a line now and then elsewhere, so only for long work."""

    def __init__(self, label, total):
        self.label, self.total, self.done = label, total, 0
        self.next_line = time.monotonic() + _PLAIN_SECONDS
        self.bar = _bar(label, total) if sys.stderr.isatty() else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()

    def __call__(self, nbytes):
        self.done += nbytes
        if self.bar is not None:
            self.bar.update(nbytes)
        elif time.monotonic() >= self.next_line:
            share = self.done / self.total if self.total else 1
            print(f"{self.label}: {_size(self.done)} of {_size(self.total)} ({share:.0%})", file=sys.stderr, flush=True)
            self.next_line = time.monotonic() + _PLAIN_SECONDS


def _bar(label, total):
    """A bar with rate and time left, None where tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=label, file=sys.stderr, unit="B", unit_scale=True, unit_divisor=1024, leave=False)


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
        help="revision of the networks, which shapes do not tell (default: what SRC's metadata say, else ugatit)",
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


def sha256(path):
    """The file's checksum, by which a converted file names its source."""
    digest = hashlib.sha256()
    with open(path, "rb") as file, Progress("checksum", os.path.getsize(path)) as progress:
        while block := file.read(1 << 20):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


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
    print(f"model: {checkpoint.metadata['model']} ({_origin(arguments, read)})")
    checkpoint.metadata.update(source=os.path.basename(source), source_sha256=sha256(source))
    with Progress("writing", checkpoint.nbytes()) as progress:
        formats.write(destination, checkpoint, progress)
    seconds = time.monotonic() - started
    print(f"{destination}: {framework}, {_size(os.path.getsize(destination))}, written in {seconds:.1f} s")


def _amount(checkpoint):
    tensors = sum(1 for _ in checkpoint.tensors())
    dtype, size = checkpoint.metadata["dtype"], _size(checkpoint.nbytes())
    networks = "1 network" if len(checkpoint.networks) == 1 else f"{len(checkpoint.networks)} networks"
    return f"{networks}, {tensors} tensors, {size}, {dtype}"


def _described(options):
    named = {name: value for name, value in options.items() if name not in ("kind", "light", "img_size")}
    if options["kind"] == "generator":
        named["size"] = "light, any image" if options["light"] else f"full, {options['img_size']} px"
    return f"{options['kind']}: " + ", ".join(f"{name} {value}" for name, value in named.items())


def _origin(arguments, read):
    if arguments.model:
        return "by --model"
    if "model" in read.metadata:
        return "by the file's metadata"
    return "the default; --model ugatit-initial for checkpoints of the first revision"


def _size(nbytes):
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.2f} GiB"


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    try:
        convert(arguments)
        return 0
    except UsageError as error:
        return _failed(error, 2)
    except (formats.CheckpointError, weights.WeightError) as error:
        return _failed(error, 1)
    except OSError as error:
        return _failed(f"{error.filename or arguments.source}: {error.strerror or error}", 1)
    except MemoryError:
        return _failed(f"{arguments.source}: not enough memory", 1)
    except KeyboardInterrupt:
        return _failed("interrupted; the destination is as it was", 130)


def _failed(reason, code):
    print(f"{PROGRAM}: {' '.join(str(reason).splitlines())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the unfinished file is removed
    sys.exit(main())
