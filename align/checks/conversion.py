"""Checkpoints of every system from PyTorch to Paddle and back, bit for bit, with all that they hold accounted for."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from align.checks import conversion_foreign
from align.compare.bits import differences
from align.compare.public_files import PublicFile, in_paddle, public_files
from align.compare.values import same, same_states, told
from align.compare.verdict import Row
from align.report.document import entry
from paddle_ugatit import formats, weights

CONVERSION, RULES = "paddle_ugatit/weights/conversion.py", "paddle_ugatit/weights/rules.py"
Part = tuple[str, list[Row]]  # the file of the port that the rows are about, the rows


def conversion_cases() -> dict[str, Callable[[], Iterator[Part]]]:
    """Return name -> a function that yields the parts of a case, for every public file and every other kind."""
    return {name: partial(conversion_parts, name) for name in public_files()} | conversion_foreign.others()


def about(name: str) -> str:
    """Return the file of the port that a case is about."""
    if name in conversion_foreign.SOURCES:
        return conversion_foreign.SOURCES[name]
    return public_files()[name]().source


def case_entry(name: str) -> dict[str, Any]:
    """Run a case up to its first part that differs, and return its entry in the report."""
    start, rows, file = time.perf_counter(), [], CONVERSION
    for source, found in conversion_cases()[name]():
        rows += found
        if any(row.verdict == "fail" for row in found):
            file = source
            break
    first = next((row for row in rows if row.verdict == "fail"), None)
    blamed = first and {**asdict(first), "message": f"{first.layer} {first.note}", "cause": None}
    sources = file, "align/compare/public_files.py"
    return entry(name, f"Conversion: {name}", "convert", sources, {}, rows, blamed, time.perf_counter() - start)


def conversion_parts(name: str) -> Iterator[Part]:
    """Yield the parts of a case, in the order of a conversion: what a file is, its arrays, files of the result."""
    file = public_files()[name]()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "public.pt")
        torch.save(file.content, path)
        for other, text in file.beside.items():
            Path(folder, other).write_text(text, encoding="utf-8")
        yield file.source, _recognised(file)
        converted, notes = weights.convert(formats.read(path), "paddle", path, **file.given)
        yield from _described(file, converted, notes)
        for network, net in file.networks.items():
            yield (
                RULES,
                same_states(network or "network", _sorted(converted.networks[network]), _sorted(in_paddle(net))),
            )
        yield CONVERSION, _written(file, converted, Path(folder), path)
        yield CONVERSION, _loaded(file, converted, Path(folder))


def _sorted(state: dict) -> dict:
    return dict(sorted(state.items()))


def _recognised(file: PublicFile) -> list[Row]:
    """The options of each network from its arrays alone, in both layouts."""
    rows = []
    for name, net in file.networks.items():
        visible = {key: value for key, value in file.options[name].items() if key != "lr_mul"}
        arrays = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
        for framework, state in (("torch", arrays), ("paddle", in_paddle(net))):
            rows.append(same(f"{name} in {framework}", weights.infer_options(state, framework), visible))
    return rows


def _described(file: PublicFile, converted: formats.Checkpoint, lines: list[str]) -> Iterator[Part]:
    """What the result says of itself, and what was left aside."""
    found = converted.metadata
    wanted = {"model": file.model, "revision": file.revision, "networks": file.options}
    yield CONVERSION, [same("metadata: keys", [key for key in wanted if key not in found], [])]
    yield file.source, [same(f"metadata: {key}", found.get(key), value) for key, value in wanted.items()]
    rows = [same("networks", list(converted.networks), list(file.networks))]
    rows.append(same("read from", converted.account.used, {name: name for name in file.networks}))
    yield (
        "paddle_ugatit/weights/foreign.py",
        [*rows, same("left aside", tuple(converted.account.dropped), file.dropped)],
    )
    wanted |= {"dtype": "float32"} | ({"texts": file.texts} if file.texts else {})
    rows = [same("metadata", found, wanted), same("lines on it", len(lines), file.lines)]
    yield CONVERSION, [*rows, same("framework", (converted.framework, converted.texts), ("paddle", {}))]


def _written(file: PublicFile, converted: formats.Checkpoint, folder: Path, before: Path) -> list[Row]:
    """Through Paddle's own files and safetensors back to PyTorch: the public file again, and named networks."""
    rows, layout = [], "paddle"
    for suffix in (".pdparams", ".safetensors"):
        formats.write(folder / f"ours{suffix}", converted)
        read, _ = weights.convert(formats.read(folder / f"ours{suffix}"), layout, folder / f"ours{suffix}")
        rows.append(same(f"{suffix}: metadata", read.metadata, converted.metadata))
        for name, state in converted.networks.items():
            rows += same_states(f"{suffix}: {name}", read.networks[name], state)
        back, _ = weights.convert(read, "torch", folder / f"ours{suffix}")
        rows.append(same(f"{suffix}: texts", back.texts, file.texts))
        formats.write(folder / "back.pt", back)
        rows += _bit_for_bit(suffix, file, before, folder / "back.pt")
    plain, _ = weights.convert(read, "torch", before, packed=False)
    rows.append(same("named networks", list(plain.networks), list(file.networks)))
    rows.append(same("framework of the result", (back.framework, plain.framework), ("torch", "torch")))
    whole, _ = weights.convert(formats.read(before), "torch", before, **file.given)
    formats.write(folder / "again.pt", whole)
    return rows + _bit_for_bit("PyTorch to PyTorch", file, before, folder / "again.pt")


def _bit_for_bit(stage: str, file: PublicFile, before: Path, after: Path) -> list[Row]:
    states = [torch.load(path, weights_only=True) for path in (before, after)]
    if not file.texts and file.system == "stylegan2" and "" not in file.networks:
        states[0] = {"GAN": states[0]}  # a file from before July 2020 comes back in the newer form
    lines, count = differences(*states)
    lines = [line for line in lines if line.partition(":")[0] not in file.changed]
    note = f"{len(lines)} differences, the first: {lines[0]}" if lines else ""
    return [told(f"{stage}: back bit for bit", note, (count,))]


def _loaded(file: PublicFile, converted: formats.Checkpoint, folder: Path) -> list[Row]:
    """Networks as a program loads them: every array, in the file's dtype and in others."""
    path, rows = folder / "ours.pdparams", []
    for dtype in (None, "float64", "bfloat16"):
        loaded = weights.load_networks(path, dtype)
        rows.append(same(f"{dtype}: networks", list(loaded), list(file.networks)))
        for name, net in loaded.items():
            cast = lambda a: a if a.dtype.kind == "i" else formats.cast(a, dtype or "float32")  # noqa: E731, B023
            wanted = {key: cast(array) for key, array in converted.networks[name].items()}
            found = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
            rows += same_states(f"{dtype}: {name}", _sorted(found), _sorted(wanted))
    only = list(file.networks)[-1]
    rows.append(same("one network", list(weights.load_networks(path, only=[only])), [only]))
    return rows
