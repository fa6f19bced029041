"""The toy system's cases."""

from align.cases.case import Case
from align.cases.training import TrainingCase, images

TRAINING = TrainingCase("toy", {"iteration": 4}, images)


def network_case(name, kind, options, revision, size, batch):
    """The network of a checkpoint."""
    shape = (batch, 3, size or 8, size or 8)
    return Case(name, lambda L: L.toy.ToyNetwork(**options), [shape], "image", "models/toy.py", "ToyNetwork")


CASES = [network_case("toy-network", "toy network", {"width": 4}, None, None, 2)]
