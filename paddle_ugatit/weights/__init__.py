"""Conversion of weights between PyTorch and Paddle: rules.py for one network, conversion.py for whole files."""

from paddle_ugatit.weights.conversion import convert, load_networks
from paddle_ugatit.weights.identify import build, hidden_options_of, infer_options, layout_of, models, system_of
from paddle_ugatit.weights.rules import RULES, Rule, WeightError, layout, rules_of, to_paddle, to_torch
from paddle_ugatit.weights.values import not_finite

__all__ = ["RULES", "Rule", "WeightError", "build", "convert", "infer_options", "layout", "layout_of", "load_networks"]
__all__ += ["hidden_options_of", "models", "not_finite", "rules_of", "system_of", "to_paddle", "to_torch"]
