"""The outcome of each mutant, and the score: killed of those that count, by room. `document` is the report."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from align.mutants import near, rules, source
from align.mutants.source import ROOMS, Mutant

SCHEMA = "paddle-ugatit-mutants/1"
KILLED, ROOM_KILLED, LOCATED = 0.95, 0.9, 0.9  # what is required
LEAST = 40  # mutants of a room in a sample, if there are as many
KILLERS = ("diverged", "error", "timeout", "crash")


@dataclass
class Tried:
    """What became of a mutant; `how` is one of KILLERS, or "survived"."""

    mutant: Mutant
    how: str
    unit: str = ""  # that noticed
    files: Sequence[str] = ()  # that were blamed
    message: str = ""
    units: int = 0  # that run what was changed
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether a check noticed."""
        return self.how != "survived"

    @property
    def located(self) -> bool:
        """Whether the right file was blamed."""
        return self.killed and any(near.is_near(file, self.mutant.path) for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON values, with its diff if it survived."""
        mutant = self.mutant
        found = {"name": mutant.name, "room": mutant.room, "path": mutant.path, "line": mutant.line}
        found |= {"operator": mutant.operator, "how": self.how, "located": self.located, "unit": self.unit}
        found |= {"blamed": list(self.files), "message": self.message, "units": self.units, "seconds": self.seconds}
        return found if self.killed else {**found, "diff": source.diff(mutant)}


def sampled(mutants: Sequence[Mutant], count: int | None, seed: int) -> list[Mutant]:
    """Draw `count` of the mutants that count, or all of them for None, in a random order that depends on the seed.

    Every room has a share that grows with its size, but no fewer than LEAST, so that its own score means something. A
    larger sample holds the smaller ones. Mutants that compile to the same instructions are left out.
    """
    rooms: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        if not mutant.reason:
            rooms.setdefault(mutant.room, []).append(mutant)
    for room, members in rooms.items():
        random.Random(f"{seed} {room}").shuffle(members)
    shares = _shares({room: len(members) for room, members in rooms.items()}, count)
    found = [mutant for room, members in rooms.items() for mutant in _first(members, shares[room])]
    random.Random(seed).shuffle(found)
    return found


def _first(members: Sequence[Mutant], count: int) -> list[Mutant]:
    """The first `count` mutants that change anything."""
    found: list[Mutant] = []
    for mutant in members:
        if len(found) == count:
            break
        if not source.equivalent(mutant):
            found.append(mutant)
    return found


def _shares(sizes: dict[str, int], count: int | None) -> dict[str, int]:
    """How many mutants of each room are drawn."""
    total = sum(sizes.values())
    if count is None or count >= total:
        return sizes
    least = min(LEAST, count // max(len(sizes), 1))
    shares = {room: min(size, least) for room, size in sizes.items()}
    while (left := count - sum(shares.values())) > 0:  # one at a time to the room that is furthest behind
        room = max(sizes, key=lambda room: (sizes[room] - shares[room]) and sizes[room] / (shares[room] + 1))
        shares[room] += min(1, left)
    return shares


def document(
    outcomes: Sequence[Tried], mutants: Sequence[Mutant], unreached: Mapping[str, int], facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the report as a JSON document; `facts` are added to it.

    `unreached` is how many of all mutants that count, by room, change what no case runs.
    """
    rooms = {room: _rates([o for o in outcomes if o.mutant.room == room]) for room in ROOMS}
    rooms = {room: rate for room, rate in rooms.items() if rate["tried"]}
    for room, rate in rooms.items():
        rate["mutants"] = sum(mutant.room == room and not mutant.reason for mutant in mutants)
        rate["unreached"] = unreached.get(room, 0)
    total = _rates(outcomes)
    total |= {key: sum(rate[key] for rate in rooms.values()) for key in ("mutants", "unreached")}
    set_aside = Counter(mutant.reason for mutant in mutants if mutant.reason)
    return {
        "schema": SCHEMA,
        **facts,
        "passed": passed(total, rooms),
        "mutants": len(mutants),
        "counted": len(mutants) - sum(set_aside.values()),
        "set_aside": [{"rule": rule, "mutants": set_aside[rule], "why": why} for rule, why in rules.RULES.items()],
        "total": total,
        "rooms": rooms,
        "outcomes": [outcome.as_dict() for outcome in outcomes],
    }


def _rates(outcomes: Sequence[Tried]) -> dict[str, Any]:
    killed = [outcome for outcome in outcomes if outcome.killed]
    by = {how: sum(outcome.how == how for outcome in killed) for how in KILLERS}
    return {
        "tried": len(outcomes),
        "killed": len(killed),
        "score": len(killed) / max(len(outcomes), 1),
        "located": sum(outcome.located for outcome in killed) / max(len(killed), 1),
        "survived": len(outcomes) - len(killed),
        "not_reached": sum(not outcome.killed and not outcome.units for outcome in outcomes),
        **by,
    }


def passed(total: dict[str, Any], rooms: dict[str, dict[str, Any]]) -> bool:
    """Return whether the required rates are reached."""
    least = min((rate["score"] for rate in rooms.values()), default=0.0)
    return total["score"] >= KILLED and least >= ROOM_KILLED and total["located"] >= LOCATED


class Kept:
    """The outcomes so far, a line each in a file, so that a run that was interrupted can go on, or one be enlarged.

    `about` is what they depend on.
    """

    def __init__(self, path: Path, about: dict[str, Any]):
        self.path, self.about = path, about

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return name -> outcome, None if there are none, or only those of something else."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            if json.loads(lines[0]) != self.about:
                return None
        except (OSError, ValueError, IndexError):
            return None
        found = {}
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                found[entry["name"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # cut off when the run was interrupted
        return found

    def begin(self) -> None:
        """Start a new file."""
        self.path.write_text(json.dumps(self.about) + "\n", encoding="utf-8")

    def add(self, name: str, found: dict[str, Any]) -> None:
        """Append an outcome."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"name": name, **found}))
