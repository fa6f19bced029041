"""Two PyTorch checkpoints, bit by bit."""

import torch


def differences(before, after):
    """Return a line for every difference in name, dtype, shape or bits, and the number of equal tensors."""
    before, after = _flat(before), _flat(after)
    lines, same = [], 0
    for key in sorted(before.keys() | after.keys()):
        if key not in after or key not in before:
            lines.append(f"{key}: only {'before' if key in before else 'after'}")
            continue
        a, b = before[key], after[key]
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):  # a version, say
            lines += [] if type(a) is type(b) and a == b else [f"{key}: {a!r:.40} became {b!r:.40}"]
        elif (a.dtype, a.shape) != (b.dtype, b.shape):
            lines.append(f"{key}: {a.dtype} {list(a.shape)} became {b.dtype} {list(b.shape)}")
        elif not torch.equal(_bits(a), _bits(b)):
            lines.append(f"{key}: {int((_bits(a) != _bits(b)).any(-1).sum())} of {a.numel()} values differ")
        else:
            same += 1
    return lines, same


def _flat(state, prefix=""):
    flat = {}
    for key, value in state.items():
        flat |= _flat(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _bits(tensor):
    # Bytes, since NaN differs from itself and -0 equals 0; one row per value.
    return tensor.contiguous().reshape(-1, 1).view(torch.uint8)
