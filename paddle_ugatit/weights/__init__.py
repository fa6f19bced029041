"""Conversion of weights between PyTorch and Paddle: rules.py for one network, conversion.py for whole files."""

from paddle_ugatit.weights.conversion import MODELS, build, convert, infer_options, layout_of, load_networks
from paddle_ugatit.weights.rules import RULES, Rule, WeightError, layout, rules_of, to_paddle, to_torch

__all__ = ["MODELS", "RULES", "Rule", "WeightError", "build", "convert", "infer_options", "layout", "layout_of"]
__all__ += ["load_networks", "rules_of", "to_paddle", "to_torch"]
