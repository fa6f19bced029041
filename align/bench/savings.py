"""The savings of a training iteration, and how to do without each; updates stay the same (tests/align/test_bench.py).

Contents: SAVINGS, name -> function that returns (owner, attribute, replacement) of what to patch. Nothing of Paddle is
loaded before such a function runs.
"""

from contextlib import contextmanager


def _trainer():
    from paddle_ugatit.training import ugatit as trainer

    return trainer


def translated_twice():
    """Compute translations again for the discriminators, as published, though without their graph."""
    import paddle

    Trainer = _trainer().Trainer
    once = Trainer.translation

    def translation(self, *arguments):
        with paddle.no_grad():
            once(self, *arguments)
        return once(self, *arguments)

    return [(Trainer, "translation", translation)]


def one_image_a_pass():
    """Translate one domain and reconstruct the other in separate passes of a generator."""
    trainer = _trainer()

    def translate(generator, source, target):
        fake, fake_cam, _ = generator(source)
        identity, identity_cam, _ = generator(target)
        return trainer.Translation(target, fake, identity, fake_cam, identity_cam)

    return [(trainer, "translate", translate)]


def real_then_translated():
    """Show a discriminator real and translated images in separate passes."""
    return [(_trainer(), "real_and_fake", lambda net, real, fake: (net(real), net(fake)))]


def gradients_of_all():
    """Compute the discriminators' gradients in the generators' step too, and discard them."""

    @contextmanager
    def unfrozen(parameters):
        yield
        for parameter in parameters:
            parameter.clear_gradient(False)

    return [(_trainer(), "frozen", unfrozen)]


def _way(*names):
    """Do without these ways of paddle_ugatit/layers/fast/dispatch.py."""

    def patches():
        from paddle_ugatit.layers.fast import dispatch

        return [(dispatch, "_switched_off", {*dispatch._switched_off, *names})]

    return patches


def slices():
    """Reflect the borders of small maps by slices, too."""
    from paddle_ugatit.layers.fast import dispatch

    return [(dispatch, "SMALL_MAP", 0)]


def tiles_cut_anew():
    """Cut tiles again for the backward pass of every map, not only of large ones."""
    from paddle_ugatit.layers.fast import winograd

    return [(winograd, "KEPT", 0)]


SAVINGS = {
    "translations computed once": translated_twice,
    "translation and repetition in one batch": one_image_a_pass,
    "real and translated images in one batch": real_then_translated,
    "frozen discriminators": gradients_of_all,
    "Winograd's tiles": _way("tiles"),
    "borders and upsampling within the convolution": _way("fused"),
    "last layer by scattering": _way("scattered"),
    "weights' gradients from gathered pixels": _way("gathered"),
    "one product for small maps under large weights": _way("unfolded"),
    "small maps reflected by products": slices,
    "tiles kept for the backward pass": tiles_cut_anew,
}
