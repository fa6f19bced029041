"""Paddle's inference format on disk, proved: a folder with the program, its parameters and model.json.

Contents: write_proved_program, prove_program, SIDE. model.json says what the files do not: the order, names, shapes and
meaning of inputs and outputs, and what the model is.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.deploy.exports import ProofError, require_finite_weights
from paddle_ugatit.deploy.graph import Value, as_float64
from paddle_ugatit.deploy.program import Predictor, in_executor, write_program
from paddle_ugatit.deploy.proof import Arrays, Exported, Proof, compared, widened
from paddle_ugatit.formats.atomic import WriteError, replace_folder, unfinished

SIDE = "model.json"


def write_proved_program(folder: Path, exported: Exported, also: Callable[[Path], None] | None = None) -> Proof:
    """Write a program into a folder and prove it; it takes its place only if it is proved, and if `also` accepts it.

    It is computed in float64 by Paddle's executor, and in float32 by paddle.inference, without oneDNN and, unless that
    is known to be wrong for the network, with it. `also` gets the folder's temporary path. Raises ProofError if the
    proof fails, and WriteError if the folder cannot be written, or is there and holds no such program.
    """
    require_own(folder)
    require_finite_weights(exported.graph)
    new = unfinished(folder)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        write_program(new, exported.graph)
        (new / SIDE).write_text(json.dumps(described(exported, new), indent=2) + "\n", encoding="utf-8")
        proof = prove_program(new, exported)
        if faults := proof.faults():
            raise ProofError(f"{folder}: does not compute what the network does: {'; '.join(faults)}")
        if also:
            also(new)
        replace_folder(folder)
    except InputError as error:
        raise ProofError(str(error).replace(str(new), str(folder))) from error
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return proof


def require_own(folder: Path) -> None:
    """Raise WriteError if there is something else at the place of a folder that would be replaced."""
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / SIDE).is_file()):
        return
    if folder.exists():
        raise WriteError(f"{folder}: cannot be written: something else is there, without a {SIDE}")


def prove_program(folder: Path, exported: Exported) -> Proof:
    """Measure how far the program in a folder is from the network."""
    names = [value.name for value in exported.graph.outputs]
    found: list[Arrays] = []

    def exact(inputs: Arrays, wanted: Iterable[str]) -> Arrays:
        if not found:  # the program is built once, for all inputs
            found.extend(in_executor(as_float64(exported.graph), widened(exported), wanted))
        return found.pop(0)

    runtimes = {"paddle.inference": Predictor(folder, names, one_dnn=False)}
    if exported.one_dnn:
        runtimes["its oneDNN"] = Predictor(folder, names, one_dnn=True)
    return compared(exported, exported.graph, exact, {name: each.run for name, each in runtimes.items()})


def described(exported: Exported, folder: Path) -> dict[str, Any]:
    """Return what model.json says: inputs and outputs in the order of the files, and what the model is."""

    def described_value(value: Value) -> dict[str, Any]:
        shape = [-1 if isinstance(size, str) else size for size in value.shape]
        sizes = [str(size) for size in value.shape]
        dtype = np.dtype(value.dtype).name
        meaning = exported.meanings.get(value.name, "")
        return {"name": value.name, "dtype": dtype, "shape": shape, "sizes": sizes, "meaning": meaning}

    return {
        "format": "paddle-ugatit-inference/1",
        "paddle": paddle.__version__,
        "one_dnn": exported.one_dnn,
        "files": sorted(path.name for path in folder.iterdir()),
        "inputs": [described_value(value) for value in exported.graph.inputs],
        "outputs": [described_value(value) for value in exported.graph.outputs],
        "model": dict(sorted(exported.graph.metadata.items())),
    }
