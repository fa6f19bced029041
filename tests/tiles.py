"""Winograd's tiles for narrow layers and small maps, too, where they are slower; for tests."""

from unittest.mock import patch

from paddle_ugatit.layers.fast import dispatch


def everywhere():
    """Within the block, tiles are taken for much fewer pixels and channels than in a run."""
    return patch.multiple(dispatch, TILED=(16, 250), TILED_TWICE=(16, 250), PER_WEIGHT=0)
