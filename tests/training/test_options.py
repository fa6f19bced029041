"""Files of options: what they may hold, and one short line for whatever else they do hold."""

import time

import pytest

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.training import Config, start
from paddle_ugatit.training.options import read_options

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def refused(tmp_path, text, assignments=()):
    """The one line that a file of this text is refused with."""
    path = tmp_path / "options.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.process_time()
    with pytest.raises(InputError) as error:
        start.configuration(path, assignments)
    assert time.process_time() - began < 5
    line = str(error.value).replace("\n", " ")  # what prints it folds it into one line
    assert len(line) < 600
    return line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lr: [", "is not valid YAML"),
        ("lr: 0.1\nlr: 0.2", "lr is given twice"),
        ("lr: 2026-13-45", "holds a value that cannot be read"),
        ("lr: 2026-11-26", "lr must be a single value, got a date"),
        ("seed: " + "9" * 5000, "holds a value that cannot be read"),
        ("lr: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("system: [1]", "system must be a single value, got a list"),
        ("system: 3", "system must be one of ugatit, adain, sagan, stylegan2, got 3"),
        ("seed: 18446744073709551616", "seed is too large: 18446744073709551616"),
        (BOMB, "a must be a single value, got a list"),
        ("lr: {a: 1}", "lr must be a single value, got a dict"),
        ("1: 2", "the name of an option must be text, got a int"),
        ("- lr", "must consist of lines of the form option: value"),
        ("", "must consist of lines of the form option: value"),
        (b"lr: \xff\xfe", "cannot be read"),
        ("lr: 0.1 # " + "x" * 200_000, "more than 100000 characters"),
        ("iteration: 1.5", "iteration must be of type int"),
        ("light: 2", "light must be of type bool"),
        ("lr: .nan", "lr must be 0 or more and finite"),
        ("iteration: .inf", "iteration must be of type int"),
        ("light: !!bool maybe", "holds a value that cannot be read"),
        ("lr: !!float ''", "holds a value that cannot be read"),
        ("lr: !!timestamp now", "holds a value that cannot be read"),
        ("lr: 1" + "0" * 400, "lr is too large: 1000"),
        ("seed: 0x" + "f" * 5000, "seed is too large: a number of thousands of digits"),
        ("system: 0x" + "f" * 5000, "got a number of thousands of digits"),
        ("x" * 900 + ": 1", "unknown option xxx"),
        ("amp: " + "x" * 5000, "amp must be one of off, bfloat16, float16, got 'xxx"),
    ],
)
def test_a_bad_file_is_one_short_line(tmp_path, text, told):
    assert told in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("lr", "is not of the form KEY=VALUE"),
        ("lr=[1]", "lr must be a single value"),
        ("lr={", "lr={: is not valid YAML"),
    ],
)
def test_so_is_a_bad_assignment(tmp_path, assignment, told):
    assert told in refused(tmp_path, "ch: 4", [assignment])


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text("iteration: 1e6\nlr: 1e-4\nlight: 1\ndecay_flag: 0\n")
    assert read_options(path)["iteration"] == 1e6
    config = start.configuration(path, ["save_freq=5e3", "strict=1"])
    assert (config.iteration, config.lr, config.save_freq) == (1_000_000, 1e-4, 5000)
    assert (config.light, config.decay_flag, config.strict) == (True, False, True)
    assert type(config.iteration) is int and Config.from_dict(config.as_dict()) == config


@pytest.mark.parametrize("value", ["0", "1", "2e-4"])
def test_a_whole_number_is_a_rate_too(tmp_path, value):
    path = tmp_path / "c.yaml"
    path.write_text(f"lr: {value}\nimg_size: 24\nch: 2\nn_res: 1\nglobal_layers: 4\nlocal_layers: 3\n")
    config = start.configuration(path)
    assert type(config.lr) is float
    start.system_of(config)  # Paddle's optimisers take no whole number


def test_yaml_reads_off_as_false_but_amp_is_off(tmp_path):
    (tmp_path / "c.yaml").write_text("amp: off\n")
    assert start.configuration(tmp_path / "c.yaml").amp == "off"
