"""The paper's protocol for KID (GAN_Metrics-Tensorflow), its `mean_KID`, and the published table.

Blocks of about ten samples make the protocol noisy: its standard deviation is 3 (100 images) to 12 times (1000) that
of the all-pairs estimate.
"""

from dataclasses import dataclass

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics.gram import all_pairs, gram_sums
from paddle_ugatit.metrics.mmd import checked

BLOCK = 10  # samples
TARGET_SHARE, SOURCE_SHARE = 0.02, 0.98
REWARDS = (
    "mean_KID = (0.02 KID(target, fake) + 0.98 KID(source, fake)) / 2 falls as the output gets closer to the source: "
    "copying the input would win; do not select models by it"
)
PUBLISHED = {  # KID x 100 and its +- as printed in the paper; probably mean_KID
    "selfie2anime": (11.61, 0.57),
    "anime2selfie": (11.52, 0.57),
    "horse2zebra": (7.06, 0.80),
    "zebra2horse": (7.47, 0.71),
    "cat2dog": (7.07, 0.65),
    "dog2cat": (8.15, 0.66),
    "photo2portrait": (1.79, 0.34),
    "portrait2photo": (1.69, 0.53),
    "photo2vangogh": (4.28, 0.33),
    "vangogh2photo": (5.61, 0.32),
    "selfie2anime (CycleGAN)": (13.08, 0.49),
}


@dataclass(frozen=True)
class BlockKid:
    """KID over disjoint consecutive blocks; unscaled."""

    mean: float
    standard_error: float  # what the paper prints as "std"
    values: np.ndarray


def block_sizes(n: int, blocks: int) -> list[int]:
    """Return the sizes of `blocks` consecutive blocks of n samples, smaller ones first."""
    size, larger = divmod(n, blocks)
    return [size] * (blocks - larger) + [size + 1] * larger


def block_kid(features_x: np.ndarray, features_y: np.ndarray) -> BlockKid:
    """Compute the unbiased MMD^2 of each pair of blocks, ceil(max(N, M) / 10) of them: (N,d), (M,d).

    Raises InputError if the smaller set leaves blocks of fewer than two samples.
    """
    x, y = checked(features_x, features_y)
    blocks = -(-max(len(x), len(y)) // BLOCK)
    sizes = [block_sizes(len(features), blocks) for features in (x, y)]
    if min(map(min, sizes)) < 2:
        raise InputError(
            f"the paper's protocol splits sets of {len(x)} and {len(y)} samples into {blocks} blocks, which leaves "
            "fewer than 2 samples per block of the smaller set"
        )
    ends_x, ends_y = (np.cumsum([0, *size]) for size in sizes)
    estimates = []
    for i in range(blocks):
        a, b = x[ends_x[i] : ends_x[i + 1]], y[ends_y[i] : ends_y[i + 1]]
        estimates.append(all_pairs(gram_sums(a, b)))
    values = np.array(estimates)
    error = float(np.sqrt(values.var(ddof=1) / blocks)) if blocks > 1 else 0.0
    return BlockKid(float(values.mean()), error, values)


def mean_kid(target: float, source: float) -> float:
    """Return the paper's mean_KID from KID(target, fake) and KID(source, fake)."""
    return (TARGET_SHARE * target + SOURCE_SHARE * source) / 2
