"""Plain statements of what surrounds a run: options, initial filters of AdaIN, other processes, mixed precision."""

from typing import Any

import numpy as np

# A file of options and assignments -> what they stand for.
OPTIONS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "nothing": ("{}", (), {}),
    "numbers": ("lr: 1e-4\nch: 8\nlr_decay: 0.5\nseed: 0x10", (), {"lr": 1e-4, "ch": 8, "lr_decay": 0.5, "seed": 16}),
    "texts": (
        "revision: initial\nencoder: there.pth\nx: e",
        (),
        {"revision": "initial", "encoder": "there.pth", "x": "e"},
    ),
    "truth": ("light: true\nstrict: no", (), {"light": True, "strict": False}),
    "assigned": ("ch: 8\nlr: 1", ("ch=16", "light=true", "lr=2E-3"), {"ch": 16, "lr": 2e-3, "light": True}),
    "spaces": ("ch: 8", (" ch =4", "encoder=a=b"), {"ch": 4, "encoder": "a=b"}),
    "none": ("encoder:", (), {"encoder": None}),
}
# The options of every run, as docs/training.md and the published command line have them.
DEFAULTS: dict[str, Any] = {
    **{"iteration": 1_000_000, "batch_size": 1, "accumulate": 1, "seed": 0, "deterministic": False, "amp": "off"},
    **{"ema": 0.0, "workers": 2, "cache": 512, "strict": False, "log_freq": 10, "print_freq": 1000},
    **{"save_freq": 5000, "keep": 2, "keep_every": 100_000, "eval_every": 0, "eval_features": "auto"},
    "eval_weights": "",
}
BAD = {  # a file of options that is refused
    "a list": "- 1",
    "twice": "ch: 1\nch: 2",
    "nested": "ch: [1]",
    "no text": "1: 2",
    "no YAML": "a: b: c",
}


def random_filters(shapes: list[tuple[int, ...]], seed: int) -> list[tuple[np.ndarray, float]]:
    """Return weight and bias of each convolution of an encoder, in order.

    The first maps [0,1] to four times its distance from 1/2. One that keeps the channels passes each on, with a fifth
    of others; one that changes them has pairs of opposite filters. Their variance is 2 / fan_in, and their pixels are
    weighted towards the centre, with a mean square of 1.
    """
    rng, found = np.random.default_rng([seed, 0]), []
    centred = np.full((3, 3), 0.3)
    centred[::2, ::2], centred[1, 1] = 0.2, 1.0
    centred = centred / np.sqrt(np.mean(np.square(centred)))
    for place, (outputs, inputs, *_) in enumerate(shapes):
        drawn = lambda count, inputs=inputs: rng.standard_normal((count, inputs, 3, 3)) * np.sqrt(2 / (inputs * 9))  # noqa: E731
        if place == 0:
            found.append((np.eye(3).reshape(3, 3, 1, 1) * 4, -2.0))
        elif outputs == inputs:
            weight = drawn(outputs) * centred * 0.2
            for channel in range(outputs):
                weight[channel, channel, 1, 1] += 1.0
            found.append((weight, 0.0))
        else:
            half = drawn(-(-outputs // 2)) * centred
            found.append((np.concatenate([half, -half])[:outputs], 0.0))
    return found


def he_filters(shapes: list[tuple[int, ...]], seed: int) -> list[tuple[np.ndarray, float]]:
    """Return the same of a decoder: normal filters of variance 2 / fan_in; the last a fifth of it, around 1/2."""
    rng, found = np.random.default_rng([seed, 1]), []
    for place, shape in enumerate(shapes):
        weight = rng.standard_normal(shape) * np.sqrt(2 / (shape[1] * 9))
        found.append((weight * 0.2, 0.5) if place == len(shapes) - 1 else (weight, 0.0))
    return found
