"""State dicts of spectral normalisation from before PyTorch 1.0, which hold W, u and the normalised W, but not v."""

import numpy as np

from paddle_ugatit.formats.checkpoint import CheckpointError, cast, held_dtype, widened


def modernised(state: dict[str, np.ndarray], where: str, notes: list[str]) -> dict[str, np.ndarray]:
    """Return the state dict as PyTorch 1.0 and later write it: with `weight_v`, without the derived `weight`.

    A line on each change is added to `notes`; it begins with `where`, as does the message of a CheckpointError, raised
    if `weight_v` cannot be recovered. A `weight_u` of the wrong shape is left for the caller to report.
    """
    state = dict(state)
    recovered: list[str] = []
    dropped: list[str] = []
    for prefix in [key.removesuffix("weight_orig") for key in state if key.rpartition(".")[2] == "weight_orig"]:
        weight, u, derived = state[prefix + "weight_orig"], state.get(prefix + "weight_u"), prefix + "weight"
        if u is not None and u.shape == weight.shape[:1] and prefix + "weight_v" not in state:
            v = _recovered_v(weight, u, state.get(derived), where)
            state[prefix + "weight_v"] = cast(v, held_dtype(u))
            recovered.append(prefix + "weight_v")
        if derived in state and state[derived].shape == weight.shape:
            del state[derived]
            dropped.append(derived)
    if recovered:
        notes.append(f"{where}: recovered {len(recovered)} weight_v that the old format lacks from W and u")
    if dropped:
        notes.append(f"{where}: dropped {len(dropped)} normalised weights, which are computed from weight_orig")
    return state


def _recovered_v(weight: np.ndarray, u: np.ndarray, derived: np.ndarray | None, where: str) -> np.ndarray:
    """Return v = W^+ u in float64, (out,...), (out) -> (in), with the length that PyTorch's own loading gives it.

    This is exact if u came from a power step on this W: u ~ W v with v = W^T u' / |..| in the row space, so W^+ u ~ v.
    The length is 1 or, if the normalised weight is available, such that sigma = u^T W v is the one that made it.
    """
    matrix = widened(weight).astype(np.float64).reshape(len(weight), -1)
    u = widened(u).astype(np.float64)
    try:
        if len(matrix) <= matrix.shape[1]:
            v = matrix.T @ np.linalg.lstsq(matrix @ matrix.T, u, rcond=None)[0]
        else:
            v = np.linalg.lstsq(matrix.T @ matrix, matrix.T @ u, rcond=None)[0]
    except np.linalg.LinAlgError as error:
        raise CheckpointError(f"{where}: cannot recover weight_v: {error}") from error
    v = v / max(np.linalg.norm(v), 1e-12)
    if derived is None or derived.shape != weight.shape:
        return v
    derived = widened(derived).astype(np.float64).reshape(matrix.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = v * np.nanmean(matrix / derived) / (u @ matrix @ v)
    return scaled if np.isfinite(scaled).all() else v
