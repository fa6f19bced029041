"""Training: the configuration, and the trainer whose updates equal the original's."""

from paddle_ugatit.training.ugatit import Config, Trainer

__all__ = ["Config", "Trainer"]
