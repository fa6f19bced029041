"""The options of any run, whatever is trained: how long, how often, how exactly. Read from YAML, checked at once."""

import typing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.folders import DOMAINS

AMP = ("off", "bfloat16", "float16")


@dataclass(frozen=True)
class RunOptions:
    """What every system's configuration holds. ValueError for a value that cannot be."""

    iteration: int = 1_000_000  # iterations of the whole run
    batch_size: int = 1  # images of each domain in one iteration, on each device
    accumulate: int = 1  # parts in which a batch is computed: less memory, the same update
    seed: int = 0  # of initial weights, data order and augmentation
    deterministic: bool = False  # choose only operations that repeat bit for bit (GPU; a CPU's always do)
    amp: str = "off"  # automatic mixed precision on a GPU: off, bfloat16 or float16
    ema: float = 0.0  # decay of the running mean of the generators' weights, say 0.999; 0 keeps none
    workers: int = 2  # threads that read images ahead
    strict: bool = False  # refuse a folder with an unreadable image, rather than skip and count it
    log_freq: int = 10  # iterations between two records of the losses
    print_freq: int = 1000  # iterations between two sample sheets
    save_freq: int = 5000  # iterations between two checkpoints
    keep: int = 2  # newest checkpoints that are kept
    keep_every: int = 100_000  # besides, every checkpoint whose iteration this divides
    eval_every: int = 0  # iterations between two evaluations of the KID on the test set; 0 is never
    eval_features: str = "inception"  # the KID is measured on; stand-ins without weights are random and pixels
    eval_weights: str = ""  # file with Inception's weights; by default the one that tools/eval_kid.py finds

    # A system with an option of this name has pictures resized to it and cropped at random, not mirrored.
    load_size = typing.cast("int | None", None)
    # Options that may change where a run is resumed: none of them enters an update.
    FREE: typing.ClassVar[tuple[str, ...]] = (
        *("workers", "log_freq", "print_freq", "save_freq", "keep", "keep_every"),
        *("eval_every", "eval_features", "eval_weights"),
    )
    # Smallest values; a number not named here may be 0.
    LEAST: typing.ClassVar = {
        **dict.fromkeys(("iteration", "batch_size", "accumulate", "workers", "keep"), 1),
        **dict.fromkeys(("log_freq", "print_freq", "save_freq", "keep_every"), 1),
    }

    domains = ("A", "B")  # whose pictures a run reads, train<domain> and test<domain>; one batch each, in this order

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type and not (field.type is float and type(value) is int):
                raise ValueError(f"{field.name} must be of type {field.type.__name__}, got {value!r}")
            if field.type in (int, float):
                least = self.LEAST.get(field.name, 0)
                if not least <= value < float("inf"):
                    raise ValueError(f"{field.name} must be {least} or more and finite, got {value}")
        if self.amp not in AMP:
            raise ValueError(f"amp must be one of {', '.join(AMP)}, got {self.amp!r}")
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
    def from_dict(cls, options):
        """From names and values; ValueError names those it does not know."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(map(str, set(options) - set(known))):
            raise ValueError(f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}")
        return cls(**options)

    def as_dict(self):
        """Names and values, which `from_dict` takes."""
        return asdict(self)

    def replaced(self, **changes):
        """A copy with other values."""
        return replace(self, **changes)

    def differences(self, other):
        """The options in which `other` would make other updates: name -> (own value, its value)."""
        ours, theirs = self.as_dict(), other.as_dict()
        names = [name for name in ours if name not in self.FREE and ours[name] != theirs.get(name)]
        return {name: (ours[name], theirs.get(name)) for name in names}


def read_options(path, assignments=()):
    """Names and values from a YAML file, changed by "KEY=VALUE" assignments. Raises InputError in one line."""
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        source = path
        for assignment in assignments:
            source = assignment
            name, equals, value = assignment.partition("=")
            if not equals or not name:
                raise InputError(f"{assignment!r} is not of the form KEY=VALUE")
            found = {**(found or {}), name.strip(): _number(yaml.safe_load(value))}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{source}: is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: must hold lines of the form option: value")
    return {name: _number(value) for name, value in found.items()}


def _number(value):
    """quirk: YAML 1.1 takes 1e-4 for a word, since there is no point in it."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() else value
        except ValueError:
            return value
    return value


def write_options(config, file):
    """Write a configuration as YAML to an open text file."""
    import yaml

    yaml.safe_dump(config.as_dict(), file, sort_keys=False)
