"""Features of several processes come together in order, whatever is sent at once."""

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up
from paddle_ugatit.metrics import mmd, parallel


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
@pytest.mark.parametrize(("total", "world"), [(1, 2), (7, 2), (8, 2), (9, 4), (2, 3)])
def test_rows_of_all_processes_are_put_in_order(total, world, at_once, monkeypatch):
    whole = np.random.default_rng(0).random((total, 3), np.float32)
    monkeypatch.setattr(parallel, "AT_ONCE", at_once)
    monkeypatch.setattr(parallel, "place", lambda: (0, world))
    sent = [0]

    def gathered(padded):  # what each process sends; this one is the first
        start = sent[0]
        pieces = []
        for rank in range(world):
            own = whole[rank::world][start : start + len(padded)]
            pieces.append(np.concatenate([own, np.full((len(padded) - len(own), 3), np.nan, np.float32)]))
        sent[0] += len(padded)
        own = whole[::world][start : start + len(padded)]
        assert np.array_equal(padded[: len(own)], own)
        return pieces

    monkeypatch.setattr(parallel, "_gathered", gathered)
    assert np.array_equal(parallel.interleaved(whole[::world], total), whole)


def test_bad_features_are_counted_in_all_of_a_large_set():
    x = np.ones((3000, 2), np.float32)
    x[[5, 1500, 2999], 1] = np.nan, np.inf, -np.inf
    with pytest.raises(mmd.InputError, match="NaN or infinite features in 3 of 3000"):
        mmd.checked(np.ones((9, 2)), x)
    with pytest.raises(mmd.InputError, match="reach 1e\\+21"):
        mmd.checked(np.ones((9, 2)), np.full((9, 2), -1e21))
