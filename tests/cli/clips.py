"""What the tests of videos share: clips with a drawn face, the command, and what translate makes of the same frames."""

import os

import cv2
import numpy as np
from PIL import Image

from paddle_ugatit import ResnetGenerator, formats
from paddle_ugatit.cli import picture_translator, translate, translate_video
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import video
from paddle_ugatit.inference.hushed import hushed


def write_weights(path, **options):
    """A small generator in both directions, with weights that are drawn here."""
    states = {}
    for seed, name in enumerate(("genA2B", "genB2A")):
        network, rng = ResnetGenerator(3, 3, ngf=4, n_blocks=1, **options), np.random.default_rng(seed)
        shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
        states[name] = {key: rng.normal(0, 0.3, shape).astype("float32") for key, shape in shapes.items()}
    formats.write(path, formats.Checkpoint(states, "paddle", {}))
    return path


def faces(count, height=32, width=48):
    """Frames on which a drawn face moves to the right."""
    face = draw("testA", 0, max(height, width), 0)[:height, :width]
    return [np.roll(face, 2 * number, axis=1) for number in range(count)]


def write(path, frames, fps=10.0):
    """A clip of frames with even sides, lossless but for .webm; .mjpeg: JPEG files one after the other."""
    if path.suffix == ".mjpeg":
        path.write_bytes(b"".join(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames))
        return path
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*video.FORMATS[path.suffix])
    with hushed():
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()
    return path


def read(path):
    """The frames of a clip, and its frames a second."""
    with hushed():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        frames = []
        while (got := capture.read())[0]:
            frames.append(got[1][..., ::-1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def run(weights, clip, out, *options):
    """Call the command and return its exit code."""
    return translate_video.main(list(map(str, ["--weights", weights, "--input", clip, "--out", out, *options])))


def by_translate(weights, frames, folder, *options):
    """What tools/translate.py makes of the frames, and their heatmaps."""
    (folder / "frames").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "frames" / f"{number:03}.png")
    words = ["--weights", weights, "--input", folder / "frames", "--out", folder / "done", "--heatmap", *options]
    assert translate.main(list(map(str, words))) == 0
    return [
        [read_image(path) for path in sorted((folder / name).iterdir())] for name in ("done", "done-heatmaps")
    ]  # fmt: skip


def left_in(folder):
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def equal(ours, theirs):
    """Whether two clips are the same, pixel by pixel."""
    assert [frame.shape for frame in ours] == [frame.shape for frame in theirs]
    return all((one == other).all() for one, other in zip(ours, theirs, strict=True))


def refusal(capsys, code, *arguments):
    """The one line on stderr with which the command ends."""
    capsys.readouterr()
    assert run(*arguments) == code
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("translate-video: "), lines
    return lines[0]


def interrupted(monkeypatch, frame, signum):
    """Have the process get a signal while a frame, from 1 on, is translated."""
    generate, calls = picture_translator.generate, []

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == frame:
            os.kill(os.getpid(), signum)
        return generate(*arguments)

    monkeypatch.setattr(picture_translator, "generate", interrupting)
