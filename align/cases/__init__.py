"""What is compared: one file a system, with its layers and networks as CASES and its training as TRAINING."""

from importlib import import_module

from align.cases.adain import decoder_case, encoder_case
from align.cases.case import Case, chosen, randomise, representable
from align.cases.inception import inception_case
from align.cases.ugatit import LAYER_CASES, MINI_CASES, discriminator_case, generator_case
from paddle_ugatit.systems import SYSTEMS, System, trained

__all__ = [
    "CASES",
    "Case",
    "LOCKSTEPS",
    "PLAIN",
    "TRAINING",
    "chosen",
    "discriminator_case",
    "generator_case",
    "inception_case",
]
__all__ += ["decoder_case", "encoder_case", "module_of"]
__all__ += ["LAYER_CASES", "MINI_CASES", "randomise", "representable"]


def module_of(system: System):
    """The module of a system's cases: CASES, `network_case` and, if it is trained, TRAINING."""
    return import_module(f"align.cases.{system.name}")


CASES = {case.name: case for system in SYSTEMS for case in module_of(system).CASES}
TRAINING = {name: module_of(system).TRAINING for name, system in trained().items()}  # name of a system -> TrainingCase
PLAIN = "by plain formulas"  # a training as a GPU computes it, without the faster ways of a CPU
LOCKSTEPS = {  # name of what is trained in lockstep -> the system, and options beside those of its small configuration
    name: (system, options)
    for system, case in TRAINING.items()
    for name, options in {
        system: {},
        **{f"{system} {name}": more for name, more in {**case.variants, PLAIN: {}}.items()},
    }.items()
}
