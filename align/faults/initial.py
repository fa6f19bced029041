"""Faults for check_init.py: how each is planted in memory, and what must be reported for it.

They are numbered as in the catalogue, 0 if they are not there.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

from align.cases import initial as init_cases
from align.checks.initial import SEEDS, check_case
from align.compare.paddle_side import PaddleSide
from align.planting import in_force
from paddle_ugatit.layers import convolution, norm
from paddle_ugatit.models import stylegan2

_parameter = norm._parameter


@dataclass(frozen=True)
class InitFault:
    """One fault: `patches` are (owner, attribute, replacement), `build` another way to build Paddle's network."""

    number: int
    name: str
    case: str  # a key of init_cases.CASES
    parameter: str  # the first to be blamed
    cause: str
    patches: tuple = ()
    build: object = None

    @contextmanager
    def planted(self, case):
        """Within the block the patches are in force; yields the case as Paddle builds it."""
        with in_force(self.patches):
            yield replace(case, build=self.build) if self.build else case


def _derived_weight(layer):
    return layer.weight_orig * 1


def _rho_a_half(layer, num_features, value):
    return _parameter(layer, num_features, 0.5 if value == 0 else value)


_NORMAL, _DEFAULT = "Kaiming normal, Paddle's default for a convolution", "uniform by fan_in, PyTorch's default"
_INIT = (convolution, "fan_in_uniform")
FAULTS = [
    InitFault(
        25,
        "rho starts at 0.5 in ILN",
        "generator-light",
        "UpBlock2.3.rho",
        "constant 0.5",
        ((norm, "_parameter", _rho_a_half),),
    ),
    InitFault(
        55,
        "Paddle's default initialisation left, generator",
        "generator-light",
        "DownBlock.1.weight",
        _NORMAL,
        ((*_INIT, lambda fan_in: None),),
    ),
    InitFault(
        56,
        "N(0, 0.02) written to the derived weight",
        "discriminator-gaussian",
        "model.1.weight_orig",
        _DEFAULT,
        build=lambda layers: init_cases.gaussian_discriminator(layers, _derived_weight),
    ),
    InitFault(
        0,
        "StyleGAN2's noise not silent at first",
        "stylegan2-generator",
        "blocks.0.to_noise1.weight",
        _NORMAL,
        ((stylegan2, "_silent", lambda layer: layer),),
    ),
]


def planted_entry(fault, seeds=SEEDS, tests=200):
    """Return the report entry of the fault's network, with the fault planted on Paddle's side only."""
    case = init_cases.CASES[fault.case]
    with fault.planted(case) as planted:

        class Planted(PaddleSide):
            def build(self, _build, seed):
                return super().build(planted.build, seed)

        return check_case(case, range(seeds), tests, Planted("float32"))
