"""Small networks with random weights for the tests of exports: rho, gamma and beta differ from their initial values."""

import numpy as np

from paddle_ugatit import ResnetGenerator, formats


def randomised(network, seed=0):
    """The network with every parameter drawn anew."""
    rng = np.random.default_rng(seed)
    for parameter in network.parameters():
        kernel = (
            parameter.ndim == 4 and parameter.shape[0] > 1
        )  # around 0, so that the tanh in the end is not at its limits
        parameter.set_value(rng.normal(0 if kernel else 0.2, 0.3, parameter.shape).astype("float32"))
    network.eval()
    return network


def generator(seed=0, light=True, ch=4, n_blocks=1, inputs=3, outputs=3, img_size=16, **options):
    """A small generator; the full one takes 16 pixels."""
    network = ResnetGenerator(inputs, outputs, ngf=ch, n_blocks=n_blocks, light=light, img_size=img_size, **options)
    return randomised(network, seed)


def written(path, **networks):
    """A checkpoint of Paddle with networks by name; `bare` is a network alone."""
    states = {
        name.replace("bare", ""): {key: value.numpy() for key, value in network.state_dict().items()}
        for name, network in networks.items()
    }
    formats.write(path, formats.Checkpoint(states, "paddle", {}))
    return path
