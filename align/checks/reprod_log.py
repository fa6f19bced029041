"""Both sides' results in the files of Paddle's paper-reproduction guide, which reprod_log reads: `written`, `write`.

NAME_paddle.npy and NAME_ref.npy hold a dictionary of arrays, NAME_diff.log what reprod_log's comparison prints. NAME is
`forward` (outputs), `loss` (outputs without axes) or `bp_align` (gradients of inputs and parameters).
"""

from pathlib import Path

import numpy as np

from align.cases.pair import Pair
from align.compare.narrowing import narrowed
from align.compare.reference import Reference, set_mode
from align.compare.sides import paddle_side_of
from align.compare.views import Whole
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic
from paddle_ugatit.weights import WeightError


def written(folder: Path | str, check: str, case: Pair, reference: Reference) -> list[Path]:
    """Run Paddle's model and write the files of this check; returns the logs' paths.

    Raises InputError if the folder cannot be written.
    """
    found = _paddles(case, reference)
    wanted = {key: array for key, array in reference.tensors.items() if key in found and array is not None}
    values: dict[str, tuple[dict, dict]] = {}
    for key, array in wanted.items():
        if found[key] is None:
            continue
        gradient = key.what.startswith("grad")
        if gradient != (check == "backward"):
            continue
        name = "bp_align" if gradient else "forward" if array.ndim else "loss"
        path = f"{key.layer}.{key.slot}" if key.layer else key.slot
        theirs, ours = values.setdefault(name, ({}, {}))
        theirs[f"{key.what}_{path}_{key.call}"] = np.asarray(array)
        ours[f"{key.what}_{path}_{key.call}"] = np.asarray(found[key])
    return write(folder, values, case.limit)


def write(folder: Path | str, values: dict[str, tuple[dict, dict]], limit: float) -> list[Path]:
    """Write the files of each name: its arrays of PyTorch and of Paddle, by the same keys; returns the logs' paths.

    Raises InputError if the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder, name, *sides, limit) for name, sides in values.items()]
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _paddles(case, reference):
    """What Paddle's model gives, run as a whole in float64: Key -> array."""
    case, reference, _ = narrowed(case, reference, lambda case: paddle_side_of(case)("float64"))
    side, found = paddle_side_of(case)("float64"), {}
    model = side.build(case.build, reference.seed)
    try:
        side.load(model, reference.weights)
    except WeightError:  # the check says which
        side.load_matching(model, reference.weights)
    set_mode(model, case.training)
    Whole(side, model, found.__setitem__).run(reference.inputs, reference.cotangents)
    return found


def _write(folder, name, theirs, ours, limit):
    for side, arrays in (("ref", theirs), ("paddle", ours)):
        with atomic.replacing(folder / f"{name}_{side}.npy") as file:
            np.save(file, np.array(arrays, dtype=object), allow_pickle=True)
    lines, passed = [], True
    for key, array in theirs.items():
        other = ours[key]
        same = array.shape == other.shape
        value = (
            float(np.abs(np.asarray(array, float) - np.asarray(other, float)).mean())
            if same and array.size
            else float("nan")
        )
        passed &= (fits := same and value <= limit)
        lines += [f"{key}: ", f"\tmean diff: check passed: {fits}, value: {value}"]
    lines.append("diff check passed" if passed else "diff check failed")
    path = folder / f"{name}_diff.log"
    with atomic.replacing(path, "w") as file:
        file.write("".join(f"{line}\n" for line in lines))
    return path
