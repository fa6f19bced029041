"""Training: the configuration and the trainer of U-GAT-IT, whose updates equal those of the public code."""

from paddle_ugatit.training.ugatit import Config, Trainer

__all__ = ["Config", "Trainer"]
