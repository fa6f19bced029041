"""A fifth system, which tests/test_systems.py adds to the table: nothing but these files and one row.

`install()` puts each file where the house wants it, in memory.
"""

import importlib.util
import sys
from pathlib import Path

FILES = {  # module -> file here
    "paddle_ugatit.models.toy": "models_paddle",
    "paddle_ugatit.weights.toy": "weights",
    "paddle_ugatit.training.toy": "training_paddle",
    "torch_ref.models.toy": "models_torch",
    "torch_ref.training.toy": "training_torch",
    "align.cases.toy": "cases",
}


class _Finder:
    """Finds the modules in FILES."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """The specification of one of them."""
        if name not in FILES:
            return None
        return importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{FILES[name]}.py"))


def install():
    """Add the system to this process: its files, and its row of the table."""
    sys.meta_path.insert(0, _Finder)
    from paddle_ugatit import systems

    systems.SYSTEMS = (*systems.SYSTEMS, systems.System("toy", "Toy"))
