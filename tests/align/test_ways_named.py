"""A fault in a faster way alone is blamed on that way and, if it is fused, on the group of layers."""

from unittest.mock import patch

import pytest

from align.cases import CASES
from align.checks.layers import check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from paddle_ugatit.layers import sequential
from paddle_ugatit.layers.fast import dispatch, winograd


def cause_of(name, check, owner, attribute, wrong):
    case = CASES[name]
    reference = measure(case, TorchSide, float32=False)
    with patch.object(owner, attribute, wrong):
        entry = check_case(case, reference, check, ("float64",), causes=True)
    return entry["verdict"], entry["blamed"] and entry["blamed"]["cause"]["name"]


_bordered, _tiles = sequential.bordered_conv, winograd.winograd_conv


def _off_if_doubled(x, weight, twice=False):
    out = _bordered(x, weight, twice)
    return out + 0.01 * out * out if twice else out


def _off(x, weight, stride=1):
    out = _tiles(x, weight, stride)
    return out + 0.01 * out * out * out


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_a_fault_in_a_fused_group_names_the_group(check):
    verdict, cause = cause_of("generator-light-wide", check, sequential, "bordered_conv", _off_if_doubled)
    assert verdict == "diverged" and cause.startswith("the faster way 'fused' at UpBlock2.2 (upsampling, border")
    assert cause.count(";") == 1 and "16x32, tiles 4 by 8" in cause


def test_a_fault_in_the_tiles_of_a_convolution_names_them():
    verdict, cause = cause_of("fast-tiles-odd", "forward", winograd, "winograd_conv", _off)
    assert (verdict, cause) == ("diverged", "the faster way 'tiles'")


def test_the_ways_are_those_of_the_dispatcher():
    from align.causes.ways import ORDER

    assert sorted(ORDER) == sorted(dispatch.WAYS)
