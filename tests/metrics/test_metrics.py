"""KID, its spread, FID, precision and recall, compared with plain formulas; planted mistakes are caught."""

import subprocess
import sys

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up
from align.checks import coverage
from align.checks import metric as check_metric
from align.compare import metric_statements as plain
from align.compare.metric import MetricRow, compared, same
from align.compare.metric_group import Group
from align.faults import metric as metric_faults
from align.faults import metric_command
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import frechet, gram, inception_weights, kid, mmd, paper, parallel, preprocess, spread

SMALL = ((70, 50, 25),)


@pytest.fixture(scope="module")
def sets():
    """Two sets that differ, (90,64) and (60,64)."""
    return check_metric.drawn_features(90, 60, 1, 64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    inception_weights.write_random(path, check_metric.NARROW)
    return path


def test_every_number_equals_its_plain_statement(weights):
    found = check_metric.all_comparisons(weights, seed=3)
    assert len(found) > 20
    assert [comparison for comparison in found if not comparison.passed] == []


@pytest.mark.parametrize("fault", metric_faults.FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught(fault, weights, monkeypatch):
    monkeypatch.setattr(check_metric, "SETS", SMALL)
    monkeypatch.setattr(metric_faults, "FAULTS", [fault])
    assert metric_command.missed_faults(weights, 0) == []


def test_faults_are_planted_where_mutants_are_not_enough():
    assert {fault.check for fault in metric_faults.FAULTS} < set(check_metric.PARTS)


def test_a_difference_names_the_file_to_look_in(capsys):
    metric_command._print(MetricRow("sets", "digest", 1.0, 0.0, "metrics/sources.py"))
    metric_command._print(MetricRow("sets", "digest", 0.0, 0.0, "metrics/sources.py"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("DIVERGED") and "(paddle_ugatit/metrics/sources.py)" in first
    assert second.startswith("aligned") and "sources.py" not in second


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        (3, 3, True),
        (3.0, 3, False),
        (True, 1, False),
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (np.ones(3, np.uint8), np.ones(3, np.uint8), True),
        (np.ones(3, np.uint8), np.ones(3), False),
        (None, np.ones(3), False),
        ((np.ones(3), 1), (None, 1), False),
    ],
)
def test_what_is_the_same(ours, theirs, equal):
    assert same("", "", ours, theirs).passed == equal


@pytest.mark.parametrize("ours", [None, "text", np.ones(2), np.array([1.0, np.nan, 1.0]), np.ones(0)])
def test_what_is_no_such_array_differs(ours):
    assert not compared("", "", ours, np.ones(3)).passed


def test_a_group_of_processes_waits_for_all():
    assert Group(3).run(lambda rank: parallel._gathered(np.array([rank]))[1].tolist()) == [[1]] * 3
    with pytest.raises(RuntimeError, match="2 of 3 processes wait"):
        Group(3).run(lambda rank: rank and parallel._gathered(np.array([rank])))


def test_a_fault_that_nothing_sees_is_reported(weights, monkeypatch):
    monkeypatch.setattr(check_metric, "SETS", SMALL)
    harmless = metric_faults.MetricFault(0, "none", "statistics", gram, "gamma", gram.gamma)
    monkeypatch.setattr(metric_faults, "FAULTS", [harmless])
    assert metric_command.missed_faults(weights, 0) == ["none"]


@pytest.mark.parametrize("block", [7, 64, 150])
def test_blocks_change_nothing(sets, block, monkeypatch):
    before = kid(*sets, subsets=20, subset_size=30, permutations=50)
    monkeypatch.setattr(gram, "block_size", lambda n, m: block)
    after = kid(*sets, subsets=20, subset_size=30, permutations=50)
    np.testing.assert_allclose(after.values, before.values, rtol=1e-12)
    assert after.all_pairs == pytest.approx(before.all_pairs, rel=1e-12)
    assert after.all_pairs_error == pytest.approx(before.all_pairs_error, rel=1e-9)
    assert after.p_value == before.p_value


def test_progress_counts_to_the_end(sets, monkeypatch):
    monkeypatch.setattr(gram, "block_size", lambda n, m: 16)
    steps = []
    gram.gram_sums(*sets, progress=steps.append)
    assert sum(steps) == gram.passes(90, 60)


def test_draws_are_those_of_one_stream():
    members = mmd.draws(50, 40, 3, 20, seed=5)
    rng = np.random.RandomState(5)
    for column in members.T:
        assert set(np.flatnonzero(column[:50])) == set(rng.choice(50, 20, replace=False))
        assert set(np.flatnonzero(column[50:])) == set(rng.choice(40, 20, replace=False))


def test_same_seed_same_number(sets):
    first, again, other = (kid(*sets, seed=seed, permutations=20) for seed in (4, 4, 5))
    assert np.array_equal(first.values, again.values)
    assert (first.ci95, first.p_value) == (again.ci95, again.p_value)
    assert not np.array_equal(first.values, other.values)


@pytest.mark.parametrize(("n", "m", "size"), [(5000, 2000, 1000), (1000, 1000, 1000), (999, 3000, 499), (3, 2, 2)])
def test_subset_size_where_none_is_given(n, m, size):
    assert mmd.default_subset_size(n, m) == size


def test_tiny_sets_work(sets):
    x, y = sets
    for n in (2, 3, 4):
        result = kid(x[:n], y[:n], permutations=10)
        assert result.subset_size == 2 and np.isfinite([result.mean, result.all_pairs, *result.ci95]).all()


def test_a_subset_that_is_the_whole_set_has_no_spread(sets):
    x, y = (features[:60] for features in sets)
    result = kid(x, y, 5, 60)
    assert result.std == pytest.approx(0, abs=1e-12) and result.mean == pytest.approx(result.all_pairs)
    assert result.all_pairs_error > 0


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        (np.ones((1, 4)), np.ones((3, 4)), {}, "first set has 1 samples"),
        (np.ones((3, 4)), np.ones((3, 5)), {}, "of 4 and 5 dimensions"),
        (np.ones((3, 4)), np.full((3, 4), np.nan), {}, "second set has NaN.*3 of 3"),
        (np.ones((3, 4, 1)), np.ones((3, 4)), {}, "first set must be features"),
        (np.ones((9, 4)), np.ones((5, 4)), {"subset_size": 6}, "5 at most"),
        (np.ones((9, 4)), np.ones((5, 4)), {"subset_size": 1}, "2 or more"),
        (np.ones((9, 4)), np.ones((5, 4)), {"subsets": 0}, "1 or more"),
    ],
)
def test_what_cannot_be_compared_is_one_line(x, y, options, words):
    with pytest.raises(InputError, match=words):
        kid(x, y, **options)


