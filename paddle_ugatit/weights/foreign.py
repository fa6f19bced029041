"""Checkpoints of other programs: where their networks are, and what stands around them.

Wrappers put prefixes before keys ("module." of DataParallel, "_orig_mod." of torch.compile), trainers put networks into
dicts of their own ("state_dict") or into one flat dict with their names as prefixes, and keep running means beside
them. `cleaned` and `named` undo this. Nothing is guessed from names alone: what counts as a network is what a system
knows by its keys. All that is left aside or changed is in the checkpoint's account.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

from paddle_ugatit.formats import Account, Checkpoint, FilePath
from paddle_ugatit.formats.checkpoint import joined
from paddle_ugatit.systems import SYSTEMS
from paddle_ugatit.weights.identify import infer_options, is_known, is_whole, system_of
from paddle_ugatit.weights.rules import State, WeightError, listed

_WRAPPERS = {"_orig_mod", "_layers", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_PARALLEL = "module"  # DataParallel's; also the name of an attribute in SAGAN's own layers
_OWN_LEAF = ".module.weight_bar"
_COUNTERS = {"total_ops", "total_params", "n_averaged"}  # added by tools that count operations or average weights
# torch.nn.utils.parametrizations.spectral_norm: weight becomes parametrizations.weight.original, 0._u and 0._v.
_PARAMETRIZED = re.compile(r"(?:(.*)\.)?parametrizations\.(\w+)\.(?:(original)|\d+\._([uv]))")
_GENERIC = {"state_dict", "model_state_dict", "model_state", "model", "net", "network", "networks", "params", "weights"}
_GENERIC |= {"module", "generator", "gen", "netg", "net_g", "discriminator", "dis", "netd", "net_d"}
_DEEPEST = 8  # prefixes in one key


@dataclass(frozen=True)
class _Found:
    """A network, or what may be one: the names that lead to it in the file, and its arrays."""

    parts: tuple[str, ...]
    state: State

    @property
    def where(self) -> str:
        return ".".join(self.parts)

    @property
    def averaged(self) -> bool:
        return any(_without_average(part) != part for part in self.parts)

    @property
    def name(self) -> str:
        """The last of its names that a system has, else the last that is not generic, "" if all are."""
        parts = [_without_average(part) for part in self.parts]
        known = [part for part in parts if part in _names()]
        telling = known or [part for part in parts if part and part.lower() not in _GENERIC]
        return telling[-1] if telling else ""


def _names() -> set[str]:
    return {name for system in SYSTEMS for name in system.checkpoints.NAMES}


def _without_average(part: str) -> str:
    """Return the name without the mark of a running mean: "genA2B_ema" -> "genA2B", "ema" -> ""."""
    if part.lower() == "ema":
        return ""
    return re.sub(r"^(ema|avg)_|_(ema|avg)$", "", part, flags=re.IGNORECASE)


def cleaned(checkpoint: Checkpoint, path: FilePath) -> Checkpoint:
    """Return the checkpoint with keys as the networks themselves name them, and a note on each change.

    Prefixes of wrappers are dropped, the newer names of spectral normalisation replaced by the older ones, and counters
    that tools add are left aside. Raises WeightError if two keys become one.
    """
    account = checkpoint.account
    networks = {
        name: _clean_state(state, name, f"{path}: {name}" if name else f"{path}", account)
        for name, state in checkpoint.networks.items()
    }
    return replace(checkpoint, networks={name: state for name, state in networks.items() if state})


def _clean_state(state: State, name: str, where: str, account: Account) -> State:
    own = any(key.endswith(_OWN_LEAF) for key in state)
    found: State = {}
    prefixes: Counter[str] = Counter()
    renamed = 0
    for key, array in state.items():
        if key.rpartition(".")[2] in _COUNTERS:
            account.dropped[joined(name, key)] = "a counter that a tool added"
            continue
        parts = key.split(".")
        wrappers = [i for i in range(len(parts)) if _is_wrapper(parts, i, own)]
        prefixes.update({parts[i] for i in wrappers})
        kept = (part for i, part in enumerate(parts) if i not in wrappers)
        plain, changed = _PARAMETRIZED.subn(_old_name, ".".join(kept))
        renamed += changed
        if plain in found:
            raise WeightError(f"{where}: has {plain!r} twice, with and without a wrapper's prefix")
        found[plain] = array
    for prefix, count in prefixes.items():
        account.notes.append(f"{where}: dropped the prefix '{prefix}.', which a wrapper adds, from {count} keys")
    if renamed:
        account.notes.append(f"{where}: took {renamed} parametrizations.weight.* as weight_orig, weight_u and weight_v")
    return found


def _is_wrapper(parts: list[str], i: int, own: bool) -> bool:
    """Return whether part `i` of a key is a wrapper's; `own` says that the network has modules of that name itself."""
    if parts[i] in _WRAPPERS:
        return i + 1 < len(parts)
    # A module of that name in the network itself holds arrays, and no further layers.
    return parts[i] == _PARALLEL and i + 1 < len(parts) and (not own or i + 2 < len(parts))


