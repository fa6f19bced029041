"""One run of `translate`: images read, translated at a size that fits in memory, written and compared."""

import argparse
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_ugatit.backend.errors import InputError, one_line
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli.picture_translator import PictureTranslator
from paddle_ugatit.cli.pictures import Skipped, make_folder, write_result
from paddle_ugatit.data import kinds
from paddle_ugatit.data.faces.folder import is_drawn
from paddle_ugatit.data.images import ImageError, further_frames, image_files, read_picture
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.sheets import GENERATORS, heatmap_pixels, sample_sheet
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.metrics import paired
from paddle_ugatit.metrics.kept import KeptAttributes, figure, lines
from paddle_ugatit.models.ugatit import ResnetGenerator


def truths(folder: str, pairs: list[tuple[Path, str]], skipped: Skipped) -> dict[str, Path]:
    """Return the file of the true image for the name of every result.

    That is the file of the same name, or else the only one whose name differs just in the suffix. A name without one is
    skipped; raises InputError if there is none for any.
    """
    files = {path.relative_to(folder).as_posix(): path for path in image_files(folder)}
    stems: dict[str, list[str]] = {}
    for name in files:
        stems.setdefault(os.path.splitext(name)[0], []).append(name)
    found, missing = {}, []
    for path, name in pairs:
        stem = os.path.splitext(name.removesuffix(".png") if not kinds.keeps(path.suffix) else name)[0]
        alike = [name] if name in files else stems.get(stem, [])
        if len(alike) == 1:
            found[name] = files[alike[0]]
        else:
            missing.append(name)
    if not found:
        raise InputError(f"{folder}: has no true image for {missing[0]} ({len(missing)} of {len(pairs)} have none)")
    for name in missing:
        with skipped.one(name):
            raise ImageError(f"{folder}: has no true image for {name}")
    return found


def folder_of(out: str, extra: str) -> str:
    """Return the folder of the results, or of an extra kind of them."""
    return f"{os.path.normpath(out)}-{extra}" if extra else out


@dataclass(frozen=True)
class Photo:
    """An image that is read: its name and pixels (H,W,3), and those at which it is translated, (h,w,3); uint8."""

    name: str
    pixels: np.ndarray
    working: np.ndarray


