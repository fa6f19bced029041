"""Check that pictures reach the networks as in the public code: every pixel, float and random choice.

    python align/check_data.py [--size N] [--data DIR] [--json FILE]

Compares paddle_ugatit's transforms bit by bit with Pillow and PyTorch, called as the public code calls them: the
training transform with its random choices recorded and replayed, the test transform, the scaling of all 256 values,
whole training batches, the stream of batches that a trainer gets, its test pictures, and the distribution of the random
choices; then which files of a folder or a command line are taken, how each is read and written, and the batches of
whole runs, against plain statements. A difference of pixels is explained if one of the known mistakes reproduces every
one. Two kinds of pictures are deliberately read in another way than by the public code and
show as differences with --data: those with an EXIF rotation and those with 16 bits. Exit code: 0 aligned, 1 diverged, 2
not comparable or bad usage.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

import numpy as np

from align.checks import data_batches, data_folders, running
from align.checks.data_batches import batch_cases
from align.checks.data_folders import folder_cases
from align.checks.data_stream import stream_rows
from align.compare.data import MARGIN, MISTAKES, PUBLIC, antialiased_bilinear, plain_bilinear, write_pictures
from align.compare.reference import NotComparable
from align.compare.verdict import UNKNOWN, Row
from align.report.document import entry, finish
from paddle_ugatit.cli import command
from paddle_ugatit.data import folders, pictures, transforms
from paddle_ugatit.data.images import image_files, read_image, read_picture
from paddle_ugatit.data.transforms import Choice

_DRAWS = 40_000  # random choices drawn to test their distribution, to 0.01 for a half
_TRANSFORMS, _FOLDERS = "paddle_ugatit/data/transforms.py", "paddle_ugatit/data/folders.py"
SOURCES = dict.fromkeys(("training batches", "training stream", "test pictures"), _FOLDERS)  # case -> its file
SOURCES |= data_folders.SOURCES | data_batches.SOURCES


def cases(size, seed, paths, batches=True):
    """Yield (name, rows, cause) per case; `cause` explains a difference or is ""."""
    yield from picture_cases(size, seed, paths, batches)
    if batches:
        yield from folder_cases()
        yield from batch_cases(size, seed)


def picture_cases(size, seed, paths, batches=True):
    """Yield the cases of `cases` that are about pictures and, with `batches`, about what a trainer makes of them."""
    yield "scaling", _scaling(), ""
    for path in paths:
        yield path.name, *_picture(path, size, seed)
    yield "resize filter", _filter(paths, size), ""
    yield "random choices", _choices(seed), ""
    yield "TensorFlow program", _official(paths, size), ""
    if batches:
        yield "training batches", _batches(size, seed), ""
        stream, tests = stream_rows(size, seed)
        yield "training stream", stream, ""
        yield "test pictures", tests, ""


def _row(stage, found, wanted, limit=0.0, note=""):
    """Compare two arrays by their largest difference, which may be up to `limit`."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    error = None
    if found.shape != wanted.shape or found.dtype != wanted.dtype or not found.size:
        note = f"{found.dtype} {list(found.shape)}, not {wanted.dtype} {list(wanted.shape)}"
    elif not np.isfinite(found).all():
        note = "NaN or infinite"
    else:
        error = float(np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max())
    verdict = "pass" if error is not None and error <= limit else "fail"
    shape = list(found.shape)
    return Row(stage, "", 1, "output", "", "isolated", str(found.dtype), shape, error, None, limit, verdict, note)


def _scaling():
    """All 256 values against PyTorch's arithmetic and against exact values."""
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    found = transforms.to_input(pixels)
    exact = np.moveaxis(pixels, 2, 0) / 127.5 - 1
    return [
        _row("scale", found, PUBLIC.scaled(pixels)),
        _row("scale, exact", found.astype(np.float64), exact, 2e-7),
        _row("back to pixels", transforms.to_pixels(found), pixels),
    ]


def _corners(seed):
    """Choices to replay: the corners of their range, and a few at random."""
    fixed = [Choice(flip, top, left) for flip in (False, True) for top, left in ((0, MARGIN), (MARGIN, 0))]
    return [*fixed, *(transforms.draw_choice(seed, 99, n) for n in range(4))]


