"""face_framing: the margin of pictures whose faces are where they should be."""

import numpy as np
import pytest

from paddle_ugatit.cli import face_framing
from paddle_ugatit.data.images import write_image
from paddle_ugatit.inference.face_finder import FoundFace

LANDMARKS = np.array([[40.0, 50], [60, 50], [50, 60], [42, 70], [58, 70]])  # a frame of 100 px about (50, 60)


class Given:
    """Finds so many faces as the first pixel says."""

    note = ""

    def find(self, pixels):
        return [FoundFace(np.zeros(4), LANDMARKS, 1.0)] * int(pixels[0, 0, 0])


@pytest.fixture(autouse=True)
def given(monkeypatch):
    monkeypatch.setattr(face_framing, "load_finder", Given)


def pictures(folder, *numbers, size=(120, 80)):
    for index, number in enumerate(numbers):
        folder.mkdir(exist_ok=True)
        write_image(folder / f"{index}.png", np.full((*size, 3), number, np.uint8))
    return str(folder)


def test_the_margin_is_of_the_shorter_side(tmp_path, capsys):
    assert face_framing.main(["--input", pictures(tmp_path / "in", 1, 1, 0, 2)]) == 0
    said = capsys.readouterr()
    assert "one face in 2 of 4 pictures" in said.out and "--margin 0.80 (0.80 to 0.80)" in said.out
    assert "at 62% of the width" in said.out and "and 50% of the height" in said.out
    assert "2 skipped: 2.png, 3.png" in said.out and said.err.count("does not show exactly one face") == 2


@pytest.mark.parametrize("numbers", [(0,), (2,), (0, 3)])
def test_without_a_face_there_is_nothing_to_measure(tmp_path, capsys, numbers):
    assert face_framing.main(["--input", pictures(tmp_path / "in", *numbers)]) == 1
    assert "exactly one face" in capsys.readouterr().err.splitlines()[-1]
