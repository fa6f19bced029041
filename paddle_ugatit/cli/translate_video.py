"""Translate a video, or what a camera sees, with a trained generator of U-GAT-IT."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.cli import command
from paddle_ugatit.cli.face_translation import add_faces, face_side, margin_of, require_face_options
from paddle_ugatit.cli.picture_translator import PictureTranslator
from paddle_ugatit.cli.translate import add_generator, add_weights, load, require_max_side, side_of
from paddle_ugatit.cli.video_frames import FaceFrames, FrameTranslator, WholeFrames
from paddle_ugatit.cli.video_job import VideoJob
from paddle_ugatit.inference import video
from paddle_ugatit.inference.face_finder import load_finder
from paddle_ugatit.inference.sheets import GENERATORS
from paddle_ugatit.models.ugatit import ResnetGenerator

EVERY = (1, 1000)
EXAMPLES = """\
examples:
  python tools/translate_video.py --weights faces --input clip.mp4 --out anime.webm
  python tools/translate_video.py --weights run/latest.pdparams --input clip.mp4 --out anime.mkv --smooth 0.6
  python tools/translate_video.py --weights run/latest.pdparams --input clip.mp4 --out anime.webm --side-by-side
  python tools/translate_video.py --weights selfie2anime_params_1000000.pt --input clip.mp4 --out anime.webm --faces
  python tools/translate_video.py --weights faces --input 0 --resize 96 --max-frames 200 --out me.webm

Every frame becomes what tools/translate.py makes of it; the frames' rate, number and size are kept. FILE's suffix says
how the video is written:
  .webm        VP9, which browsers play
  .mkv, .avi   FFV1, lossless and large
  .mp4         MPEG-4 part 2 (mp4v), which many players play and browsers do not
Sides are even there: a last odd row or column is doubled. With --side-by-side the input stands on the left, with
--heatmap the heatmap on the right. --smooth A takes the mean of a frame and those before it: 0.6 means 40 % of the new
frame and 60 % of the mean so far. How much the videos change from frame to frame is printed at the end.
--faces finds the faces in every frame, as tools/translate.py --faces does, follows and steadies them, and puts their
translations back; the rest of a frame stays as it is. --resize is then the size of the crops.
A camera, a number from 0 on, is translated live: the newest frame is taken, and shown until the next one is ready. It
ends after --max-frames, or with Ctrl-C.
Sound is copied if the package imageio-ffmpeg is installed. Ctrl-C leaves a file with the frames so far, and so does a
clip that turns out to be damaged (docs/video.md).

exit code: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    add_weights(parser, required=True)
    parser.add_argument("--input", metavar="FILE|N", required=True, help="video to translate, or a camera's number")
    parser.add_argument("--out", metavar="FILE", required=True, help=f"result: {', '.join(video.FORMATS)}")
    parser.add_argument("--side-by-side", action="store_true", help="show the input on the left")
    parser.add_argument("--heatmap", action="store_true", help="show where the model looks on the right")
    parser.add_argument(
        "--smooth", type=float, default=0.0, metavar="A", help="weight of the frames before, against flicker (0)"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every Nth frame, at 1/N of the rate (1)"
    )
    parser.add_argument("--max-frames", type=int, metavar="N", help="end after N translated frames")
    add_faces(parser, "translate the faces in the frames, and put them back")
    add_generator(parser)
    # What tools/translate.py has besides, and what is shared with it asks for.
    parser.set_defaults(sheet=False, like="port", demo=False, compare=None, paste=False)
    return parser.parse_args(argv)


def require_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError if a value makes no sense, or the output is the input."""
    command.require(arguments, every=EVERY, max_frames=(1, 2**63))
    require_max_side(arguments)
    require_face_options(arguments)
    if not 0 <= arguments.smooth < 1:
        raise UsageError(f"--smooth must be from 0 to below 1, got {arguments.smooth:g}")
    suffix = Path(arguments.out).suffix
    if suffix.lower() not in video.FORMATS:
        known = ", ".join(video.FORMATS)
        raise UsageError(f"--out {arguments.out}: videos are written as {known}, not as {suffix or 'no suffix'}")
    if os.path.realpath(arguments.input) == os.path.realpath(arguments.out) or _same(arguments.input, arguments.out):
        raise UsageError(f"{arguments.out}: is the input, which would be overwritten")


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def translate_video(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    require_options(arguments)
    device.choose(arguments.device)
    with video.opened(arguments.input) as clip:
        network = load(arguments)[GENERATORS[arguments.direction][0]]
        frames = frames_of(arguments, network)
        command.prepare_outputs(arguments.out)
        VideoJob(arguments, clip, frames).run()


def frames_of(arguments: argparse.Namespace, network: ResnetGenerator) -> FrameTranslator:
    """Return what translates the frames: the whole of them, or their faces.

    Raises UsageError if faces cannot be found here; InputError if what --resize asks for does not fit in memory.
    """
    side = side_of(arguments, network)
    finder = load_finder() if arguments.faces else None
    translator = PictureTranslator(
        network, side if finder is None else face_side(arguments, side, network), arguments.max_side
    )
    translator.require_room()
    if finder is None:
        return WholeFrames(translator, arguments.smooth)
    return FaceFrames(translator, finder, margin_of(arguments), arguments.smooth)


def main(argv: Sequence[str] | None = None, program: str = "translate-video") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: translate_video(arguments), "a video that was begun holds the frames so far")
