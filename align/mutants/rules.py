"""What does not count: mutants that cannot change a number, a picture or a weight. Set aside by rules, never by hand.

A rule looks at a node of the syntax tree and at what surrounds it. It sets aside every mutant within that node, under
its name, a key of RULES; reports count them by rule. `reason` applies all rules; docs/mutants.md explains them.
"""

import ast
from collections.abc import Sequence

RULES = {
    "outside": "the module is outside of what parity claims: it writes, draws or arranges files (OUTSIDE)",
    "message": "part of a message, of a description, of what a report quotes, or how often a run writes (WRITING)",
    "guard": "a check of input that only changes an error",
    "types": "a name for type checkers or imports, no value",
    "cache": "how much is cached or computed at a time, or which of two proven ways is taken (SPEED, CHOOSING)",
    "platform": "acts on another platform alone: an encoding that is the default here, memory of the CPU",
    "equivalent": "compiles to the same instructions",
}
OUTSIDE = {  # module or folder, relative to the package -> why parity says nothing about it
    "data/faces": "draws the project's own data set, which is no port of anything",
    "metrics/charts.py": "the charts of a page",
    "metrics/face_training.py": "trains the network for drawn faces once; its file ships, and is what is compared",
    "metrics/notes.py": "sentences for the reader of a report",
    "metrics/page.py": "a page",
    "training/checkpoints.py": "files on a disk",
    "training/diverged.py": "only raises errors",
    "training/lock.py": "files on a disk",
    "training/loss_file.py": "a table of losses on a disk",
    "training/plan.py": "an estimate that is printed before a run, held to real runs by its test",
    "training/plan_time.py": "an estimate of time that is printed before a run",
    "training/records.py": "logs",
    "training/resuming.py": "only raises errors",
    "training/stopping.py": "signals",
    "weights/pretrained.py": "finds a file on a disk",
}
SPEED = {  # numbers that decide how fast a result is there and not what it is: they are compared or used as sizes
    "FEW",  # layers/fast/dispatch.py: the sizes from which a way was measured to be faster
    "KEPT",  # layers/fast/winograd.py: what is kept for the backward pass
    "MANY",
    "SMALL_BATCH",
    "SMALL_MAP",
    "TILED",
    "TILED_TWICE",
    "TILED_FOUR",
    "PER_WEIGHT",
    "PER_WEIGHT_FOUR",
    "SOME",
    "LARGE_MAP",
    "DENSE",  # layers/fast/winograd.py: maps that are cut by matrices
    "RUN",  # layers/fast/winograd.py, with run_count: terms added at a time, which decides rounding alone
    "SUMS",  # layers/fast/scattered.py: likewise
    "_BATCH",  # metrics/kept.py: images looked at together
    "_BLOCK",  # metrics/frechet.py: rows computed at a time
    "_CHUNK",  # metrics/arrays.py, face_features.py: images taken at a time
    "budget",  # data/cache.py: bytes of pictures that are kept
    "ahead",  # metrics/features.py: images read before they are needed
    "_PLACEHOLDER",  # metrics/sources.py: in the place of an image whose features are left out
    "_orders",  # data/folders.py: orders of epochs, drawn again where they are not kept
    "_FIRST",  # metrics/gram.py: samples whose mean is taken off, which cancels
    "BATCH_SIZE",  # metrics/features.py
    "maxsize",
    "prefetch",
    "recompute",  # training/ugatit.py: blocks that are computed again, with the same bits
    "recent",  # data/folders.py: the orders of epochs that are not drawn again
    "workers",
    "threads",  # metrics/workers.py
}
# Functions that choose between two ways, or count for a bar, and no more: of layers/fast/dispatch.py and metrics.
CHOOSING = {"mirrored", "taken", "whole_is_less", "_tiles_suit", "_tiles_of_four_suit"}
CHOOSING |= {"_gathering_suits", "_unfolding_suits"}
CHOOSING |= {"_alone", "_openblas"}  # metrics/workers.py: threads of NumPy's BLAS
CHOOSING |= {"passes"}  # metrics/gram.py, mmd.py: steps of a progress bar
# Calls that choose the device, the kernels and the threads of Paddle's inference engine, of metrics/engine.py.
ENGINE = {"disable_glog_info", "disable_gpu", "enable_mkldnn", "set_cpu_math_library_num_threads"}
WRITING = {"keep", "keep_every", "log_freq", "print_freq", "save_freq"}  # options of what a run leaves behind
WRITING |= {"PUBLISHED", "REWARDS", "SCHEMA", "_SOURCE"}  # texts and numbers that reports quote
WRITING |= {"_FRAMES"}  # of a picture for a note
WRITING |= {"_GAP", "_LABEL"}  # of pictures for a reader, in pixels
WRITING |= {"shown"}  # training: the losses beside a progress bar
LIMITS = {
    "LEAST",
    "AMP",
    "LOSSES",  # training/options.py, sagan.py: the names that are accepted
    "LARGEST",
    "SMALLEST",
    "_HEIF",  # data/kinds.py: files of which it is said what would read them
    "_DEEPEST",  # weights/foreign.py
    "_LARGEST",
    "_LARGEST_LIST",
    "_LEARNER",  # weights/stylegan2.py: keys that are refused for a reason of their own
    "_LOOKED_AT",
    "_LONGEST",
    "_NAMED",
    "_RANGES",
    "PROTOCOLS",
    "_RATIO",
    "_REPORTED",
}  # only of guards, notes
SPEAKING = {
    "_keep_waiting",
    "beside",
    "listed",
    "_note",
    "note",
    "print",
    "progress",
    "Progress",
    "say",
    "to_stderr",
    "warn",
    "write_text",
}  # calls
NAMING = {"where"}  # arguments and names that errors and notes call a thing by
DESCRIBING = {"__repr__", "__str__", "about", "extra_repr", "label", "reason", "shown"}  # functions
DESCRIBING |= {
    "_keep_waiting",
    "_versions",
    "described",
    "figure",
    "figure_row",
    "lines",
    "listed",
}  # sentences and pictures for a reader
CASTING = {"TypeVar", "cast"}  # of typing
PARAMETERS = {"stacklevel": "message", "strict": "guard", "maxsize": "cache"}  # keyword -> rule
PARAMETERS |= {
    "exist_ok": "guard",
    "ignore_errors": "guard",
    "allow_pickle": "guard",
    "copy": "cache",
    "ahead": "cache",
}
PARAMETERS |= {"cancel_futures": "cache", "timespec": "message", "encoding": "platform"}
PARAMETERS |= {"set_to_zero": "cache"}  # of clear_grad: a step that gives every parameter a gradient ends the same


