"""How exact a convolution of 3x3 or 4x4 taps is in float32, by Winograd's tiles as we compute it, and by PyTorch.

python tools/bench.py accuracy

The largest error of an output, relative to the largest output, of maps of 32x32 pixels that are not negative, as after
a ReLU; the truth is PyTorch's result in float64 of the same numbers. Beside it, the largest running sum that the tiles
make, and what the error would be if all channels were in one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import paddle_ugatit  # noqa: E402, F401, I001  first: it chooses the kernels of Paddle's products
import numpy as np  # noqa: E402
import paddle  # noqa: E402
import torch  # noqa: E402

from paddle_ugatit.layers.fast import winograd  # noqa: E402

WIDTHS = [(16, 16, 3), (32, 16, 3), (64, 64, 3), (128, 64, 3), (256, 256, 3), (512, 256, 3)]  # (in, out, taps)
WIDTHS += [(64, 128, 4), (256, 512, 4)]
SIZE = 32


def errors(inputs: int, outputs: int, kernel: int = 3, seed: int = 0) -> tuple[float, float, float]:
    """Return the relative errors of PyTorch, of the tiles, and of the tiles with all channels in one running sum."""
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.standard_normal((1, inputs, SIZE + kernel - 1, SIZE + kernel - 1)), 0).astype("float32")
    weight = (rng.standard_normal((outputs, inputs, kernel, kernel)) / (kernel * inputs**0.5)).astype("float32")
    torch_pair, paddle_pair = (list(map(make, (x, weight))) for make in (torch.from_numpy, paddle.to_tensor))
    truth = torch.nn.functional.conv2d(*(each.double() for each in torch_pair)).numpy()
    found = [torch.nn.functional.conv2d(*torch_pair).numpy(), winograd.winograd_conv(*paddle_pair, 1).numpy()]
    with patch.object(winograd, "RUN", inputs):
        found.append(winograd.winograd_conv(*paddle_pair, 1).numpy())
    scale = np.abs(truth).max()
    plain, tiles, in_one = (float(np.abs(each - truth).max() / scale) for each in found)
    return plain, tiles, in_one


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.parse_args(argv)
    print("| channels | PyTorch | Winograd's tiles | running sums of | all in one sum |\n|---|---|---|---|---|")
    for inputs, outputs, kernel in WIDTHS:
        plain, tiles, in_one = errors(inputs, outputs, kernel)
        run = inputs // winograd.run_count(inputs)
        name = f"{inputs} to {outputs}" + (", 4x4 taps" if kernel == 4 else "")
        print(f"| {name} | {plain:.1e} | {tiles:.1e} | {run} | {in_one:.1e} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
