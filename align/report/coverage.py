"""What a set of reports covered: modes, batches, sizes, depths and schedules of each layer and trainer.

So that nobody reads more into "aligned" than was run.
"""

COLUMNS = ("check", "of", "cases", "modes", "batches", "sizes", "depths", "precision", "schedule")
_RUN = {"accumulate": "parts", "ema": "mean", "iteration": "iterations"}  # options of training -> how they are called


def coverage(reports: list[dict]) -> list[dict]:
    """Return a line for each check and layer, in order: column -> text, of all its cases together."""
    groups: dict[tuple, list] = {}
    for report in reports:
        for case in report["cases"]:
            if case["rows"]:
                groups.setdefault((report["check"], case["layer"]), []).append(case)
    return [_line(check, layer, cases) for (check, layer), cases in groups.items()]


def _line(check, layer, cases):
    options = [case.get("options") or {} for case in cases]
    shapes = [tuple(shape) for given in options for shape in given.get("shapes") or [] if len(shape) > 1]
    modes = {"training" if given["training"] else "evaluation" for given in options if "training" in given}
    batches = {shape[0] for shape in shapes} | _values(options, "batch_size")
    sizes = (
        {max(shape[2:]) for shape in shapes if len(shape) == 4}
        | _values(options, "img_size")
        | _values(options, "size")
    )
    blocks, layers = _values(options, "n_blocks") | _values(options, "n_res"), _values(options, "n_layers")
    depths = [f"{_listed(blocks)} blocks"] if blocks else []
    depths += [f"{_listed(layers)} layers"] if layers else []
    schedule = [f"{name} {_listed(values)}" for key, name in _RUN.items() if (values := _values(options, key))]
    texts = {
        "check": check,
        "of": layer,
        "cases": str(len(cases)),
        "modes": ", ".join(sorted(modes, reverse=True)),
        "batches": _listed(batches),
        "sizes": f"{min(sizes)} to {max(sizes)}" if len(sizes) > 3 else _listed(sizes),
        "depths": ", ".join(depths),
        "precision": ", ".join(sorted({str(row["dtype"]) for case in cases for row in case["rows"]}, reverse=True)),
        "schedule": ", ".join(schedule),
    }
    return {name: texts[name] or "–" for name in COLUMNS}


def _values(options, name):
    """The numbers that the cases have for an option."""
    return {given[name] for given in options if type(given.get(name)) in (int, float)}


def _listed(values):
    return ", ".join(f"{value:g}" for value in sorted(values))
