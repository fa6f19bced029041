"""KID of large sets: pieces on several threads, and all pairs of a sample of each set."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up
from align.checks.metric import drawn_features
from align.compare import metric_statements as plain
from paddle_ugatit.cli import eval_kid
from paddle_ugatit.metrics import kid, mmd, notes, workers


@pytest.fixture
def threads(monkeypatch):
    """An OpenBLAS with `threads.count` threads."""
    found = SimpleNamespace(count=3)
    monkeypatch.setattr(workers, "_openblas", lambda: (lambda: found.count, lambda n: setattr(found, "count", n)))
    return found


@pytest.fixture
def small(monkeypatch):
    """Sets are large beyond 60 samples together; 20 of each are drawn."""
    monkeypatch.setattr(mmd, "ALL_PAIRS_UP_TO", 60)
    monkeypatch.setattr(mmd, "SAMPLED", 20)


def test_pieces_come_in_order_and_each_multiplies_by_itself(threads):
    seen = []
    gate = threading.Barrier(3, timeout=20)

    def work(piece):
        if piece < 3:
            gate.wait()  # three at a time
        seen.append((threading.get_ident(), threads.count))
        return piece**2

    assert list(workers.in_order(work, range(40))) == [piece**2 for piece in range(40)]
    assert {count for _, count in seen} == {1} and len({ident for ident, _ in seen}) == 3
    assert threads.count == 3


def test_a_piece_that_fails_ends_all(threads):
    done = []

    def work(piece):
        done.append(piece)
        return 1 // (piece - 5)

    with pytest.raises(ZeroDivisionError):
        list(workers.in_order(work, range(1000)))
    assert len(done) < 100 and threads.count == 3


def test_pieces_within_a_piece_are_computed_one_by_one(threads):
    def work(piece):
        return list(workers.in_order(lambda x: (x, threading.get_ident()), range(piece)))

    found = list(workers.in_order(work, range(1, 5)))
    assert [[value for value, _ in inner] for inner in found] == [list(range(n)) for n in range(1, 5)]
    assert all(len({ident for _, ident in inner}) == 1 for inner in found)


def test_without_openblas_the_same_is_computed(monkeypatch):
    x, y = drawn_features(90, 60, 1, 64)
    with_it = kid(x, y, 5, 20)
    monkeypatch.setattr(workers, "_openblas", lambda: None)
    assert kid(x, y, 5, 20).all_pairs == pytest.approx(with_it.all_pairs, rel=1e-9)
    assert list(workers.in_order(str, range(3))) == ["0", "1", "2"]


def test_numpys_openblas_is_found_where_it_has_one():
    import sys

    if sys.platform != "linux" or "openblas" not in str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]):
        pytest.skip("not a wheel of NumPy for Linux")
    get, put = workers._openblas()
    before = get()
    put(1)
    assert get() == 1
    put(before)
    assert get() == before


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_number_of_threads_changes_no_bit(threads, count):
    x, y = drawn_features(90, 60, 1, 64)
    threads.count = count
    found = kid(x, y, 5, 20, permutations=9)
    threads.count = 3
    again = kid(x, y, 5, 20, permutations=9)
    assert (found.all_pairs, found.ci95, found.p_value) == (again.all_pairs, again.ci95, again.p_value)
    assert found.values.tolist() == again.values.tolist()


def test_of_large_sets_all_pairs_are_those_of_a_sample(small):
    x, y = drawn_features(50, 40, 2, 16)
    found = kid(x, y, subsets=3, subset_size=9, permutations=19)
    assert (found.samples, found.pairs_of) == ((50, 40), (20, 20))
    a, b = (
        features[np.sort(np.random.default_rng([seed, 3]).choice(len(features), 20, replace=False))]
        for features, seed in ((x, mmd.SEED), (y, mmd.SEED + 1))
    )
    assert found.all_pairs == pytest.approx(plain.mmd2(a, b), rel=1e-9)
    alone = kid(a, b, subsets=3, subset_size=9, permutations=19)
    assert (found.ci95, found.all_pairs_error, found.p_value) == (alone.ci95, alone.all_pairs_error, alone.p_value)
    np.testing.assert_allclose(found.values, plain.subset_values(x, y, 3, 9, mmd.SEED), rtol=1e-9)


def test_every_pair_on_request_and_where_it_costs_no_more(small):
    x, y = drawn_features(50, 40, 2, 16)
    whole = pytest.approx(plain.mmd2(x, y), rel=1e-9)
    assert kid(x, y, 3, 9, every_pair=True).all_pairs == whole
    assert kid(x, y, 100, 9).all_pairs == whole  # the Gram matrices of so many subsets are larger than that of all
    assert kid(x[:30], y[:30], 3, 9).pairs_of == (30, 30)  # not large
    assert kid(x, y[:9], 3, 9, every_pair=False).pairs_of == (20, 9)


def test_the_draws_are_an_unbiased_estimate(small):
    x, y = drawn_features(50, 40, 2, 16)
    estimates = [kid(x, y, 3, 9, seed).all_pairs for seed in range(0, 800, 2)]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - plain.mmd2(x, y)) < 4 * error


@pytest.mark.parametrize("every_pair", [None, True, False])
def test_progress_of_large_sets_counts_to_the_end(small, every_pair):
    x, y = drawn_features(50, 40, 2, 16)
    seen = []
    kid(x, y, 3, 9, progress=seen.append, every_pair=every_pair)
    assert len(seen) == mmd.passes(50, 40, 3, 9, every_pair)


def test_the_command_says_of_how_many_images_the_pairs_are(small, tmp_path, capsys):
    paths = []
    for name, features in zip(("fake", "real"), drawn_features(50, 40, 2, 16), strict=True):
        paths += [f"--{name}", str(tmp_path / f"{name}.npy")]
        np.save(paths[-1], features)
    words = [*paths, "--subsets", "3", "--subset-size", "9", "--json", str(tmp_path / "a.json"), "--no-cache"]
    assert eval_kid.main(words) == 0
    out = capsys.readouterr().out
    assert "all pairs of 20 and 20 images; 95 % interval" in out and "--every-pair takes all" in out
    assert '"pairs_of": [\n      20,\n      20\n    ]' in (tmp_path / "a.json").read_text()
    assert eval_kid.main([*words, "--every-pair"]) == 0
    assert "all pairs; 95 % interval" in capsys.readouterr().out
    assert '"pairs_of": [\n      50,\n      40\n    ]' in (tmp_path / "a.json").read_text()


def test_the_page_says_it_too():
    sets = {"fake": {"samples": 9}, "real": {"samples": 7}}
    assert notes._drawn({"kid": {"pairs_of": [9, 7]}, "sets": sets}) == ""
    assert notes._drawn({"kid": {"pairs_of": [5, 7]}, "sets": sets}) == " of 5 and 7 images"