def _old_name(match: re.Match[str]) -> str:
    prefix, name, original, vector = match.groups()
    return f"{prefix + '.' if prefix else ''}{name}_{'orig' if original else vector}"


def named(checkpoint: Checkpoint, path: FilePath, averaged: bool = False) -> Checkpoint:
    """Return the networks of a checkpoint by the names that their system has; a network alone may have none, "".

    A running mean is taken if its network is not there itself, or if `averaged` asks for it; what is not taken is left
    aside. Raises WeightError if nothing is a network, if one is there twice, or if there are no running means but
    `averaged` asks for them.
    """
    account = checkpoint.account
    found: list[_Found] = []
    for name, state in checkpoint.networks.items():
        networks, left = _networks_in(tuple(filter(None, name.split("."))), state, checkpoint.framework)
        found += networks
        account.dropped |= {where: "belongs to no network that is known" for where in left}
    known = [each for each in found if each.name in _names() or is_known(each.state, checkpoint.framework)]
    if not known:
        largest = max(found, key=lambda each: len(each.state))
        infer_options(largest.state, checkpoint.framework, f"{path}: {largest.where}" if largest.where else f"{path}")
    for each in found:
        if each not in known:
            account.dropped[each.where] = "is not a known network"
    chosen = _chosen(_by_kind(known, checkpoint.framework), path, averaged, account)
    account.used = {name: each.where for name, each in chosen.items()}
    return replace(checkpoint, networks={name: each.state for name, each in chosen.items()})


def _networks_in(parts: tuple[str, ...], state: State, framework: str) -> tuple[list[_Found], list[str]]:
    """Return the networks in one state dict, whose keys may have their names as prefixes, and what is in none.

    A state dict in which no network is found is returned as it is.
    """
    whole = [_Found(parts, state)]
    if is_known(state, framework) or len(parts) > _DEEPEST:
        return whole, []
    groups: dict[str, State] = {}
    for key, array in state.items():
        first, _, rest = key.partition(".") if "." in key else ("", "", key)
        groups.setdefault(first, {})[rest] = array
    found: list[_Found] = []
    left: list[str] = []
    for first, inner in groups.items():
        networks, others = _networks_in((*parts, first), inner, framework) if first else ([], [])
        alone = len(groups) == 1
        taken = [each for each in networks if _is_taken(each, framework, alone)]
        found += taken
        left += others if taken else [".".join((*parts, first or next(iter(inner))))]
    return (found, left) if found else (whole, [])


def _is_taken(found: _Found, framework: str, alone: bool) -> bool:
    """Return whether this part of a state dict is a network: by its name, by being all, or by having every key."""
    if _without_average(found.parts[-1]) in _names():
        return True
    return is_known(found.state, framework) if alone else is_whole(found.state, framework)


def _by_kind(found: list[_Found], framework: str) -> list[_Found]:
    """Give networks without a name, of which there are several, the only one that their kind has, if there is one."""
    if sum(not each.name for each in found) < 2:
        return found
    renamed = []
    for each in found:
        kind = infer_options(each.state, framework, each.where)["kind"]
        names = [name for name, its_kind in system_of(kind).checkpoints.NAMES.items() if its_kind == kind]
        fits = not each.name and len(names) == 1
        renamed.append(_Found((*each.parts, names[0]), each.state) if fits else each)
    return renamed


def _chosen(found: list[_Found], path: FilePath, averaged: bool, account: Account) -> dict[str, _Found]:
    """Return one network for each name, itself or its running mean."""
    if averaged and not any(each.averaged for each in found):
        raise WeightError(f"{path}: holds no running means of its networks")
    chosen: dict[str, _Found] = {}
    for wanted in (averaged, not averaged):
        mine: dict[str, _Found] = {}
        for each in found:
            if each.averaged is not wanted:
                continue
            if each.name in mine:
                twice = listed([mine[each.name].where, each.where])
                raise WeightError(f"{path}: holds {each.name or 'a network'} twice, as {twice}")
            mine[each.name] = each
        for name, each in mine.items():
            if name in chosen:
                account.dropped[each.where] = "the network itself is taken" if wanted else "its running mean is taken"
        chosen = mine | chosen
    order = [each.name for each in found]
    return dict(sorted(chosen.items(), key=lambda item: order.index(item[0])))
