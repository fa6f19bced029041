"""The networks of a checkpoint as cases, with its weights on both sides."""

from align.cases import decoder_case, discriminator_case, encoder_case, generator_case, inception_case
from align.cases.sagan import sagan_discriminator_case, sagan_generator_case
from align.cases.stylegan2 import stylegan2_case
from paddle_ugatit import formats, weights


def network_cases(path, revision=None, size=None, batch=1):
    """Return (name -> case, name -> weights in PyTorch's layout) for a checkpoint of either framework.

    `size` is the image size, by default the one a full generator was built for, else 256; networks of SAGAN and
    StyleGAN2 have their own. Raises CheckpointError, WeightError, or ValueError if a network does not take the size.
    """
    model = {value: name for name, value in weights.MODELS.items()}[revision] if revision else None
    checkpoint, notes = weights.convert(formats.read(path), "torch", path, model, packed=False)
    for note in notes:
        print(f"note: {note}")
    cases = {}
    for name, options in checkpoint.metadata["networks"].items():
        options = {key: value for key, value in options.items() if value is not None}
        kind = options.pop("kind")
        if kind == "generator":
            options["revision"] = checkpoint.metadata["revision"]
        cases[name or kind] = _case(name or kind, kind, options, size, batch)
    states = checkpoint.networks.values()
    return cases, {
        name: {key: formats.widened(array) for key, array in state.items()}
        for name, state in zip(cases, states, strict=True)
    }


def _case(name, kind, options, size, batch):
    """The case of one network of this kind, with its options from the checkpoint."""
    if kind == "inception":
        return inception_case(name, (batch, 3, size or 299, size or 299), **options)
    if kind in ("encoder", "decoder"):
        case = encoder_case if kind == "encoder" else decoder_case
        return case(name, (batch, 3, size or 256, size or 256), **options)
    if kind == "SAGAN generator":
        return sagan_generator_case(name, (batch, options["z_dim"]), **options)
    if kind == "SAGAN discriminator":
        side = options["image_size"]
        return sagan_discriminator_case(name, (batch, 3, side, side), **options)
    if kind.startswith("stylegan2"):
        return stylegan2_case(name, kind, batch, options)
    pixels = size or options.get("img_size") or 256
    shape = (batch, options["input_nc"], pixels, pixels)
    if kind == "generator":
        return generator_case(name, shape, **options)
    return discriminator_case(name, shape, calls=2, **options)
