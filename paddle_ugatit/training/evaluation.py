"""The KID while training: how near generated images are to the test images of their domain.

A system's `generated(networks, tests)` gives (name, images, domain) for whatever it generates: images (3,S,S) in [-1,1]
and the domain of the test pictures that they should look like. The first of them decides which networks are best, by
the estimate from all pairs: a single subset says too little, and the paper's mean_KID rewards doing nothing.
"""

from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.metrics import kid


class Evaluation:
    """Test pictures, domain -> (n,3,S,S) in [-1,1], and their features by a metrics.FeatureExtractor."""

    def __init__(self, extractor, tests):
        self.extractor, self.tests, self._real = extractor, tests, {}

    @property
    def features(self):
        """What the numbers were made with."""
        known = "" if self.extractor.comparable else ", not comparable with published numbers"
        return f"{self.extractor.kind} features{known}"

    def measure(self, system, networks):
        """Name -> KID (unscaled, from all pairs) of everything that the networks generate from the test pictures."""
        found = {}
        for name, images, domain in system.generated(networks, self.tests):
            if domain not in self._real:
                self._real[domain] = self._features(self.tests[domain])
            found[name] = kid(self._features(images), self._real[domain], subsets=1, bootstrap=0).all_pairs
        return found

    def _features(self, images):
        return self.extractor.extract(to_pixels(image) for image in images)
