"""Where MTCNN's published weights are: three files in the wheel facenet-pytorch, which is found but never imported.

That package needs PyTorch; its files do not, since formats/ reads them. Nothing here needs Paddle.
"""

from importlib.util import find_spec
from pathlib import Path

WHEEL = "facenet-pytorch 2.6.0"
INSTALL = "pip install --no-deps facenet-pytorch==2.6.0"  # its other requirements are for PyTorch
NETWORKS = ("pnet", "rnet", "onet")


def published_file(network: str) -> Path | None:
    """Return the file of "pnet", "rnet" or "onet", None if the wheel is not installed."""
    spec = find_spec("facenet_pytorch")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, "data", f"{network}.pt")
        if path.is_file():
            return path
    return None