def of_module(path: str) -> str:
    """Return the rule that sets a whole file aside, "" if none does."""
    inside = path.partition("/")[2]
    return "outside" if any(inside == each or inside.startswith(f"{each}/") for each in OUTSIDE) else ""


def reason(node: ast.AST, parents: Sequence[ast.AST]) -> str:
    """Return the rule that sets aside all mutants within a node, "" if none does; `parents` ends with the nearest."""
    for name, rule in (("message", _is_message), ("guard", _is_guard), ("types", _is_types), ("cache", _is_speed)):
        if rule(node, parents):
            return name
    if isinstance(node, ast.keyword) and node.arg in PARAMETERS:
        return PARAMETERS[node.arg]
    if called(node) == "CPUPlace":
        return "platform"
    if not parents:
        return ""
    name, within = _defaulted(node, parents[-1]), parents[-1]
    if name in SPEED or isinstance(within, ast.If) and within.test is node and _names(node) & SPEED:
        return "cache"
    return PARAMETERS.get(name, "")


def _defaulted(node: ast.AST, within: ast.AST) -> str:
    """Return the parameter whose default a node is, "" if it is none."""
    if not isinstance(within, ast.arguments):
        return ""
    last = [*within.posonlyargs, *within.args][-len(within.defaults) :] if within.defaults else []
    pairs = [*zip(last, within.defaults, strict=True), *zip(within.kwonlyargs, within.kw_defaults, strict=True)]
    return next((parameter.arg for parameter, default in pairs if default is node), "")


