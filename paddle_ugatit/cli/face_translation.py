"""One run of `translate --faces`: every face of every photo cut out, translated, and put back if that is asked for."""

import argparse
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from paddle_ugatit.backend.errors import UsageError, one_line
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli.picture_translator import PictureTranslator
from paddle_ugatit.cli.pictures import Skipped, make_folder, write_result
from paddle_ugatit.cli.translation import folder_of
from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import ImageError, further_frames, read_picture
from paddle_ugatit.inference import memory
from paddle_ugatit.inference.face_crop import Frame, cropped, fits, frame_of, pasted
from paddle_ugatit.inference.face_finder import Finder
from paddle_ugatit.inference.sheets import GENERATORS, heatmap_pixels, sample_sheet
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights.pretrained import trained_side

EXTRAS = ("crops", "pasted")  # folders beside the results, as heatmaps and sheets
SMALLEST_MARGIN, LARGEST_MARGIN = 0.2, 5.0
_RESULT = re.compile(r"(.+)_face[0-9]+\.png", re.DOTALL)
_USUAL_SIDE = 256  # pixels, of public checkpoints


def add_faces(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options `--faces`, which does `what`, and `--margin`."""
    parser.add_argument("--faces", action="store_true", help=what)
    parser.add_argument("--margin", type=float, metavar="X", help="with --faces: crops X times as wide (1.0)")


def margin_of(arguments: argparse.Namespace) -> float:
    """Return the factor by which crops are wider than usual."""
    return 1.0 if arguments.margin is None else arguments.margin


def require_face_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError if options contradict `--faces`, or need it."""
    given = {"--margin": arguments.margin is not None, "--paste": arguments.paste}
    for option in [name for name, value in given.items() if value and not arguments.faces]:
        raise UsageError(f"{option} is about faces: add --faces")
    if not arguments.faces:
        return
    whole = {"--demo": arguments.demo, "--compare": arguments.compare, "--as official": arguments.like == "official"}
    for option in [name for name, value in whole.items() if value]:
        raise UsageError(f"{option} is about whole pictures: it cannot be combined with --faces")
    if not SMALLEST_MARGIN <= margin_of(arguments) <= LARGEST_MARGIN:
        raise UsageError(f"--margin must be from {SMALLEST_MARGIN} to {LARGEST_MARGIN}, got {arguments.margin}")


def face_side(arguments: argparse.Namespace, side: int | None, network: ResnetGenerator) -> int:
    """Return the height and width of the crops: `side` if --resize gives one, or else what the model was trained on.

    A light model does not tell; public ones were trained on 256 pixels.
    """
    return side or trained_side(arguments.weights) or network.img_size or _USUAL_SIDE


def require_inputs_kept(out: str, pairs: list[tuple[Path, str]]) -> None:
    """Raise UsageError if a result could overwrite an input."""
    begun = list(stems(name for _, name in pairs).values())
    cut = {os.path.realpath(Path(folder_of(out, extra), stem)) for extra in ("", "crops") for stem in begun}
    whole = {os.path.realpath(Path(folder_of(out, "pasted"), f"{stem}.png")) for stem in begun}
    for path, _ in pairs:
        real = os.path.realpath(path)
        match = _RESULT.fullmatch(real)
        if real in whole or (match and match[1] in cut):
            raise UsageError(f"{path}: is an input, which a result could overwrite: choose another --out")


def stems(names: Iterable[str]) -> dict[str, str]:
    """Return what the names of a photo's faces begin with: its name without its suffix, or with it if two share that.

    Names that differ in the case of letters alone count as equal, since they may be one file.
    """
    names = list(names)
    bare = [PurePosixPath(name).with_suffix("").as_posix() for name in names]
    folded = [stem.lower() for stem in bare]
    taken = {stem for stem in folded if folded.count(stem) == 1}
    found = {}
    for name, stem in zip(names, bare, strict=True):
        if stem.lower() not in taken:
            stem, number = name, 1
            while stem.lower() in taken:
                number += 1
                stem = f"{name}_{number}"
            taken.add(stem.lower())
        found[name] = stem
    return found


class FaceJob:
    """One run of the command with --faces: finds, cuts out, translates and writes faces, keeps counts."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        networks: dict[str, ResnetGenerator],
        side: int,
        finder: Finder,
        progress: Progress,
    ) -> None:
        self.arguments, self.networks, self.side = arguments, networks, side
        self.finder, self.progress = finder, progress
        self.there = networks[GENERATORS[arguments.direction][0]]
        self.margin = margin_of(arguments)
        self.skipped = Skipped(arguments.strict or progress.total == 1, progress.say)
        self.free = memory.available() if self.there.light else None
        self.photos = self.done = 0

    def run(self, pairs: list[tuple[Path, str]]) -> None:
        """Do every photo."""
        PictureTranslator(self.there, self.side, max_side=0).require_room()
        if self.finder.note:
            self.progress.say(f"note: {self.finder.note}")
        make_folder(Path(self.arguments.out))
        named = stems(name for _, name in pairs)
        for path, name in pairs:
            with self.skipped.one(name):
                self.photo(path, named[name])
            self.progress()

    def photo(self, path: Path, stem: str) -> None:
        """Do one photo, the names of whose results begin with `stem`. Raises ImageError if it shows no face."""
        picture = read_picture(path)
        if note := further_frames(picture, path):
            self.progress.say(note)
        pixels = np.array(picture)
        if not fits(pixels):
            raise ImageError(f"{path}: a side of {max(pixels.shape[:2])} pixels is too long to look for faces")
        frames = [frame_of(face.landmarks, self.margin) for face in self.finder.find(pixels)]
        if not frames:
            raise ImageError(f"{path}: no face was found")
        result = pixels
        for number, (frame, translated) in enumerate(zip(frames, self.faces(pixels, frames, stem), strict=True), 1):
            write_result(self.arguments.out, f"{stem}_face{number}.png", translated)
            self.done += 1
            if self.arguments.paste:
                result = pasted(result, frame, translated)
        if self.arguments.paste:
            write_result(folder_of(self.arguments.out, "pasted"), f"{stem}.png", result)
        self.photos += 1

    def faces(self, pixels: np.ndarray, frames: list[Frame], stem: str) -> Iterable[np.ndarray]:
        """Yield the translation of every face, uint8 (side,side,3); crops, heatmaps and sheets are written."""
        most = min(self.arguments.batch, memory.batch_size(self.there, self.side, self.side, self.free))
        for first in range(0, len(frames), most):
            crops = [cropped(pixels, frame, self.side) for frame in frames[first : first + most]]
            images = np.stack([transforms.to_input(crop) for crop in crops])
            translated, heatmaps = generate(self.there, images)
            for index, crop in enumerate(crops):
                name = f"{stem}_face{first + index + 1}.png"
                self.extras(name, crop, images[index], heatmaps[index])
                yield transforms.to_pixels(translated[index])

    def extras(self, name: str, crop: np.ndarray, image: np.ndarray, heatmap: np.ndarray) -> None:
        """Write what is wanted beside the translation of one face."""
        out = self.arguments.out
        write_result(folder_of(out, "crops"), name, crop)
        if self.arguments.heatmap:
            write_result(folder_of(out, "heatmaps"), f"{name}.png", heatmap_pixels(heatmap, self.side, self.side))
        if self.arguments.sheet:
            sheet = sample_sheet(self.networks, image[None], self.arguments.direction)
            write_result(folder_of(out, "sheets"), f"{name}.png", sheet)

    def report(self) -> None:
        """Print what was done."""
        faces, photos = _counted(self.done, "face"), _counted(self.photos, "photo")
        size = f"{self.side} px, margin {self.margin:g}"
        print(one_line(f"{self.arguments.out}: {faces} in {photos} translated, {self.arguments.direction}, {size}"))
        self.skipped.report()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