class TranslationJob:
    """One run of the command: reads images, writes results, keeps counts and measures."""

    def __init__(
        self, arguments: argparse.Namespace, networks: dict[str, ResnetGenerator], side: int | None, progress: Progress
    ) -> None:
        self.arguments, self.networks, self.side, self.progress = arguments, networks, side, progress
        self.there = networks[GENERATORS[arguments.direction][0]]
        self.skipped = Skipped(arguments.strict or progress.total == 1, progress.say)
        self.uncompared = Skipped(arguments.strict, progress.say, "not compared")
        self.truth: dict[str, Path] = {}
        self.translator = PictureTranslator(self.there, side, arguments.max_side, arguments.like == "official")
        self.free = self.translator.free
        self.done = 0
        self.reduced: Counter[int] = Counter()  # longer side at which images were translated -> how many
        self.measures: dict[str, list[dict[str, float]]] = {"translated": [], "input": []}
        self.kept = KeptAttributes() if arguments.compare and is_drawn(arguments.compare) else None

    def read(self, path: Path) -> np.ndarray:
        """Read an image, resized if that is asked for: uint8 (H,W,3)."""
        picture = read_picture(path)
        if note := further_frames(picture, path):
            self.progress.say(note)
        return self.translator.sized(picture)

    def run(self, pairs: list[tuple[Path, str]]) -> None:
        """Translate everything, consecutive images of one size together."""
        self.translator.require_room()
        make_folder(Path(self.arguments.out))
        batch: list[Photo] = []
        for path, name in pairs:
            done = len(self.skipped.names)
            with self.skipped.one(name):
                pixels = self.read(path)
                photo = Photo(name, pixels, self.reduce(path, pixels))
            if len(self.skipped.names) > done:
                self.progress()
                continue
            if batch and (len(batch) >= self.most(photo) or batch[0].working.shape != photo.working.shape):
                self.translate(batch)
                batch = []
            batch.append(photo)
        if batch:
            self.translate(batch)

    def most(self, photo: Photo) -> int:
        """Return how many images like this one are translated at a time."""
        height, width = photo.working.shape[:2]
        return min(self.arguments.batch, memory.batch_size(self.there, height, width, self.free))

    def reduce(self, path: Path, pixels: np.ndarray) -> np.ndarray:
        """Return an image at the size at which it is translated. Raises ImageError if the generator takes none."""
        try:
            return self.translator.working(pixels)
        except InputError as error:
            raise ImageError(f"{path}: {error}") from error

    def translate(self, batch: list[Photo]) -> None:
        """Translate and write one batch; where memory does not suffice, one image at a time."""
        images = np.stack([self.translator.to_input(photo.working) for photo in batch])
        try:
            translated, heatmaps = generate(self.there, images)
        except MemoryError:
            if len(batch) > 1:
                for photo in batch:
                    self.translate([photo])
                return
            with self.skipped.one(batch[0].name):
                raise
            self.progress()
            return
        for index, photo in enumerate(batch):
            with self.skipped.one(photo.name):
                self.finish(photo, images[index], translated[index], heatmaps[index])
            self.progress()

    def finish(self, photo: Photo, image: np.ndarray, translated: np.ndarray, heatmap: np.ndarray) -> None:
        """Write the results of one image at its own size, and compare it."""
        height, width = photo.pixels.shape[:2]
        result = self.translator.to_result(translated, height, width)
        write_result(self.arguments.out, photo.name, result)
        self.done += 1
        if photo.working.shape != photo.pixels.shape:
            self.reduced[max(photo.working.shape)] += 1
        if self.arguments.heatmap:
            write_result(
                folder_of(self.arguments.out, "heatmaps"), f"{photo.name}.png", heatmap_pixels(heatmap, height, width)
            )
        if self.arguments.sheet:
            sheet = sample_sheet(self.networks, image[None], self.arguments.direction)
            write_result(folder_of(self.arguments.out, "sheets"), f"{photo.name}.png", sheet)
        if photo.name in self.truth:
            with self.uncompared.one(photo.name):
                self.measure(self.truth[photo.name], result, photo.pixels)

    def measure(self, path: Path, result: np.ndarray, pixels: np.ndarray) -> None:
        """Compare a result, and its input, with the true image in a file. Raises ImageError if that cannot be."""
        truth = self.read(path)
        try:
            measured = paired.paired(result, truth), paired.paired(pixels, truth)
        except InputError as error:
            raise ImageError(f"{path}: {error}") from error
        if self.kept:
            self.kept.add(pixels, result, truth)
        for results, measures in zip(self.measures.values(), measured, strict=True):
            results.append(measures)

    def report(self) -> None:
        """Print what was done."""
        print(one_line(f"{self.arguments.out}: {self.done} translated, {self.arguments.direction}"))
        if self.reduced:
            sizes = ", ".join(f"{count} at {side} px" for side, count in sorted(self.reduced.items(), reverse=True))
            free = f"; {self.free / 2**30:.1f} GiB of memory were free" if self.free is not None else ""
            how = f"at a smaller size and enlarged to their own again (bicubic): {sizes}"
            print(f"{self.reduced.total()} translated {how} (--max-side {self.arguments.max_side}{free})")
        self.skipped.report()
        for what, results in self.measures.items():
            if results:
                mean = paired.mean_of(results)
                figures = f"L1 {mean['L1']:.2f}, PSNR {mean['PSNR']:.2f} dB, SSIM {mean['SSIM']:.4f}"
                print(one_line(f"{what} against {self.arguments.compare}: {figures} ({len(results)} pairs)"))
        if self.kept and self.kept.pairs:
            self.report_attributes(self.kept)
        self.uncompared.report()

    def report_attributes(self, kept: KeptAttributes) -> None:
        """Print which attributes of the drawn faces were kept, and write a picture of those that were not."""
        print("\n".join(lines(kept.about())))
        picture = figure(kept)
        if picture is not None:
            folder = folder_of(self.arguments.out, "attributes")
            write_result(folder, "changed.png", picture)
            print(one_line(f"{folder}/changed.png: the commonest changes"))
