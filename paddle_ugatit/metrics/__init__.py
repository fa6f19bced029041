"""Metrics between sets of images: KID, FID, precision and recall, on Inception features.

In a training loop, on arrays in memory:

    extractor = FeatureExtractor("inception", "pt_inception-2015-12-05-6726825d.pth")
    features = extractor.extract(images)        # iterable of (H,W,3) uint8 -> (N,2048) float32
    result = kid(features_fake, features_real)  # result.all_pairs, result.ci95, result.mean, result.std

`evaluate(fake, real, ...)` is what tools/eval_kid.py does, as a function.
"""

from paddle_ugatit.metrics.compare import evaluate
from paddle_ugatit.metrics.features import FeatureExtractor
from paddle_ugatit.metrics.mmd import Kid, kid

__all__ = ["FeatureExtractor", "Kid", "evaluate", "kid"]
