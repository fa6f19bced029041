"""One pass at full size: the light generator and the local discriminator at 256 px, 64 channels, against PyTorch."""

import pytest

from align.cases import discriminator_case, generator_case
from align.checks.layers import check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide

CASES = [
    generator_case("genA2B", (1, 3, 256, 256), n_blocks=4, light=True),
    discriminator_case("disLA", (1, 3, 256, 256), calls=1, n_layers=5),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_forward_and_backward(case):
    reference = measure(case, TorchSide, float32=False)
    for check in ("forward", "backward"):
        entry = check_case(case, reference, check, ["float64"])
        assert entry["verdict"] == "aligned", entry["blamed"]
        assert max(row["error"] for row in entry["rows"]) < 1e-11
