"""The savings of a training iteration, and how to do without each; updates stay the same (tests/test_bench.py).

Contents: SAVINGS, name -> function that returns (owner, attribute, replacement) of what to patch. Nothing of Paddle is
loaded before such a function runs.
"""

from contextlib import contextmanager


def _trainer():
    from paddle_ugatit.training import ugatit as trainer

    return trainer


def _layers():
    from paddle_ugatit.layers import basic, chain, convolution, winograd

    return basic, chain, convolution, winograd


def translated_twice():
    """Compute translations again for the discriminators, as published, though without their graph."""
    import paddle

    Trainer = _trainer().Trainer
    losses = Trainer._discriminator_losses

    def discriminator_losses(self, passes):
        with paddle.no_grad():
            again = self._translate(passes["a"]["real"], passes["b"]["real"])
        return losses(self, again)

    return [(Trainer, "_discriminator_losses", discriminator_losses)]


def one_image_a_pass():
    """Translate one domain and reconstruct the other in separate passes of a generator."""
    Trainer = _trainer().Trainer

    def translate(self, real_a, real_b):
        passes = {}
        for domain, generator, real, other in (("a", "genB2A", real_a, real_b), ("b", "genA2B", real_b, real_a)):
            fake, fake_cam, _ = self.networks[generator](other)
            same, same_cam, _ = self.networks[generator](real)
            passes[domain] = {"real": real, "fake": fake, "same": same, "fake_cam": fake_cam, "same_cam": same_cam}
        return passes

    return [(Trainer, "_translate", translate)]


def real_then_translated():
    """Show a discriminator real and translated images in separate passes."""
    return [(_trainer(), "_two_passes", lambda net, real, fake: (net(real), net(fake)))]


def gradients_of_all():
    """Compute the discriminators' gradients in the generators' step too, and discard them."""
    Trainer = _trainer().Trainer

    @contextmanager
    def unfrozen(self):
        yield
        for parameter in self._parameters("dis"):
            parameter.clear_gradient(False)

    return [(Trainer, "_frozen_discriminators", unfrozen)]


def no_tiles():
    """Use no Winograd convolution, and so none that includes the border."""
    _, _, convolution, _ = _layers()
    return [(convolution, "_tiled", lambda *_: False)]


def borders_first():
    """Pad and upsample before the convolution instead of within it."""
    _, chain, _, _ = _layers()
    return [(chain, "has_bordered_conv", lambda *_: False)]


def no_scattering():
    """Compute the generator's last layer by Paddle's own convolution."""
    _, _, convolution, _ = _layers()
    return [(convolution, "FEW", 0)]


def image_by_image():
    """Convolve small maps with large weights image by image, as Paddle's own convolution does."""
    _, _, convolution, _ = _layers()
    return [(convolution, "SMALL", 0)]


def slices():
    """Reflect the borders of small maps by slices, too."""
    basic, *_ = _layers()
    return [(basic, "SMALL", 0)]


def tiles_cut_anew():
    """Cut tiles again for the backward pass of every map, not only of large ones."""
    *_, winograd = _layers()
    return [(winograd, "KEPT", 0)]


SAVINGS = {
    "translations computed once": translated_twice,
    "translation and repetition in one batch": one_image_a_pass,
    "real and translated images in one batch": real_then_translated,
    "frozen discriminators": gradients_of_all,
    "Winograd's tiles": no_tiles,
    "borders and upsampling within the convolution": borders_first,
    "last layer by scattering": no_scattering,
    "one product for small maps under large weights": image_by_image,
    "small maps reflected by products": slices,
    "tiles kept for the backward pass": tiles_cut_anew,
}
