"""Models that compute partly in float32 in whatever dtype they are: `Wide` lets PyTorch do without it.

Where such a model differs from the same model without float32, it differs by rounding, and so may another framework.
"""

import torch
from torch.overrides import TorchFunctionMode

_WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}


class Wide(TorchFunctionMode):
    """Within the block, whatever asks for float32 gets float64; `asked` tells whether anything did."""

    def __init__(self):
        super().__init__()
        self.asked = False

    def __torch_function__(self, function, types, arguments=(), options=None):
        """Call the function with wider dtypes."""
        if function is torch.Tensor.float:
            self.asked, function = True, torch.Tensor.double
        elif function is not torch.set_default_dtype:
            arguments = tuple(map(self._wider, arguments))
            options = {name: self._wider(value) for name, value in (options or {}).items()}
        return function(*arguments, **(options or {}))

    def _wider(self, value):
        if isinstance(value, torch.dtype) and value in _WIDER:
            self.asked = True
            return _WIDER[value]
        return value
