"""The KID during training: how close generated images are to the test images of their domain.

What is measured is what the system's `generated` yields (see system.py). The estimate is from all pairs: a single
subset says too little, and the paper's mean_KID rewards doing nothing.
"""

from collections.abc import Iterable

import numpy as np
from paddle import nn

from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.metrics import FeatureExtractor, kid
from paddle_ugatit.training.system import TrainedSystem


class Evaluation:
    """Test images, domain -> (n,3,S,S) in [-1,1], and what extracts the features that they are compared by."""

    def __init__(self, extractor: FeatureExtractor, tests: dict[str, np.ndarray]):
        self.extractor, self.tests = extractor, tests
        self._real: dict[str, np.ndarray] = {}

    @property
    def features(self) -> str:
        """The kind of features, with a note if they are not comparable with published numbers."""
        known = "" if self.extractor.comparable else ", not comparable with published numbers"
        return f"{self.extractor.kind} features{known}"

    def measure(self, system: TrainedSystem, networks: dict[str, nn.Layer]) -> dict[str, float]:
        """Return the KID, unscaled and from all pairs, of everything that the networks generate, by name."""
        found = {}
        for name, images, domain in system.generated(networks, self.tests):
            if domain not in self._real:
                self._real[domain] = self._features(self.tests[domain])
            found[name] = kid(self._features(images), self._real[domain], subsets=1, bootstrap=0).all_pairs
        return found

    def _features(self, images: Iterable[np.ndarray]) -> np.ndarray:
        return self.extractor.extract(to_pixels(image) for image in images)