def called(node: ast.AST) -> str:
    """Return the last name of what a call calls: "say" of `self.say(...)`; "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _is_message(node: ast.AST, parents: Sequence[ast.AST]) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in DESCRIBING
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # A sentence, what joins sentences, or the name of an option of a command, to be told.
        return " " in node.value or not node.value or node.value.startswith("--")
    if isinstance(node, ast.Expr):
        return _says(node.value)
    if isinstance(node, ast.If):  # whether something is said
        return not node.orelse and all(isinstance(each, ast.Expr) and _says(each.value) for each in node.body)
    if isinstance(node, ast.Compare):
        return bool(_names(node) & WRITING)
    if isinstance(node, ast.IfExp):  # which of two sentences is said
        return _is_message(node.body, ()) and _is_message(node.orelse, ())
    if _assigns(node, WRITING | NAMING):
        return True
    return isinstance(node, ast.JoinedStr) or called(node) in SPEAKING or _joins(node)


def _joins(call: ast.AST) -> bool:
    """Whether a call puts a sentence together: ", ".join(...)."""
    between = getattr(getattr(call, "func", None), "value", None)
    return called(call) == "join" and isinstance(between, ast.Constant) and " " in str(between.value)


def _says(call: ast.AST) -> bool:
    return called(call) in SPEAKING or _appends_note(call)


def speaks(argument: ast.expr) -> bool:
    """Return whether an argument is the function that shows progress or says something, or what errors call a thing."""
    name = getattr(argument, "id", getattr(argument, "attr", ""))
    return name in SPEAKING | NAMING | SPEED or called(argument) == "CPUPlace"


def _appends_note(call: ast.AST) -> bool:
    owner = getattr(getattr(call, "func", None), "value", None)
    return called(call) in ("append", "extend") and getattr(owner, "id", getattr(owner, "attr", "")) == "notes"


def _is_guard(node: ast.AST, parents: Sequence[ast.AST]) -> bool:
    if isinstance(node, ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.If):
        return _only_refuses(node.body) and (not node.orelse or _only_refuses(node.orelse))
    if isinstance(node, ast.For):
        return not node.orelse and all(_is_guard(each, ()) for each in node.body)
    if isinstance(node, ast.ExceptHandler):
        return isinstance(node.body[-1], ast.Raise)
    if isinstance(node, ast.Try):  # a call for its errors alone, which are told otherwise
        only = len(node.body) == 1 and isinstance(node.body[0], ast.Expr) and not node.orelse and not node.finalbody
        return only and all(_is_guard(handler, ()) for handler in node.handlers)
    if isinstance(node, ast.With):  # a file that is opened to see whether it can be written
        return isinstance(node.body[0], ast.Pass)
    if isinstance(node, ast.FunctionDef):
        return node.name.lstrip("_").startswith("require")
    if isinstance(node, ast.Expr):
        return called(node.value).lstrip("_").startswith("require") or _locks(node.value)
    if isinstance(node, ast.BinOp):  # how much is read before it is refused
        return bool(_names(node) & {"_LONGEST"})
    return _assigns(node, LIMITS)


def _locks(call: ast.AST) -> bool:
    """Whether a call takes or gives back a lock, which is a file on a disk (OUTSIDE)."""
    owner = getattr(getattr(call, "func", None), "value", None)
    return getattr(owner, "id", getattr(owner, "attr", "")) == "lock"


def _only_refuses(body: Sequence[ast.stmt]) -> bool:
    """Whether a block ends with a raise after putting together its message, or is made of guards."""
    return isinstance(body[-1], ast.Raise) and _only_speaks(body[:-1]) or all(_is_guard(each, ()) for each in body)


def _only_speaks(body: Sequence[ast.stmt]) -> bool:
    """Whether statements before a raise do no more than put together its message."""
    return all(isinstance(node, ast.Assign) for node in body)


def _is_types(node: ast.AST, parents: Sequence[ast.AST]) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If) and getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and len(parents) == 1:
        alias = isinstance(node.value, ast.Subscript | ast.BinOp) and _is_type(node.value)
        return alias or _assigns(node, {"__all__"}) or called(node.value) in CASTING
    return _assigns(node, {"__slots__", "__all__"})


def _is_type(node: ast.AST) -> bool:
    """Whether an expression at the top of a module names a type: `dict[str, int]`, `A | B`."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and _is_type(node.left) and _is_type(node.right)
    if isinstance(node, ast.Subscript):
        return _is_type(node.value)
    name = getattr(node, "id", getattr(node, "attr", ""))
    return name[:1].isupper() and not name.isupper() or name in ("dict", "list", "tuple", "set", "int", "float", "str")


def _is_speed(node: ast.AST, parents: Sequence[ast.AST]) -> bool:
    if isinstance(node, ast.Compare):
        return bool(_names(node) & SPEED)
    if isinstance(node, ast.Delete):
        return True
    if called(node) in ("lru_cache", "cache", "run_count", *CHOOSING):
        return True
    if isinstance(node, ast.Expr) and called(node.value) in ENGINE:
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in ("block_size", "run_count", *CHOOSING)
    return _assigns(node, SPEED)


def _names(node: ast.AST) -> set[str]:
    return {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)}


def _assigns(node: ast.AST, names: set[str]) -> bool:
    """Whether a statement gives values to names that are all among these."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        target = target.slice if isinstance(target, ast.Subscript) else target
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        return all(getattr(part, "id", getattr(part, "attr", "")) in names for part in parts)
    return isinstance(node, ast.AnnAssign | ast.AugAssign) and getattr(node.target, "id", "") in names
