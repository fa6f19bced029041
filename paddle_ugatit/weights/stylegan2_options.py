"""Options of the public StyleGAN2 that change its networks: those this port does not have, and those of no shape.

The public code keeps the options of a run in `.config.json` beside its model_N.pt. Most of them show in keys or shapes;
`lr_mlp`, the factor of the style network's weights, shows in neither.
"""

import json
import re
from pathlib import Path
from typing import Any

from paddle_ugatit.formats import FilePath
from paddle_ugatit.weights.rules import Options, State, WeightError

CONFIG = ".config.json"
_LARGEST = 1 << 20  # bytes; such a file has a few hundred
_SIGNS = {  # pattern of a key -> the option that made it
    r"(attns|attn_blocks)\.": "--attn-layers",
    r"quantize_blocks\.": "--fq-layers",
    r"to_initial_block\.": "--no-const",
}
_FIRST = {"blocks.0.to_rgb.conv.weight": 0, "blocks.0.conv_res.weight": 1}  # key -> the axis of an image's channels
_OLD = "the public code before August 2020, without this convolution: convert it with a later version of that code"


def require_supported(state: State, prefix: str) -> None:
    """Raise WeightError, which names the option, if a generator or discriminator has what this port does not."""
    for key, array in state.items():
        for sign, option in _SIGNS.items():
            if re.match(sign, key):
                raise WeightError(f"{prefix}was made with {option} ({key!r}), which is not supported here")
        if key in _FIRST and array.ndim == 4 and array.shape[_FIRST[key]] == 4:
            raise WeightError(f"{prefix}was made with --transparent (four channels), which is not supported here")


def require_convolution(state: State, name: str, prefix: str) -> None:
    """Raise WeightError if a network lacks the convolution that the public code added in August 2020."""
    if f"{name}.weight" not in state and f"{name}.bias" not in state:
        raise WeightError(f"{prefix}lacks {name}.*: is of {_OLD}")


def hidden_options(path: FilePath, options: dict[str, Options], notes: list[str]) -> Options:
    """Return {"lr_mul"} from the `.config.json` beside a public file whose networks have `options`.

    It is not believed if it is of other networks. A note says what was found, or is assumed. Raises WeightError if the
    file is malformed.
    """
    config = Path(path).parent / CONFIG
    found = _read(config)
    if found is None:
        notes.append(f"{path}: has no {CONFIG} beside it: lr_mlp is taken to be 0.1, the public default")
        return {}
    size = next((each["image_size"] for each in options.values()), None)
    if "image_size" in found and size is not None and found["image_size"] != size:
        notes.append(f"{config}: is not believed: it is of {found['image_size']!r:.20} pixels, {path} of {size}")
        return {}
    if "lr_mlp" not in found:
        return {}
    notes.append(f"{config}: lr_mlp is {found['lr_mlp']!r:.40}")
    return {"lr_mul": found["lr_mlp"]}


def _read(config: Path) -> dict[str, Any] | None:
    try:
        with open(config, encoding="utf-8") as file:
            found = json.loads(file.read(_LARGEST))
        if not isinstance(found, dict):
            raise ValueError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise WeightError(f"{config}: cannot be read as the options of the model beside it: {error}") from error
    return found
