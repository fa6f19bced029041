"""Whether the options of a run allow it to continue from a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import CheckpointError
from paddle_ugatit.training import distributed
from paddle_ugatit.training.checkpoints import LATEST, WEIGHTS
from paddle_ugatit.training.options import RunOptions


def require_same_options(
    config: RunOptions, manifest: dict[str, Any], folder: Path, say: Callable[[str], None]
) -> None:
    """Raise InputError if an option that affects the updates differs from the one in a checkpoint's manifest.

    Of other differences, and of another length of the run, `say` is told. `folder` is that of all checkpoints. Raises
    CheckpointError if the manifest's configuration is not valid.
    """
    world, processes = distributed.world_size(), manifest.get("processes", 1)
    try:
        if type(processes) is not int or processes < 1:
            raise ValueError(f"{processes!r:.40} processes")
        then = type(config).from_dict(manifest.get("config", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder}: its configuration is not valid: {error}") from error
    then = then.replaced(batch_size=then.batch_size * processes)
    changed = then.differences(config.replaced(batch_size=config.batch_size * world))
    changed.pop("accumulate", None)  # does not change the updates
    length = changed.pop("iteration", None)
    if changed:
        listed = ", ".join(f"{name} was {before!r}, is {now!r}" for name, (before, now) in changed.items())
        per = " (batch_size times processes)" if "batch_size" in changed else ""
        raise InputError(
            f"cannot resume with other options{per}: {listed}; a new run can start from these weights with --init "
            f"{folder / LATEST / WEIGHTS} and another --out"
        )
    for name, (before, now) in then.harmless_differences(config).items():
        say(f"note: {name} was {before!r}, is {now!r}")
    if length:
        told = f"note: iteration was {length[0]}, is {length[1]}"
        say(f"{told}: learning rates that depend on it follow the new length from here")
