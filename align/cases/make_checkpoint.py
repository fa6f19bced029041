"""Write a checkpoint in the public U-GAT-IT format from the PyTorch twin, with random weights.

    python align/make_checkpoint.py --out demo_params_0000000.pt --light

Six state dicts, genA2B, genB2A, disGA, disGB, disLA, disLB, as the public training script saves them.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import torch

from torch_ref import Discriminator, ResnetGenerator


def networks(arguments):
    """Name -> freshly initialised module, the six that training has."""
    options = {key: getattr(arguments, key) for key in ("ngf", "n_blocks", "img_size", "light")}
    made = {name: ResnetGenerator(3, 3, **options) for name in ("genA2B", "genB2A")}
    for name, layers in (("disGA", 7), ("disGB", 7), ("disLA", 5), ("disLB", 5)):
        made[name] = Discriminator(3, arguments.ndf, layers)
    return made


def randomise(module):
    """Move the norms off their initial values, and spectral norms off their random start: as after some training."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("rho"):
                parameter.uniform_(0, 1)
            elif name.startswith("UpBlock2") and name.endswith(("gamma", "beta")):
                parameter.add_(0.3 * torch.randn_like(parameter))
        if isinstance(module, Discriminator):
            module(torch.randn(1, 3, 96, 96))  # one forward in training mode settles u and v


def main(argv=None):
    """Write the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, metavar="FILE.pt")
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--img-size", type=int, default=256, metavar="N")
    parser.add_argument("--ngf", type=int, default=64, metavar="N")
    parser.add_argument("--ndf", type=int, default=64, metavar="N")
    parser.add_argument("--n-blocks", type=int, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    arguments = parser.parse_args(argv)
    start = time.perf_counter()
    torch.manual_seed(arguments.seed)
    out = Path(arguments.out)
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        state = {}
        for name, module in networks(arguments).items():
            randomise(module)
            state[name] = module.state_dict()
        out.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, temporary)
        os.replace(temporary, out)
    except (OSError, ValueError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        print(f"make_checkpoint: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    count = sum(tensor.numel() for network in state.values() for tensor in network.values())
    print(f"{out}: six networks, {count / 1e6:.1f} M values, {out.stat().st_size / 1e6:.0f} MB", end=", ")
    print(f"{time.perf_counter() - start:.1f} s")
    return 0
