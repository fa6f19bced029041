"""Conversion of weights between PyTorch and Paddle: rules.py for one network, conversion.py for whole files."""

from paddle_ugatit.weights.conversion import (
    build,
    convert,
    infer_options,
    layout_of,
    load_networks,
    models,
    system_of,
)
from paddle_ugatit.weights.rules import RULES, Rule, WeightError, layout, rules_of, to_paddle, to_torch

__all__ = ["RULES", "Rule", "WeightError", "build", "convert", "infer_options", "layout", "layout_of", "load_networks"]
__all__ += ["models", "rules_of", "system_of", "to_paddle", "to_torch"]
