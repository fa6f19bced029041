"""The options of a training run, under the names of the public command line."""

from dataclasses import dataclass, fields

from paddle_ugatit.layers.norm import require_revision


@dataclass(frozen=True)
class Config:
    """Every option, with the public default. ValueError for a value that cannot be."""

    light: bool = False  # the light generator: pools before its gamma-beta network
    revision: str = "current"  # of the public code: "current", or "initial" (to 2019-08-27)
    ch: int = 64  # channels of the first layer, of generators and discriminators
    n_res: int = 4  # residual blocks on either side of a generator
    img_size: int = 256  # pixels, height and width
    img_ch: int = 3  # channels of an image
    global_layers: int = 7  # of the global discriminators; fewer for images under 96 px
    local_layers: int = 5  # of the local discriminators
    batch_size: int = 1  # images of each domain in one iteration
    iteration: int = 1_000_000  # iterations of the whole run
    lr: float = 1e-4  # Adam's learning rate
    decay_flag: bool = True  # lower the learning rate to 0 over the second half
    weight_decay: float = 1e-4  # L2, added to every gradient, of rho and biases too
    adv_weight: float = 1.0  # of the adversarial loss
    cycle_weight: float = 10.0  # of the cycle loss
    identity_weight: float = 10.0  # of the identity loss
    cam_weight: float = 1000.0  # of the generators' CAM loss

    def __post_init__(self):
        require_revision(self.revision)
        positive = ("ch", "img_size", "img_ch", "batch_size", "iteration")
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type and not (field.type is float and type(value) is int):
                raise ValueError(f"{field.name} must be of type {field.type.__name__}, got {value!r}")
            if field.name in positive and value < 1:
                raise ValueError(f"{field.name} must be 1 or more, got {value}")
            if field.type is float and not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} must be 0 or more and finite, got {value}")

    @classmethod
    def from_dict(cls, options):
        """A Config from names and values; ValueError names those it does not know."""
        unknown = sorted(set(options) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown option {', '.join(unknown)}")
        return cls(**options)

    def lr_at(self, step):
        """Learning rate of iteration `step`, counted from 1: constant, then linearly down to 0 at the last one."""
        half = self.iteration // 2
        if not self.decay_flag or step <= half or half == 0:
            return self.lr
        return max(0.0, self.lr * (1 - (step - half) / half))
