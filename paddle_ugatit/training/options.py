"""The options that every system's training has in common, read from YAML and checked at once."""

import sys
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.folders import DOMAINS
from paddle_ugatit.data.transforms import MARGIN, STRETCHED, Framing

AMP = ("off", "bfloat16", "float16")
_LONGEST = 100_000  # characters of a file of options
LARGEST = {int: 2**63 - 1, float: sys.float_info.max}  # that Paddle takes

Own = typing.TypeVar("Own", bound="RunOptions")


class UnsupportedError(ValueError):
    """An option has a valid value that this system cannot be trained with."""


@dataclass(frozen=True)
class RunOptions:
    """The options that every system's configuration holds. Raises ValueError if a value is invalid."""

    iteration: int = 1_000_000  # iterations of the whole run
    batch_size: int = 1  # images of each domain in one iteration, on each device
    accumulate: int = 1  # parts in which a batch is computed, for the same update with less memory
    seed: int = 0  # of initial weights, data order and augmentation
    deterministic: bool = False  # use only operations that repeat bit for bit (on a GPU; on a CPU they always do)
    amp: str = "off"  # automatic mixed precision on a GPU: off, bfloat16 or float16
    ema: float = 0.0  # decay of the running mean of the generators' weights, for example 0.999; 0 is none
    workers: int = 2  # threads that prefetch images
    cache: int = 512  # MiB of memory for resized images, which are then read once; 0 keeps none
    strict: bool = False  # fail if an image is unreadable, instead of skipping it
    log_freq: int = 10  # iterations between two records of the losses
    print_freq: int = 1000  # iterations between two sample sheets
    save_freq: int = 5000  # iterations between two checkpoints
    keep: int = 2  # number of the newest checkpoints that are kept
    keep_every: int = 100_000  # checkpoints at multiples of this iteration are kept too
    eval_every: int = 0  # iterations between two measurements of the KID on the test set; 0 is never
    eval_features: str = "auto"  # features for the KID: faces for drawn faces, otherwise inception; pixels, random
    eval_weights: str = ""  # file with Inception's weights; by default the one that tools/eval_kid.py uses

    img_size = 0  # every system has an option of this name: pixels, height and width
    # If a system has an option of this name, images are resized to it and cropped at random, but not mirrored.
    load_size = typing.cast("int | None", None)
    margin = MARGIN  # pixels by which other images are larger than their crop, and mirrored half the time
    # Options that may be changed when a run is resumed, since none of them affects an update.
    FREE: typing.ClassVar[tuple[str, ...]] = (
        *("workers", "cache", "log_freq", "print_freq", "save_freq", "keep", "keep_every"),
        *("eval_every", "eval_features", "eval_weights", "strict"),
    )
    # Smallest values of numbers; 0 if not named here.
    LEAST: typing.ClassVar[dict[str, int]] = {
        **dict.fromkeys(("iteration", "batch_size", "accumulate", "workers", "keep"), 1),
        **dict.fromkeys(("log_freq", "print_freq", "save_freq", "keep_every"), 1),
    }

    @property
    def framing(self) -> Framing:
        """What is cut from images before they are resized; by default nothing, they are stretched."""
        return STRETCHED

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains whose images a run reads, from train<domain> and test<domain>; one batch each, in this order."""
        return ("A", "B")

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            wanted: typing.Any = field.type
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise ValueError(f"{field.name} must be of type {wanted.__name__}, got {shown(value)}")
            if wanted in (int, float):
                least = self.LEAST.get(field.name, 0)
                if not least <= value < float("inf"):
                    raise ValueError(f"{field.name} must be {least} or more and finite, got {shown(value)}")
                if value > LARGEST[wanted]:
                    raise ValueError(f"{field.name} is too large: {shown(value)}")
                object.__setattr__(self, field.name, wanted(value))  # lr=1 is a float, too
        if self.amp not in AMP:
            raise ValueError(f"amp must be one of {', '.join(AMP)}, got {shown(self.amp)}")
        if self.ema >= 1:
            raise ValueError(f"ema must be below 1, got {self.ema}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} cannot be computed in {self.accumulate} equal parts")
        for domain in self.domains:
            if domain not in DOMAINS:
                raise ValueError(f"domain must be one of {', '.join(DOMAINS)}, got {domain!r}")
        if self.load_size is not None and self.load_size < self.img_size:
            raise ValueError(f"load_size {self.load_size} is less than img_size {self.img_size}, the crop from it")

    @classmethod
    def from_dict(cls: type[Own], options: dict[str, typing.Any]) -> Own:
        """Make a configuration from names and values. Raises ValueError if a name is unknown or a value invalid."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(map(str, set(options) - set(known))):
            listed = ", ".join(name[:40] for name in unknown[:5])
            raise ValueError(f"unknown option {listed}; the options are {', '.join(known)}")
        kinds = {field.name: field.type for field in fields(cls)}
        return cls(**{name: _coerced(value, kinds[name]) for name, value in options.items()})

    def as_dict(self) -> dict[str, typing.Any]:
        """Return names and values; the inverse of `from_dict`."""
        return asdict(self)

    def replaced(self: Own, **changes: typing.Any) -> Own:
        """Return a copy with some values changed."""
        return replace(self, **changes)

    def differences(self, other: "RunOptions") -> dict[str, tuple[typing.Any, typing.Any]]:
        """Return the options by which the updates of `other` would differ: name -> (own value, its value)."""
        return {name: pair for name, pair in self._all_differences(other).items() if name not in self.FREE}

    def harmless_differences(self, other: "RunOptions") -> dict[str, tuple[typing.Any, typing.Any]]:
        """Return the other options in which `other` differs, which affect no update: name -> (own value, its value)."""
        return {name: pair for name, pair in self._all_differences(other).items() if name in self.FREE}

    def _all_differences(self, other: "RunOptions") -> dict[str, tuple[typing.Any, typing.Any]]:
        ours, theirs = self.as_dict(), other.as_dict()
        return {name: (ours[name], theirs.get(name)) for name in ours if ours[name] != theirs.get(name)}