# The spread.


def test_variance_and_interval_are_honest():
    """60 draws of both sets: the standard error is the standard deviation, the interval contains the true value."""
    value = coverage.truth(np.random.default_rng(9), 0.3)
    rows, held, rejected = coverage.simulated(80, 0.3, value, 60, 0)
    mean, deviation, printed = rows["all pairs"]
    assert abs(mean - value) < 4 * deviation / np.sqrt(60) + 0.01
    assert 0.7 < printed / deviation < 1.4 and held > 0.85 and rejected > 0.9
    # What the paper's tool prints as its std is no measure of its own noise, nor is that noise small.
    assert rows["the paper's blocks"][1] > 1.1 * deviation


def test_equal_distributions_are_seldom_rejected():
    _, held, rejected = coverage.simulated(40, 0.0, 0.0, 60, 1)
    assert rejected < 0.15 and held > 0.9


def test_permutation_sums_equal_a_direct_computation(sets):
    x, y = (features.astype(np.float64) for features in sets)
    labels = spread.permuted_labels(90, 60, 30, 7)
    pooled = np.concatenate([x, y])
    values = [plain.mmd2(pooled[column == 1], pooled[column == 0]) for column in labels.T]
    estimate = np.median(values)
    sums = gram.gram_sums(x, y, labels)
    assert spread.p_value(sums, labels, 0, estimate) == (1 + sum(value >= estimate for value in values)) / 31


def test_interval_by_normality_is_near_the_bootstrap(sets):
    normal, bootstrap = (kid(*sets, subsets=2, bootstrap=draws).ci95 for draws in (0, 2000))
    assert np.allclose(normal, bootstrap, atol=0.15 * (normal[1] - normal[0]))


# The paper's protocol.


def test_blocks_of_the_paper():
    assert paper.block_sizes(25, 3) == [8, 8, 9]
    with pytest.raises(InputError, match="fewer than 2 samples per block"):
        paper.block_kid(np.ones((100, 3)), np.ones((15, 3)))


# FID, precision and recall.


@pytest.mark.parametrize(("n", "m"), [(90, 60), (20, 60), (90, 12)])
def test_fid_with_more_and_with_fewer_samples_than_dimensions(n, m):
    x, y = check_metric.drawn_features(n, m, 2, 24)
    assert frechet.frechet_distance(x, y) == pytest.approx(plain.frechet(x, y), rel=1e-6)
    assert frechet.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_precision_and_recall_tell_mode_collapse_from_noise(sets):
    real = sets[0]
    collapsed = frechet.neighbours(real[[3] * 5] + 1e-4 * np.arange(5, dtype=np.float32)[:, None], real)
    assert collapsed.precision == 1 and collapsed.recall < 0.05
    assert collapsed.nearest.tolist() == [3] * 5 and (collapsed.distance < 0.01).all()
    assert frechet.neighbours(real + 50, real).precision == 0


def test_resize_of_a_picture_of_that_size_is_the_identity():
    image = np.random.default_rng(0).integers(0, 256, (299, 299, 3)).astype(np.uint8)
    for resize in preprocess.RESIZES.values():
        assert np.array_equal(resize(image), image)


def test_inputs_of_the_network():
    pixels = np.array([0.0, 128.0, 255.0], np.float32).reshape(1, 1, 1, 3)
    assert preprocess.to_network(pixels, "tf1").ravel().tolist() == [-1, 0, 127 / 128]
    assert np.allclose(preprocess.to_network(pixels, "paper").ravel(), [-1, 128 / 127.5 - 1, 1], atol=1e-6)


@pytest.mark.slow
def test_ten_thousand_samples_a_side_fit_in_a_gibibyte():
    code = (
        "import resource, numpy as np, paddle_ugatit\n"
        "from paddle_ugatit.metrics import kid\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rng = np.random.default_rng(0)\n"
        "x, y = (rng.random((10000, 2048), np.float32) for _ in range(2))\n"
        "kid(x, y, permutations=1000)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 2**20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert float(done.stdout) < 1.0, done.stderr[-500:]


@pytest.mark.parametrize("size", [50, 100])  # the Gram matrix of every subset, and that of all samples, is less
def test_subsets_alone_are_those_of_kid(size):
    x, y = (np.random.default_rng(seed).standard_normal((500, 20)) + seed / 9 for seed in (0, 1))
    values = mmd.subset_kid(x, y, 30, size)
    np.testing.assert_allclose(values, kid(x, y, 30, size, bootstrap=0).values, rtol=1e-9)
