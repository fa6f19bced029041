"""Check that two PyTorch checkpoints are equal bit for bit; PyTorch itself reads both.

    python align/check_round_trip.py BEFORE.pt AFTER.pt

Exit code: 0 the same, 1 different, 2 a file cannot be read.
"""

import pickle

import torch

from align.checks import running
from paddle_ugatit.backend.errors import UsageError


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


def main(argv=None):
    """Compare; returns the exit code."""
    parser = running.parser("check_round_trip", __doc__, "before.pt after.pt", "0 bit-exact, 1 different, 2 bad usage")
    parser.add_argument("before", metavar="BEFORE.pt", help="the original checkpoint")
    parser.add_argument("after", metavar="AFTER.pt", help="the one converted there and back")
    arguments = parser.parse_args(argv)
    return running.run("check_round_trip", lambda: _run(arguments))


def _loaded(path):
    try:
        return torch.load(path, weights_only=True, mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())[:300]}") from None


def _run(arguments):
    states = [_loaded(path) for path in (arguments.before, arguments.after)]
    lines, same = differences(*states)
    for line in lines[:20]:
        print(line)
    if not lines and not same:
        raise UsageError("the files hold no tensors")
    print(f"DIFFERENT: {len(lines)} tensors" if lines else f"BIT-EXACT: {same} tensors, names, dtypes, shapes, values")
    return 1 if lines else 0
