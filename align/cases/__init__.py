"""The cases to compare, one for each layer or network; each system has its own file."""

from align.cases.adain import ADAIN_CASES, decoder_case, encoder_case
from align.cases.case import Case, chosen, randomise, representable
from align.cases.inception import INCEPTION_CASES, inception_case
from align.cases.sagan import SAGAN_CASES
from align.cases.stylegan2 import STYLEGAN2_CASES
from align.cases.ugatit import LAYER_CASES, MINI_CASES, NETWORK_CASES, discriminator_case, generator_case

__all__ = ["CASES", "Case", "chosen", "discriminator_case", "generator_case", "inception_case", "MINI_CASES"]
__all__ += ["decoder_case", "encoder_case"]
__all__ += ["LAYER_CASES", "randomise", "representable"]

CASES = {
    case.name: case
    for case in (*LAYER_CASES, *NETWORK_CASES, *INCEPTION_CASES, *ADAIN_CASES, *SAGAN_CASES, *STYLEGAN2_CASES)
}
