"""The networks of a checkpoint as cases, with its weights on both sides."""

from align.cases import module_of
from paddle_ugatit import formats, weights


def network_cases(path, revision=None, size=None, batch=1):
    """Return (name -> case, name -> weights in PyTorch's layout) for a checkpoint of either framework.

    `size` is the image's, by default what a full generator was built for, else the one its system is used with; some
    networks have a size of their own. Raises CheckpointError, WeightError and, for a size that a network does not take,
    ValueError.
    """
    model = {value: name for name, value in weights.models().items()}[revision] if revision else None
    checkpoint, notes = weights.convert(formats.read(path), "torch", path, model, packed=False)
    for note in notes:
        print(f"note: {note}")
    cases = {}
    for name, options in checkpoint.metadata["networks"].items():
        options = {key: value for key, value in options.items() if value is not None}
        kind = options.pop("kind")
        module = module_of(weights.system_of(kind))
        name = name or kind
        shown = options.pop("revision", checkpoint.metadata["revision"])
        cases[name] = module.network_case(name, kind, options, shown, size, batch)
    states = checkpoint.networks.values()
    return cases, {
        name: {key: formats.widened(array) for key, array in state.items()}
        for name, state in zip(cases, states, strict=True)
    }
