"""One training step of U-GAT-IT as PyTorch made it, in a small file: for machines without PyTorch.

`python align/record_reference.py --step --out FILE` writes it. Weights and images are drawn by NumPy, so that the file
need not hold them; of every array that the step leaves behind it holds the largest value and four sums with random
signs, which no difference leaves unchanged.
"""

import json
import zlib

import numpy as np

from align.cases import TRAINING, randomise, representable
from align.compare.raised import NotComparable
from align.compare.training import LIMIT, scale_of
from align.compare.verdict import Row
from paddle_ugatit.formats import atomic

SCHEMA = "paddle-ugatit-step/1"
SHIPPED = "align/recordings/step.json"
SUMS, SEED = 4, 0
CONFIG = TRAINING["ugatit"].small


def drawn(name, shapes):
    """Return values for the state of a network, key -> array in PyTorch's layout, from its shapes."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    state = {}
    for key in sorted(shapes):
        array = rng.standard_normal(shapes[key]) / np.sqrt(max(1, np.prod(shapes[key][1:])))
        state[key] = array / np.linalg.norm(array) if key.endswith(("_u", "_v")) else array
    return {key: representable(array) for key, array in randomise(state, SEED).items()}


def begin(trainer, side):
    """Give a trainer the drawn weights, and return the arrays of its step."""
    for name, network in trainer.networks.items():
        shapes = {key: array.shape for key, array in side.state(network).items()}
        side.load(network, drawn(name, shapes))
    return next(iter(TRAINING["ugatit"].given(CONFIG, SEED)))


def summarised(numbers):
    """Return "network|what|name" -> [largest value, sums with random signs] of the state after a step."""
    return {"|".join(place): _sums("|".join(place), array) for place, array in numbers.items()}


def _sums(label, array):
    flat = np.asarray(array, np.float64).ravel()
    signs = np.random.default_rng(zlib.crc32(label.encode())).choice([-1.0, 1.0], (SUMS, flat.size))
    return [float(np.abs(flat).max(initial=0)), *map(float, signs @ flat / np.sqrt(max(1, flat.size)))]


def save(path, numbers, versions):
    """Write the state after a step. Raises WriteError if it cannot be written."""
    with atomic.replacing(path, "w") as file:
        json.dump({"schema": SCHEMA, "versions": versions, "places": summarised(numbers)}, file, indent=0)


def load(path):
    """Return the document in a file. Raises NotComparable if it cannot be read or is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise NotComparable(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise NotComparable(f"{path}: not a recorded step, or damaged: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise NotComparable(f"{path}: not a recorded step of schema {SCHEMA}")
    return found


def rows_of(recorded, numbers):
    """Return a Row for each array of the state after Paddle's step."""
    found, rows = summarised(numbers), []
    layers = _largest_of_layers(recorded)
    for label in sorted(recorded.keys() | found.keys()):
        network, what, name = label.split("|")
        layer, _, leaf = name.rpartition(".")
        error, note = None, ""
        if label not in found or label not in recorded:
            note = f"{'Paddle' if label in recorded else 'the recording'} has none"
        else:
            scale = scale_of(what, recorded[label][0], layers.get((network, what, layer), 0.0))
            differences = np.abs(np.subtract(recorded[label], found[label]))
            error = float(differences.max()) / scale if np.isfinite(differences).all() else None
            note = "" if error is not None else "NaN or infinite"
        verdict = "pass" if error is not None and error <= LIMIT else "fail"
        where = f"{network}.{layer}" if layer else network
        rows.append(Row(where, "", 1, what, leaf, "state", "float64", [], error, None, LIMIT, verdict, note))
    return rows


def _largest_of_layers(recorded):
    """(network, moment, layer) -> the largest value of that moment in the layer."""
    largest = {}
    for label, (most, *_) in recorded.items():
        network, what, name = label.split("|")
        if what.startswith("moment"):
            place = network, what, name.rpartition(".")[0]
            largest[place] = max(largest.get(place, 0.0), most)
    return largest
