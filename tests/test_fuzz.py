"""A short run of the fuzz of all that is read (tests/fuzz.py), and that the fuzz finds what it is there to find."""

import random

import fuzz
import pytest

from paddle_ugatit.backend.errors import InputError

COUNTS = {"pictures": 300, "configs": 300, "manifests": 300, "npz": 400, "checkpoints": 400}


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_damaged_files_are_values_or_one_line(target):
    done, told, data = fuzz.fuzz(target, seed=0, count=COUNTS[target])
    assert not told, f"{told}: {data[:200]!r}"
    assert done == COUNTS[target]


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError(), InputError("two\nlines"), RecursionError()])
def test_a_reader_that_fails_otherwise_is_found(monkeypatch, tmp_path, capsys, error):
    def read(path):
        if path.read_bytes() != b"sound bytes":
            raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "TARGETS", {"configs": (lambda: {"a": b"sound bytes"}, read)})
    assert fuzz.main(["--minutes", "0.1", "--seed", "3"]) == 1
    assert "nothing found" not in capsys.readouterr().out
    assert (tmp_path / "fuzz-found" / "3-configs").read_bytes() != b"sound bytes"


def test_the_damage_repeats_with_its_seed_and_differs_without():
    sound = {"a": b"some sound bytes" * 9, "b": b"others" * 9}
    first, again, other = (
        [next(made) for _ in range(20)] for made in (fuzz.inputs(sound, random.Random(seed)) for seed in (1, 1, 2))
    )
    assert first == again != other and any(data != sound[name] for name, data in first)