def shown(value: typing.Any) -> str:
    """Return a value for a message, shortened."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _coerced(value: typing.Any, kind: typing.Any) -> typing.Any:
    """1e6 as a whole number, 0 and 1 as truth values, and `off` as a word, where an option asks for such a one."""
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is bool and type(value) is int and value in (0, 1):
        return bool(value)
    if kind is str and value is False:  # what YAML makes of the word off
        return "off"
    return value


def read_options(path: Path | str, assignments: Sequence[str] = ()) -> dict[str, typing.Any]:
    """Return the names and values in a YAML file, changed by "KEY=VALUE" assignments.

    Raises InputError if the file cannot be read, or if file or assignments are malformed: no YAML, a name given twice,
    or a value that is not a single number, text or truth value.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(text) > _LONGEST:
        raise InputError(f"{path}: has more than {_LONGEST} characters, so it is no file of options")
    found = _parsed(text, str(path))
    if not isinstance(found, dict):
        raise InputError(f"{path}: must consist of lines of the form option: value")
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        where = assignment[:80]
        if not equals or not name:
            raise InputError(f"{where!r} is not of the form KEY=VALUE")
        found[name.strip()] = _parsed(value, where)
    for key, value in found.items():
        if not isinstance(key, str):
            raise InputError(f"{path}: the name of an option must be text, got a {type(key).__name__}")
        if not isinstance(value, str | bool | int | float | None):
            raise InputError(f"{path}: {key[:80]} must be a single value, got a {type(value).__name__}")
    return {name: _number(value) for name, value in found.items()}


def _parsed(text: str, source: str) -> typing.Any:
    """The value that YAML text stands for; None stands for an empty text."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a name that is given twice, of which PyYAML silently takes the last."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            names = [key.value for key, _ in node.value]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise InputError(f"{source}: {twice[0][:80]} is given twice")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{source}: is not valid YAML: {' '.join(str(error).split())}") from error
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        # A date that does not exist, a number of thousands of digits, "!!bool maybe", "!!float", "!!timestamp now".
        raise InputError(f"{source}: holds a value that cannot be read: {error!s:.80}") from error
    except RecursionError as error:
        raise InputError(f"{source}: is nested too deeply, so it is no file of options") from error


def _number(value: typing.Any) -> typing.Any:
    """Convert text such as 1e-4 to a number; quirk: YAML 1.1 takes it for a word, as it has no decimal point."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() else value
        except ValueError:
            return value
    return value


def write_options(config: RunOptions, file: typing.IO[str]) -> None:
    """Write a configuration as YAML to an open text file."""
    import yaml

    yaml.safe_dump(config.as_dict(), file, sort_keys=False)
