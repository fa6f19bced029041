"""One run of `translate-video`: frames read, translated, smoothed and written; a file that plays, whatever ends it."""

import argparse
from pathlib import Path

import numpy as np

from paddle_ugatit.backend.errors import InputError, one_line, out_of_memory
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli.video_frames import FrameTranslator, Panels
from paddle_ugatit.formats import atomic
from paddle_ugatit.inference import sound
from paddle_ugatit.inference.flicker import Flicker
from paddle_ugatit.inference.video import Camera, Clip, ClipFrame, ClipWriter, counted

_MP4 = "written as MPEG-4 part 2 (mp4v): not lossless, and browsers do not play it; .webm they do"


class VideoJob:
    """Translates the frames of a clip or camera into the video that the options name."""

    def __init__(self, arguments: argparse.Namespace, clip: Clip | Camera, frames: FrameTranslator) -> None:
        self.arguments, self.clip, self.frames = arguments, clip, frames
        self.fps = clip.fps / (1 if clip.live else arguments.every)
        self.flicker = Flicker()
        self.writer: ClipWriter | None = None
        self.done, self.rate = 0, 0.0
        self.progress: Progress | None = None

    def run(self) -> None:
        """Make the video and print what was done.

        Raises what ended it early, when the frames before that are in their place.
        """
        said = ""
        with Progress("translating", self.total(), "frames") as self.progress:
            self.announce()
            with atomic.replacing_file(self.arguments.out) as temporary:
                ended = self.fill(temporary)
                if ended is None and not self.clip.live:
                    try:
                        said = sound.copy_sound(temporary, self.arguments.input, self.done / self.fps)
                    except KeyboardInterrupt as error:  # the frames are there: only their sound is given up
                        ended = error
        self.report(said)
        if ended is not None:
            raise ended

    def total(self) -> int | None:
        """Return how many frames there will be, as far as the clip promises; None if it does not."""
        most = self.arguments.max_frames
        if self.clip.count is None:
            return most
        promised = -(-self.clip.count // self.arguments.every)
        return promised if most is None else min(most, promised)

    def announce(self) -> None:
        """Say what the user should know beforehand."""
        if self.frames.note:
            self.say(self.frames.note)
        if not self.clip.named_rate:
            self.say(f"note: {self.clip.name}: names no rate, {self.fps:g} frames a second are assumed")
        if Path(self.arguments.out).suffix.lower() == ".mp4":
            self.say(f"note: {self.arguments.out}: {_MP4}")

    def say(self, line: str) -> None:
        """Print a line on stderr beside the progress."""
        if self.progress is not None:
            self.progress.say(line)

    def fill(self, path: Path) -> BaseException | None:
        """Write the video. Returns what ended it before the clip's end; raises that if there is no frame yet."""
        ended: BaseException | None = None
        try:
            self.each(path)
        except (InputError, MemoryError, KeyboardInterrupt) as error:
            if not self.done:
                raise
            ended = self.named(error)
        finally:
            late = self.close()
        ended = ended or late
        if ended is None and (fault := self.frames.fault()):
            raise InputError(f"{self.clip.name}: {fault}")
        return ended or self.damage()

    def close(self) -> KeyboardInterrupt | None:
        """Finish the file, also where an interrupt comes meanwhile, which is returned."""
        if self.writer is None:
            return None
        try:
            self.writer.close()
        except KeyboardInterrupt as error:
            self.writer.close()
            return error
        return None

    def each(self, path: Path) -> None:
        """Translate and write frame after frame."""
        before: np.ndarray | None = None
        for frame in self.clip.frames(self.arguments.every):
            shown = self.shown(frame)
            if self.writer is None:
                self.writer = self.opened(path, shown)
            if self.clip.live and before is not None:  # what was shown until this frame came
                for _ in range(round(frame.seconds * self.fps) - self.writer.frames):
                    self.writer.write(before)
            self.writer.write(shown)
            before = shown
            self.done += 1
            if self.progress is not None:
                self.progress()
                self.rate = self.progress.rate()
            if self.done == self.arguments.max_frames:
                break

    def shown(self, frame: ClipFrame) -> np.ndarray:
        """Return the picture that is written for a frame: what it becomes, with its input and heatmap if asked for."""
        try:
            panels = self.frames(frame.pixels)
        except InputError as error:
            raise InputError(f"{self.clip.name}: {error}") from error
        self.measure(panels)
        left = [panels.pixels] if self.arguments.side_by_side else []
        right = [panels.heatmap] if self.arguments.heatmap else []
        return np.concatenate([*left, panels.smooth, *right], axis=1)

    def measure(self, panels: Panels) -> None:
        """Measure by how much the input, what it becomes, and its mean change."""
        self.flicker.add("input", panels.pixels)
        self.flicker.add("translated", panels.translated)
        if self.arguments.smooth:
            self.flicker.add("smoothed", panels.smooth)

    def opened(self, path: Path, shown: np.ndarray) -> ClipWriter:
        """Open the file for pictures like the first one."""
        height, width = shown.shape[:2]
        writer = ClipWriter(path, self.fps, height, width, self.arguments.out)
        if writer.size != (height, width):
            rows, columns = writer.size
            self.say(
                f"note: {self.arguments.out}: videos have even sides, {width}x{height} pixels are written as "
                f"{columns}x{rows}: the last odd column or row is doubled"
            )
        return writer

    def named(self, error: BaseException) -> BaseException | None:
        """Return an error with the number of frames that were saved; None if that is how a camera's video ends."""
        if isinstance(error, KeyboardInterrupt):
            return None if self.clip.live else error
        if isinstance(error, MemoryError):
            error = InputError(f"{self.clip.name}: {out_of_memory(error)}")
        return InputError(f"{error}; {self.kept()}")

    def damage(self) -> InputError | None:
        """Return an error if the clip is truncated; say so if frames in between are missing."""
        missing = self.clip.missing()
        if missing and self.clip.ends_early():
            return InputError(f"{missing}: it is truncated or damaged; {self.kept()}")
        if missing:
            self.say(f"note: {missing}")
        return None

    def kept(self) -> str:
        """Return what is in the file nevertheless."""
        return f"{self.arguments.out} holds the {counted(self.done)} so far"

    def report(self, said: str) -> None:
        """Print what was done."""
        if self.writer is None:
            return
        height, width = self.writer.size
        shown = f"{width}x{height} pixels at {self.fps:g} frames a second"
        if self.clip.live:
            shown += f", each until the next one ({self.writer.frames} written)"
        out, direction = self.arguments.out, self.arguments.direction
        print(one_line(f"{out}: {counted(self.done)} translated, {direction}, {shown}"))
        print(f"{self.rate:.2f} frames a second were translated")
        for line in filter(None, (self.frames.about(), self.flicker.line())):
            print(line)
        if said:
            print(one_line(said))
