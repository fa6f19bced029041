"""References in a file: `record_reference.py` writes them, `--reference` reads them where PyTorch is missing.

One safetensors file holds the tensors of all cases, each once, under the SHA-256 of its bytes. Its metadata holds a
manifest that says what each tensor is, with versions, seeds and options. Loading checks every hash and runs no code.
"""

import hashlib
import json
import os

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from align.cases import CASES, discriminator_case, generator_case
from align.compare.reference import NotComparable, Reference
from align.compare.views import Key
from paddle_ugatit.formats import atomic

SCHEMA = "paddle-ugatit-recording/1"


def save_recording(path, entries, versions):
    """Write (case, reference) pairs to `path`. Raises CheckpointError if it cannot be written."""
    tensors = {}

    def put(array):
        if array is None:
            return None
        array = np.asarray(array, order="C")  # unlike ascontiguousarray, which makes a counter of shape () a list
        name = _digest(array)
        tensors[name] = array
        return name

    manifest = {"schema": SCHEMA, "versions": versions, "cases": [_describe(c, r, put) for c, r in entries]}
    blob = save(tensors, metadata={"manifest": json.dumps(manifest, separators=(",", ":"))})
    with atomic.replacing(path) as file:
        file.write(blob)


def load_recording(path, pair=None):
    """Return the (case, reference) pairs of a recording and its manifest. Raises NotComparable if it is damaged.

    `pair` is the case of a user's file, for a recording of its original.
    """
    try:
        os.stat(path)  # whose errors say why, unlike those of safe_open
        with safe_open(path, framework="np") as file:
            manifest = json.loads((file.metadata() or {}).get("manifest", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except OSError as error:
        raise NotComparable(f"{path}: cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError) as error:
        raise NotComparable(f"{path}: not a recording, or damaged: {error}") from None
    if manifest.get("schema") != SCHEMA:
        raise NotComparable(f"{path}: not a recording of schema {SCHEMA}")
    for name, array in tensors.items():
        if _digest(array) != name:
            raise NotComparable(f"{path}: tensor {name} is damaged")
    try:
        return [_restore(entry, tensors, pair) for entry in manifest["cases"]], manifest
    except (KeyError, TypeError, ValueError) as error:
        raise NotComparable(f"{path}: malformed, {type(error).__name__} {error}") from None


def _digest(array):
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()[:24]


def _describe(case, reference, put):
    return {
        "case": case.name,
        "network": case.network,
        "seed": reference.seed,
        "torch": reference.torch,
        "weights": {key: put(array) for key, array in reference.weights.items()},
        "inputs": [[put(array) for array in call] for call in reference.inputs],
        "cotangents": [{slot: put(a) for slot, a in call.items()} for call in reference.cotangents],
        "tensors": [[*key, put(array)] for key, array in reference.tensors.items()],
        "floors": [[view, *key, value] for (view, key), value in reference.floors.items()],
        "types": reference.types,
        "order": reference.order,
        "facts": reference.facts,
    }


def _by_slot(call):
    """The items of a call's output gradients, which older recordings hold as a list."""
    return call.items() if isinstance(call, dict) else ((str(i), name) for i, name in enumerate(call))


def _restore(entry, tensors, pair):
    def get(name):
        return None if name is None else tensors[name]

    if entry["network"]:
        kind, options = entry["network"]
        factory = {"generator": generator_case, "discriminator": discriminator_case}[kind]
        case = factory(entry["case"], **options)
    elif entry.get("facts") or pair:
        if pair is None or pair.name != entry["case"]:
            raise NotComparable(f"the recording is of the pair {entry['case']}: name its file with --pair")
        case = pair
    else:
        case = CASES[entry["case"]]
    reference = Reference(
        case.name,
        entry["seed"],
        {key: get(name) for key, name in entry["weights"].items()},
        [[get(name) for name in call] for call in entry["inputs"]],
        [{slot: get(name) for slot, name in _by_slot(call)} for call in entry["cotangents"]],
        {Key(*key): get(name) for *key, name in entry["tensors"]},
        {(view, Key(*key)): value for view, *key, value in entry["floors"]},
        entry["types"],
        [tuple(place) for place in entry["order"]],
        entry["torch"],
        entry.get("facts", {}),
    )
    return case, reference