def _picture(path, size, seed):
    """Rows for one file, and the mistake that explains them all."""
    replays = [None, *_corners(seed)]
    found = [_ours(path, size, choice) for choice in replays]
    rows = [_row("read", read_image(path), np.array(PUBLIC.read(path)))]
    for choice, (pixels, image) in zip(replays, found, strict=True):
        stage = "test" if choice is None else f"train flip={int(choice.flip)} top={choice.top} left={choice.left}"
        wanted = PUBLIC.pixels(path, size, choice)
        rows += [_row(f"{stage}: pixels", pixels, wanted), _row(f"{stage}: input", image, PUBLIC.scaled(wanted))]
    narrow = Choice(True, 3, 1)
    rows.append(
        _row(
            "margin 3",
            transforms.train_pixels(read_picture(path), size, narrow, 3),
            PUBLIC.pixels(path, size, narrow, 3),
        )
    )
    if all(row.verdict == "pass" for row in rows):
        return rows, ""
    return rows, _cause(path, size, replays, [image for _, image in found])


def _ours(path, size, choice):
    picture = read_picture(path)
    test = choice is None
    pixels = transforms.test_pixels(picture, size) if test else transforms.train_pixels(picture, size, choice)
    return pixels, transforms.to_input(pixels)


def _cause(path, size, replays, images):
    """The known mistake with which the public pipeline gives exactly our result, or UNKNOWN."""
    for name, mistaken in MISTAKES.items():
        wanted = [mistaken.scaled(mistaken.pixels(path, size, choice)) for choice in replays]
        if all(np.array_equal(image, other) for image, other in zip(images, wanted, strict=True)):
            return name
    return UNKNOWN


def _filter(paths, size):
    """Our resized pictures against the filter's formula; rounding may differ by one level."""
    rows = []
    for path in paths:
        pixels = read_image(path)
        wanted = antialiased_bilinear(pixels, size).clip(0, 255).astype(np.uint8)
        rows.append(_row(f"{path.name}, by formula", transforms.test_pixels(read_picture(path), size), wanted, 1.0))
    return rows


def _official(paths, size):
    """The authors' TensorFlow program: pixels from four neighbours, whatever the size, which may differ by a level."""
    rows = []
    for path in paths[:2]:
        picture, pixels = read_picture(path), read_image(path)
        wanted = plain_bilinear(pixels, size)
        rows.append(_row(f"{path.name}, resized", transforms.official_pixels(picture, size), wanted, 1.0))
        scaled = (pixels.astype(np.float64).transpose(2, 0, 1) - 127.5) / 127.5
        found = transforms.official_input(pixels)
        rows.append(_row(f"{path.name}, scaled", found, scaled.astype(np.float32), 1.2e-7))
        rows.append(_row(f"{path.name}, in one piece", np.float64(found.flags.c_contiguous), np.float64(1)))
    return rows


def _choices(seed):
    """Flips half the time, offsets 0 to 30 equally often, a new order for each epoch and domain."""
    drawn = [transforms.draw_choice(seed, 7, n) for n in range(_DRAWS)]
    rows = [_share("flip", np.mean([choice.flip for choice in drawn]), 0.5)]
    for name in ("top", "left"):
        values = np.array([getattr(choice, name) for choice in drawn])
        rows.append(_row(f"{name}: range", np.array([values.min(), values.max()]), np.array([0, MARGIN])))
        for offset in range(MARGIN + 1):
            rows.append(_share(f"{name} = {offset}", np.mean(values == offset), 1 / (MARGIN + 1)))
    orders = [transforms.draw_order(97, seed, domain, epoch) for domain in (0, 1) for epoch in (0, 1)]
    rows += [_row("order: a permutation", np.sort(order), np.arange(97)) for order in orders]
    fixed = [np.mean(one == other) for i, one in enumerate(orders) for other in orders[:i]]
    rows.append(_row("order: independent", np.float64(max(fixed)), np.float64(0), 0.1))
    return rows


def _share(stage, found, wanted):
    """A share among the draws, which may be off by four standard deviations."""
    return _row(stage, np.float64(found), np.float64(wanted), 4 * (wanted * (1 - wanted) / _DRAWS) ** 0.5)


