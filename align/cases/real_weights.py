"""The networks of a checkpoint as cases, with its weights on both sides."""

from align.cases import decoder_case, discriminator_case, encoder_case, generator_case, inception_case
from align.cases.sagan import sagan_discriminator_case, sagan_generator_case
from align.cases.stylegan2 import stylegan2_case
from paddle_ugatit import formats, weights


def network_cases(path, revision=None, size=None, batch=1):
    """(name -> case, name -> weights in PyTorch's layout) for a checkpoint of either framework.

    `size` is the image's, by default what a full generator was built for, else 256; SAGAN's and StyleGAN2's have their
    own. Raises CheckpointError, WeightError and, for a size that a network does not take, ValueError.
    """
    model = {value: name for name, value in weights.MODELS.items()}[revision] if revision else None
    checkpoint, notes = weights.convert(formats.read(path), "torch", path, model, packed=False)
    for note in notes:
        print(f"note: {note}")
    cases = {}
    for name, options in checkpoint.metadata["networks"].items():
        options = {key: value for key, value in options.items() if value is not None}
        kind = options.pop("kind")
        name = name or kind
        if kind == "inception":
            cases[name] = inception_case(name, (batch, 3, size or 299, size or 299), **options)
            continue
        if kind in ("encoder", "decoder"):
            case = encoder_case if kind == "encoder" else decoder_case
            cases[name] = case(name, (batch, 3, size or 256, size or 256), **options)
            continue
        if kind == "SAGAN generator":
            cases[name] = sagan_generator_case(name, (batch, options["z_dim"]), **options)
            continue
        if kind == "SAGAN discriminator":
            side = options["image_size"]
            cases[name] = sagan_discriminator_case(name, (batch, 3, side, side), **options)
            continue
        if kind.startswith("stylegan2"):
            cases[name] = stylegan2_case(name, kind, batch, options)
            continue
        pixels = size or options.get("img_size") or 256
        shape = (batch, options["input_nc"], pixels, pixels)
        if kind == "generator":
            chosen = checkpoint.metadata["revision"]
            cases[name] = generator_case(name, shape, revision=chosen, **options)
        else:
            cases[name] = discriminator_case(name, shape, calls=2, **options)
    states = checkpoint.networks.values()
    return cases, {
        name: {key: formats.widened(array) for key, array in state.items()}
        for name, state in zip(cases, states, strict=True)
    }
