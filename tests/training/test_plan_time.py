"""train.py --plan: the hours follow from counted operations and from what was measured."""

import json

import paddle
import pytest

from paddle_ugatit.cli import configs, train
from paddle_ugatit.layers.convolution import Conv2D, ConvTranspose2D
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.training import plan, plan_time, start
from paddle_ugatit.training.ugatit import Config

SMALL = Config(light=True, img_size=32, ch=4, n_res=1, global_layers=3, local_layers=3, workers=1)
FOUND = plan_time.Times(operations=2e12, seconds=10.0, rate=4e11, threads=2, all_threads=2)


@pytest.mark.parametrize(
    ("layer", "shape", "products"),
    [
        (lambda: Conv2D(3, 5, 3, padding=1), [2, 3, 8, 8], 2 * 5 * 8 * 8 * 3 * 9),
        (lambda: Conv2D(3, 5, 4, stride=2), [1, 3, 10, 10], 5 * 4 * 4 * 3 * 16),
        (lambda: ConvTranspose2D(3, 5, 4, 2, 1), [1, 3, 8, 8], 3 * 8 * 8 * 5 * 16),
        (lambda: Linear(7, 6), [4, 7], 4 * 7 * 6),
    ],
    ids=["conv", "strided", "transposed", "linear"],
)
def test_operations_are_those_of_the_formula(layer, shape, products):
    made, image = layer(), paddle.rand(shape)
    for needed, times in ((False, 2), (True, 3)):  # the weight's gradient, and the image's
        image.stop_gradient = not needed
        with plan_time.counted_operations() as counts:
            made(image).sum().backward()
        assert counts.total == 2 * products * times
    with plan_time.counted_operations() as counts, paddle.no_grad():
        made(image)
    assert counts.total == 2 * products


def test_a_product_with_a_transposed_matrix():
    with plan_time.counted_operations() as counts:
        paddle.matmul(paddle.rand([2, 7, 3]), paddle.rand([2, 7, 5]), transpose_x=True)
        paddle.matmul(paddle.rand([4, 7]), paddle.rand([5, 7]), transpose_y=True)
    assert counts.total == 2 * (2 * 3 * 5 * 7 + 4 * 5 * 7)
    assert paddle.matmul(paddle.ones([1, 1]), paddle.ones([1, 1])).item() == 1
    assert counts.total == 2 * (2 * 3 * 5 * 7 + 4 * 5 * 7)  # counted no longer


def test_operations_grow_with_pixels_and_the_square_of_the_width(monkeypatch):
    monkeypatch.setattr(plan_time, "SECONDS", 0.0)
    counted = []
    for changes in ({}, {"img_size": 64}, {"batch_size": 3}, {"ch": 16}, {"ch": 32}):
        operations, seconds, _ = plan_time.measure(SMALL.replaced(**changes))
        assert seconds > 0
        counted.append(operations)
    assert counted[1] / counted[0] == pytest.approx(4, rel=0.15)  # a discriminator's maps are less than proportional
    assert counted[2] / counted[0] == pytest.approx(3, rel=0.01)
    assert counted[4] / counted[3] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("name", "options", "size", "batch", "factor"),
    [
        ("selfie2anime", [], 128, 1, 4),
        ("selfie2anime", ["global_layers=8"], 256, 1, 1),  # 8 layers leave no smaller size
        ("demo", [], 64, 1, 1),
        ("sagan", [], 64, 16, 4),
        ("stylegan2", ["batch_size=12", "accumulate=4"], 64, 3, 4),
        ("adain", [], 128, 4, 8),
    ],
)
def test_the_measured_step_is_of_the_same_width(name, options, size, batch, factor):
    config = start.configuration(configs.find(name), options)
    smaller, found = plan_time.reduced(config)
    assert (smaller.img_size, smaller.batch_size) == (size, batch) and found == pytest.approx(factor)
    reduced = ("img_size", "batch_size", "accumulate", "load_size")
    ours, theirs = ({k: v for k, v in c.as_dict().items() if k not in reduced} for c in (smaller, config))
    assert ours == theirs


def test_hours_follow_from_what_was_measured():
    said = plan_time.lines(SMALL.replaced(iteration=3600), FOUND, cores=8, tflops=5)
    rows = [line.split() for line in said[2:5]]
    assert said[0] == "time: 3600 iterations of 2000 GFLOP"
    assert [row[-2:] for row in rows] == [["10", "hours"], ["2.5", "hours"], ["0.4", "hours"]]
    assert rows[0][:4] == ["this", "CPU,", "2", "threads"]
    assert "400 GFLOP/s; the step does 50 % as many" in " ".join(said)
    few = plan_time.Times(2e12, 10.0, 4e11, threads=1, all_threads=2)  # too small to be shared
    assert plan_time.lines(SMALL.replaced(iteration=3600), few, cores=8)[3].split()[-2:] == ["10", "hours"]
    assert "(41.7 days)" in plan_time.lines(SMALL.replaced(iteration=360_000), FOUND)[2]


def test_the_command_measures_and_says_hours(capsys, monkeypatch):
    monkeypatch.setattr(plan, "activations", lambda config: 0)
    options = ["n_res=1", "img_size=32", "global_layers=3", "local_layers=3"]
    assert train.main(["--config", "demo", "--plan", "--cores", "4", "--tflops", "0.5", *options]) == 0
    said = capsys.readouterr().out
    for words in ("this CPU, ", "4 such cores", "a GPU of 0.5 TFLOP/s", " hours", "GFLOP/s"):
        assert words in said


@pytest.mark.parametrize("words", [["--plan", "--cores", "0"], ["--plan", "--tflops", "-1"], ["--tflops", "1"]])
def test_what_makes_no_sense_is_one_line(words, tmp_path, capsys):
    folders = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert train.main(["--config", "demo", *folders, *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_measurement_that_fails_is_one_line(monkeypatch):
    from paddle_ugatit.backend.errors import InputError

    with pytest.raises(InputError, match="a step could not be measured: KeyError: 'nothing'"):
        plan.in_a_process("{}['nothing']", [], "a step could not be measured")
    assert plan.in_a_process("import sys; print(sys.stdin.read())", [1, 2], "") == json.loads("[1, 2]")