def _batches(size, seed):
    """What the trainer reads against the public pipeline, given the recorded files and choices."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for domain in folders.DOMAINS:
            Path(folder, f"train{domain}").mkdir()
            write_pictures(Path(folder, f"train{domain}"), seed + ord(domain), count=5)
        read = stack.enter_context(patch.object(pictures, "read_picture", side_effect=read_picture))
        draw = stack.enter_context(patch.object(transforms, "draw_choice", _Recorder(transforms.draw_choice)))
        data = folders.TrainingData(folder, size, 2, seed, workers=0, say=lambda line: None)
        for step in range(1, 5):
            read.reset_mock()
            draw.results.clear()
            found = np.concatenate(data.batch(step))
            paths = [call.args[0] for call in read.call_args_list]
            wanted = [
                PUBLIC.scaled(PUBLIC.pixels(path, size, choice))
                for path, choice in zip(paths, draw.results, strict=True)
            ]
            rows.append(_row(f"batch {step}", found, np.stack(wanted)))
    return rows


class _Recorder:
    """Calls a function and keeps its results."""

    def __init__(self, function):
        self.function, self.results = function, []

    def __call__(self, *arguments, **named):
        self.results.append(self.function(*arguments, **named))
        return self.results[-1]


def case_entry(name, rows, cause, size, seed, seconds):
    """Return a case of the report."""
    failed = [row for row in rows if row.verdict == "fail"]
    blamed = None
    if failed:
        first = failed[0]
        much = first.note or f"by {first.error:.3g}, limit {first.limit:.3g}"
        message = f"{first.layer} differs {much}" + (f"; cause: {cause}" if cause else "")
        blamed = {**asdict(first), "message": message, "cause": _evidence(cause, first.error)}
    sources = SOURCES.get(name, _TRANSFORMS), "align/compare/data.py"
    options = {"size": size, "seed": seed}
    return entry(name, f"Data: {name}", "transforms", sources, options, rows, blamed, seconds)


def _evidence(cause, before):
    """The cause as the other checks report it; a named mistake leaves no error at all."""
    if not cause:
        return None
    return {"name": cause, "before": before, "after": None if cause == UNKNOWN else 0.0, "tried": len(MISTAKES)}


def check(size, seed, paths, batches=True):
    """Yield the report's entries."""
    cases_ = cases(size, seed, paths, batches)
    while True:
        start = time.perf_counter()
        case = next(cases_, None)
        if case is None:
            return
        yield case_entry(*case, size, seed, time.perf_counter() - start)


def parse(argv):
    """Parse the command line."""
    options = running.parser("check_data", __doc__, "--data data/faces/testA")
    options.add_argument("--size", type=int, default=64, metavar="N", help="size of the networks' images (64)")
    options.add_argument("--seed", type=int, default=0, metavar="K", help="seed of pictures and choices (0)")
    options.add_argument("--data", metavar="DIR", help="use the first pictures in this folder instead of random ones")
    options.add_argument("--count", type=int, default=5, metavar="N", help="number of pictures (5)")
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    running.add_device(options)
    return options.parse_args(argv)


def _run(arguments):
    command.require(arguments, size=command.SIZE, count=(1, 10_000), seed=command.SEED)
    command.prepare_outputs(arguments.json)
    try:
        import torch
    except ImportError as error:
        raise NotComparable("PyTorch is not installed; its arithmetic is the reference") from error
    running.use_device(arguments)
    start, entries = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.data:
            paths = image_files(arguments.data)[: arguments.count]
        else:
            paths = write_pictures(Path(folder), arguments.seed, arguments.count)
        for case in check(arguments.size, arguments.seed, paths):
            line = f"{case['verdict']:<14} {case['name']:<20} {case['counts']['compared']:>3} compared"
            print(line + (f"\n    first: {case['blamed']['message']}" if case["blamed"] else ""), flush=True)
            entries.append(case)
    return finish("data", entries, start, arguments, torch.__version__)


def main(argv=None):
    """Run the check; returns the exit code."""
    arguments = parse(argv)
    return running.run("check_data", lambda: _run(arguments))
