"""The configurations that ship: work/configs in a checkout, paddle_ugatit/configs once installed (see setup.py)."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Return the folder of the configurations that ship."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "work" / "configs"


def names() -> list[str]:
    """Return the names of the configurations that ship, such as "demo", in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(value: str) -> Path:
    """Return the file that `--config` means: the file of that path, or else the one that ships under that name.

    "demo", "demo.yaml" and "work/configs/demo.yaml" all name the one that ships if there is no such file here.
    """
    path = Path(value)
    if path.exists() and not path.is_dir():
        return path
    by_name = path.parent in (Path(), Path("work/configs")) and path.suffix in ("", ".yaml")
    return folder() / f"{path.stem}.yaml" if by_name and path.stem in names() else path
