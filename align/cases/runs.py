"""Whole runs by the training command: small options of every system, and how each is resumed."""

from dataclasses import dataclass, field

COMMON = {"log_freq": 1, "save_freq": 1, "keep": 20, "print_freq": 2, "eval_every": 2, "workers": 1}
COMMON |= {"eval_features": "pixels", "seed": 3}


@dataclass(frozen=True)
class RunCase:
    """A run: the options beside COMMON, the iteration after which it is resumed, and which files it starts from."""

    system: str
    options: dict
    middle: int = 2
    averaged: tuple[str, ...] = ()  # networks of which a running mean is kept
    written: dict[str, str] = field(default_factory=dict)  # option -> its text in the file, where that is another form

    @property
    def all_options(self) -> dict:
        """The options that the file and the command line give."""
        return COMMON | self.options


RUNS = {
    "ugatit": RunCase(
        "ugatit",
        {
            **{"light": False, "ch": 2, "n_res": 1, "img_size": 16, "global_layers": 4, "local_layers": 3},
            **{"batch_size": 2, "accumulate": 2, "ema": 0.75, "iteration": 4, "lr": 1e-3},
        },
        averaged=("genA2B", "genB2A"),
        written={"light": "0", "lr": "1e-3", "iteration": "4.0"},
    ),
    "ugatit light": RunCase(
        "ugatit",
        {
            **{"light": True, "ch": 2, "n_res": 1, "img_size": 24, "global_layers": 4, "local_layers": 3},
            **{"batch_size": 1, "iteration": 3, "decay_flag": False, "margin": 5},
        },
        middle=1,
        written={"light": "1"},
    ),
    "adain": RunCase(
        "adain",
        {
            **{"ch": 4, "img_size": 24, "load_size": 31, "batch_size": 4, "accumulate": 2, "ema": 0.75},
            **{"iteration": 4, "lr_decay": 0.1},
        },
        averaged=("decoder",),
    ),
    "sagan": RunCase(
        "sagan",
        {
            **{"conv_dim": 8, "z_dim": 6, "img_size": 16, "load_size": 19, "center_crop": 40, "batch_size": 3},
            **{"domain": "A", "ema": 0.75, "iteration": 4},
        },
        averaged=("G",),
    ),
    "sagan wgan-gp": RunCase(
        "sagan",
        {
            **{"conv_dim": 8, "z_dim": 6, "img_size": 16, "load_size": 16, "batch_size": 3, "adv_loss": "wgan-gp"},
            **{"beta1": 0.2, "iteration": 2},
        },
        middle=1,
    ),
    "stylegan2": RunCase(
        "stylegan2",
        {
            **{"img_size": 16, "load_size": 20, "keep_aspect": True, "latent_dim": 8, "style_depth": 2},
            **{
                "network_capacity": 2,
                "batch_size": 4,
                "accumulate": 2,
                "augment": 0.6,
                "augment_kinds": "color,cutout",
            },
            **{"penalty_every": 2, "path_every": 2, "path_after": 0, "mean_every": 1, "mean_after": 3},
            **{"copy_every": 20, "copy_until": 2, "truncation": 0.6, "iteration": 6, "mixing": 0.5},
        },
        middle=3,
    ),
}
