"""The options of a U-GAT-IT training run, under the names of the public command line."""

import typing
from dataclasses import dataclass

from paddle_ugatit.layers.norm import require_revision
from paddle_ugatit.models.ugatit import require_discriminator_size, require_img_size
from paddle_ugatit.training.options import RunOptions


@dataclass(frozen=True)
class Config(RunOptions):
    """Every option, with the public default. ValueError for a value that cannot be."""

    light: bool = False  # the light generator: pools before its gamma-beta network
    revision: str = "current"  # of the public code: "current", or "initial" (to 2019-08-27)
    ch: int = 64  # channels of the first layer, of generators and discriminators
    n_res: int = 4  # residual blocks on either side of a generator
    img_size: int = 256  # pixels, height and width
    img_ch: int = 3  # channels of an image
    global_layers: int = 7  # of the global discriminators; fewer for images under 96 px
    local_layers: int = 5  # of the local discriminators
    lr: float = 1e-4  # Adam's learning rate
    decay_flag: bool = True  # lower the learning rate to 0 over the second half
    weight_decay: float = 1e-4  # L2, added to every gradient, of rho and biases too
    adv_weight: float = 1.0  # of the adversarial loss
    cycle_weight: float = 10.0  # of the cycle loss
    identity_weight: float = 10.0  # of the identity loss
    cam_weight: float = 1000.0  # of the generators' CAM loss

    LEAST: typing.ClassVar = {
        **RunOptions.LEAST,
        **dict.fromkeys(("ch", "img_size", "img_ch"), 1),
        **dict.fromkeys(("global_layers", "local_layers"), 3),
    }

    def __post_init__(self):
        super().__post_init__()
        require_revision(self.revision)
        require_img_size(self.img_size, self.light)
        for layers in (self.global_layers, self.local_layers):
            require_discriminator_size(self.img_size, self.img_size, layers)

    def lr_at(self, step):
        """Learning rate of iteration `step`, counted from 1: constant, then linearly down to 0 at the last one."""
        half = self.iteration // 2
        if not self.decay_flag or step <= half or half == 0:
            return self.lr
        return max(0.0, self.lr * (1 - (step - half) / half))
