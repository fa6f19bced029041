"""Whether a check that blames one file has found a change in another: what a file is made of, by its names.

A formula may be spread over several files of a room, such as a layer and the faster ways in which it is computed. So
the right file is the blamed one, or one that holds a name which it uses, directly or by way of other names: within its
room and, from training, within losses.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from align.mutants.source import ROOMS, ROOT, module_of

Name = tuple[str, str]  # file, relative to the project, and a name at its top


@lru_cache(maxsize=1)
def files() -> dict[str, str]:
    """Return the files of the port by the names of their modules."""
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "paddle_ugatit").rglob("*.py"))
    return {module_of(path): path for path in sorted(found)}


@lru_cache(maxsize=256)
def imports(path: str) -> dict[str, Name]:
    """Return what the names mean that a file imports from the port; "" stands for a whole module."""
    found: dict[str, Name] = {}
    for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
        if isinstance(node, ast.Import):
            found |= {a.asname: (files()[a.name], "") for a in node.names if a.asname and a.name in files()}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = files().get(f"{node.module}.{alias.name}")
                if whole and not _has(files().get(node.module, ""), alias.name):
                    found[alias.asname or alias.name] = whole, ""
                elif node.module in files():
                    found[alias.asname or alias.name] = files()[node.module], alias.name
    return found


def importers(path: str) -> list[str]:
    """Return the files of the port that import a file directly."""
    return [file for file in files().values() if any(path == other for other, _ in imports(file).values())]


@lru_cache(maxsize=256)
def _definitions(path: str) -> dict[str, tuple[ast.stmt, ...]]:
    """The statements at the top of a file by the names that they define."""
    found: dict[str, tuple[ast.stmt, ...]] = {}
    for node in ast.parse((ROOT / path).read_bytes()).body:
        for part in [node] if isinstance(node, ast.FunctionDef | ast.ClassDef) else ast.walk(node):
            name = getattr(part, "name", getattr(part, "id", ""))
            if name and not isinstance(node, ast.Import | ast.ImportFrom):
                found[name] = (*found.get(name, ()), node)
    return found


def _has(path: str, name: str) -> bool:
    """Whether a package defines or imports a name itself, which then hides a module of that name."""
    if not path:
        return False
    nodes = ast.walk(ast.parse((ROOT / path).read_bytes()))
    others = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module != module_of(path)]
    return name in _definitions(path) or name in {alias.asname or alias.name for node in others for alias in node.names}


def _used(path: str, name: str) -> Iterator[Name]:
    """The names that a definition uses, of its own file and of others."""
    definitions, imported = _definitions(path), imports(path)
    if name in imported and name not in definitions:  # passed on by a package
        yield imported[name]
    for node in definitions.get(name, ()):
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                file, whole = imported.get(part.value.id, ("", "no module"))
                if not whole:
                    yield file, part.attr
            elif isinstance(part, ast.Name) and part.id in imported and imported[part.id][1]:
                yield imported[part.id]
            elif isinstance(part, ast.Name) and part.id in definitions:
                yield path, part.id


@lru_cache(maxsize=512)
def made_of(path: str) -> frozenset[str]:
    """Return the files that the definitions of a file are made of, with itself."""
    rooms = {_room(path), "losses"} if _room(path) == "training" else {_room(path)}
    left: list[Name] = [(path, name) for name in _definitions(path)]
    seen = set(left)
    while left:
        for other in _used(*left.pop()):
            if other not in seen and _room(other[0]) in rooms & set(ROOMS):
                seen.add(other)
                left.append(other)
    return frozenset({path, *(file for file, _ in seen)})


def is_near(blamed: str, changed: str) -> bool:
    """Return whether a check that blames the file `blamed` ("" for none) has found a change in the file `changed`."""
    return bool(blamed) and Path(ROOT / blamed).is_file() and changed in made_of(blamed)


def _room(file: str) -> str:
    return file.split("/")[1]
