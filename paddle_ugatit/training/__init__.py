"""Training: the configuration, and the trainer whose updates equal the original's."""

from paddle_ugatit.training.config import Config
from paddle_ugatit.training.ugatit import Trainer

__all__ = ["Config", "Trainer"]
