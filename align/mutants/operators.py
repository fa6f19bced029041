"""The mutation operators: every small change that is made to a source, found on its syntax tree. `mutants` lists them.

An operator replaces one span of the source, so that the diff of a mutant is exactly what is run:

    operator     + for -, * for /, and so on              comparison   < for <=, == for !=, in for not in
    boolean      and for or                               negation     -x and `not x` without their sign
    condition    if, while and x if y else z, negated; the filter of a comprehension dropped
    number       n + 1, twice a float, True for False     string       another text
    default      any of these in the default of an argument
    argument     the first two swapped, the last or a named one left out
    call         left out: f(x) becomes x; or another: mean for sum, max for min (SWAPPED)
    context      a `with` block entered without its manager
    statement    left out: a call, an assignment, break and continue
    order        the first two of several values swapped, where they are returned or assigned
"""

import ast
from collections.abc import Iterator, Sequence

from align.mutants import rules
from align.mutants.source import ROOT, Mutant, Text, files, read

Change = tuple[str, int, int, str]  # operator, start, end, text

ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {  # never to one that binds tighter
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "*"),
}
COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
SWAPPED = {"mean": "sum", "max": "min", "maximum": "minimum", "zeros": "ones", "zeros_like": "ones_like"}
SWAPPED |= {"sqrt": "rsqrt", "floor": "ceil", "any": "all", "train": "eval", "argmax": "argmin", "tanh": "sigmoid"}
SWAPPED |= {"Tanh": "Sigmoid", "removeprefix": "removesuffix", "startswith": "endswith"}
SWAPPED |= {other: one for one, other in SWAPPED.items()} | {"ReLU": "ReLU6", "relu": "relu6"}
BUILT_IN = {"max", "min", "any", "all"}  # of SWAPPED, where they are no attribute
SYMMETRIC = {"maximum", "minimum", "add", "multiply", "isclose", "array_equal", "samefile", "logical_and", "logical_or"}
SYMMETRIC |= {"min", "max", "gcd"}
SYMMETRIC |= {
    "hinge",
    "l1",
    "least_squares",
    "psnr",
    "ssim",
    "style_loss",
}  # of losses: 1 - sign * logit, absolute and squared differences
SYMMETRIC |= {"_centre", "block_kid", "frechet_distance", "kid", "mmd2"}  # of metrics: distances between two sets
SYMMETRIC |= {"_difference", "default_subset_size"}  # likewise: of which the square or the size is taken, the smaller
# Calls whose arguments have types of their own, so that swapping or dropping them is an error and no mistake.
TYPED = {"isinstance", "issubclass", "getattr", "setattr", "hasattr", "super", "cast", "zip", "dict", "partial"}
CONVERTING = {"float", "str", "bool", "list", "tuple", "dict", "iter", "set", "frozenset", "Path", "super", "sorted"}
CONVERTING |= {"constant"}  # of backend/compat: a number as a tensor, which Paddle 2.6 alone rounds otherwise


def mutants(path: str) -> list[Mutant]:
    """Return every mutant of a file in the order of its lines, including those that do not count."""
    return found_in(path, read(path, ROOT))


def found_in(path: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a source, which has this path in the project."""
    return list(_Finder(path, Text(source)).visit())


def every(rooms: Sequence[str] = ()) -> list[Mutant]:
    """Return every mutant of the given rooms, or of all."""
    return [mutant for path in files() if not rooms or path.split("/")[1] in rooms for mutant in mutants(path)]


class _Finder:
    """Walks the syntax tree of one file and yields its mutants."""

    def __init__(self, path: str, text: Text):
        self.path, self.text = path, text
        imports = [node for node in ast.walk(text.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        # What the file imports: attributes of these names are functions and no methods.
        self.modules = {(one.asname or one.name).partition(".")[0] for node in imports for one in node.names}

    def visit(self) -> Iterator[Mutant]:
        yield from self._walk(self.text.tree, (), rules.of_module(self.path))

    def _walk(self, node: ast.AST, parents: tuple[ast.AST, ...], reason: str) -> Iterator[Mutant]:
        reason = reason or rules.reason(node, parents)
        for operator, start, end, text in self._changes(node, parents):
            yield self._mutant(node, parents, operator, start, end, text, reason)
        for field, value in ast.iter_fields(node):
            if _left_alone(node, field):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_docstring(child, node):
                    yield from self._walk(child, (*parents, node), reason)

    def _mutant(
        self,
        node: ast.AST,
        parents: tuple[ast.AST, ...],
        operator: str,
        start: int,
        end: int,
        text: str,
        reason: str,
    ) -> Mutant:
        chain = (*parents, node)
        default = any(field in ("defaults", "kw_defaults") for field in _fields(chain))
        first, last, loaded = _needed(chain)
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        name = "default" if default else operator
        return Mutant(self.path, line, column, name, start, end, text, first, last, loaded, reason)

    def _changes(self, node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        found = getattr(self, f"on_{type(node).__name__.lower()}", None)
        if found is not None:
            yield from found(node, parents)
        if isinstance(node, ast.stmt):
            yield from self._statement(node, parents)
        above = parents[-1] if parents else None
        if isinstance(above, ast.If | ast.While | ast.IfExp) and above.test is node:
            yield "condition", *self.text.span(node), f"(not ({self.text.of(node)}))"

    # --- expressions ----------------------------------------------------------------------------------------

    def on_binop(self, node: ast.BinOp, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        if type(node.op) in ARITHMETIC and not text:
            yield self._between(node, node.left, node.right, *ARITHMETIC[type(node.op)], "operator", parents)

    def on_augassign(self, node: ast.AugAssign, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        if type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            start, end = self.text.between(node.target, node.value)
            gap = self.text.source[start:end].decode()
            yield "operator", start, end, gap.replace(f"{old}=", f"{new}=", 1)

    def on_compare(self, node: ast.Compare, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        sides = [node.left, *node.comparators]
        for left, right, kind in zip(sides, sides[1:], node.ops, strict=False):
            yield self._between(node, left, right, *COMPARED[type(kind)], "comparison", parents)

    def _between(
        self, node: ast.AST, left: ast.AST, right: ast.AST, old: str, new: str, name: str, parents: tuple[ast.AST, ...]
    ) -> Change:
        """Replace what stands between two operands; the whole is put in parentheses, for the new one may bind less."""
        start, end = self.text.span(node)
        gap_start, gap_end = self.text.between(left, right)
        source = self.text.source
        gap = source[gap_start:gap_end].decode().replace(old, new, 1)
        text = source[start:gap_start].decode() + gap + source[gap_end:end].decode()
        return name, start, end, _enclosed(text, parents)

    def on_boolop(self, node: ast.BoolOp, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        flipped = ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
        yield "boolean", *self.text.span(node), _enclosed(ast.unparse(flipped), parents)

    def on_unaryop(self, node: ast.UnaryOp, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        if isinstance(node.op, ast.USub | ast.Not):
            yield "negation", *self.text.span(node), _enclosed(ast.unparse(node.operand), parents)

    def on_constant(self, node: ast.Constant, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield "number", *self.text.span(node), str(not value)
        elif isinstance(value, int):
            yield "number", *self.text.span(node), str(value + 1)
        elif isinstance(value, float):
            yield "number", *self.text.span(node), repr(2 * value if value else 1.0)
        elif isinstance(value, str):
            yield "string", *self.text.span(node), repr(f"{value}_")

    def on_listcomp(self, node: ast.ListComp, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        yield from self._filters(node.generators)

    on_setcomp = on_generatorexp = on_dictcomp = on_listcomp

    def _filters(self, generators: Sequence[ast.comprehension]) -> Iterator[Change]:
        for test in (test for generator in generators for test in generator.ifs):
            yield "condition", *self.text.span(test), "True"

    # --- calls ----------------------------------------------------------------------------------------------

    def on_call(self, node: ast.Call, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        name, plain = rules.called(node), [a for a in node.args if not isinstance(a, ast.Starred)]
        if name not in TYPED and len(plain) == len(node.args):
            yield from self._arguments(node, name, parents)
        if name in SWAPPED and (isinstance(node.func, ast.Attribute) or name in BUILT_IN):
            start, end = self.text.span(node.func)
            yield "call", end - len(name), end, SWAPPED[name]
        inner = self._inside(node, name)
        within = parents[-1] if parents else None
        if inner is not None and not isinstance(within, ast.withitem | ast.Expr):
            yield "call", *self.text.span(node), _enclosed(self.text.of(inner), parents)

    def _arguments(self, node: ast.Call, name: str, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        if len(node.args) > 1:
            one, other = node.args[:2]
            first, second = self.text.of(one), self.text.of(other)
            built_in = isinstance(node.func, ast.Name) and name in ("max", "min")
            if first != second and name not in SYMMETRIC and not built_in:
                start, end = self.text.between(one, other)
                gap = self.text.source[start:end].decode()
                yield "argument", self.text.span(one)[0], self.text.span(other)[1], second + gap + first
            if not rules.speaks(node.args[-1]):
                rest = ast.Call(node.func, node.args[:-1], node.keywords)
                yield "argument", *self.text.span(node), ast.unparse(rest)
        for i, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in rules.PARAMETERS:
                rest = node.keywords[:i] + node.keywords[i + 1 :]
                yield "argument", *self.text.span(node), ast.unparse(ast.Call(node.func, node.args, rest))

    def _inside(self, node: ast.Call, name: str) -> ast.expr | None:
        """What is left of a call that is dropped: its first argument, or the object whose method it is."""
        if name in CONVERTING or name[:1].isupper():
            return None  # a conversion of types, or a new object
        if node.args:
            return None if isinstance(node.args[0], ast.Starred) else node.args[0]
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(owner, ast.Name) and (owner.id in ("self", "cls") or owner.id in self.modules):
            return None
        return owner

    # --- statements -----------------------------------------------------------------------------------------

    def _statement(self, node: ast.stmt, parents: tuple[ast.AST, ...]) -> Iterator[Change]:
        if isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars is None and rules.called(item.context_expr) not in rules.SPEAKING:
                    text = "__import__('contextlib').nullcontext()"
                    yield "context", *self.text.span(item.context_expr), text
        if isinstance(node, ast.Return | ast.Assign) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
            yield from self._order(*node.value.elts[:2])
        if _can_go(node, parents):
            yield "statement", *self.text.span(node), "pass"

    def _order(self, one: ast.expr, other: ast.expr) -> Iterator[Change]:
        first, second = self.text.of(one), self.text.of(other)
        starred = isinstance(one, ast.Starred) or isinstance(other, ast.Starred)
        if first != second and not starred:
            start, end = self.text.between(one, other)
            gap = self.text.source[start:end].decode()
            yield "order", self.text.span(one)[0], self.text.span(other)[1], second + gap + first


def _left_alone(node: ast.AST, field: str) -> bool:
    """Whether a field holds no code that computes: annotations, decorators, names of types and of exceptions."""
    if field in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
        return True
    return isinstance(node, ast.ExceptHandler) and field == "type" or isinstance(node, ast.JoinedStr)


def _is_docstring(child: ast.AST, node: ast.AST) -> bool:
    """Whether a statement is a text that nobody reads at run time, at the head of a block or after a field."""
    return isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str)


def _enclosed(text: str, parents: tuple[ast.AST, ...]) -> str:
    alone = isinstance(parents[-1], ast.stmt | ast.keyword | ast.Call) if parents else True
    return text if alone and "\n" not in text else f"({text})"


def _can_go(node: ast.stmt, parents: tuple[ast.AST, ...]) -> bool:
    """Whether a statement can be left out without an obvious error: nothing is undefined without it."""
    if isinstance(node, ast.Break | ast.Continue | ast.AugAssign):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and "super()" not in ast.unparse(node.value.func)
    if not isinstance(node, ast.Assign):
        return False
    targets = [part for target in node.targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
        return not any(isinstance(parent, ast.FunctionDef) and parent.name == "__init__" for parent in parents)
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    function = next((parent for parent in reversed(parents) if isinstance(parent, ast.FunctionDef)), None)
    return function is not None and len(names) == len(targets) and names <= _bound_before(function, node)


def _bound_before(function: ast.FunctionDef, node: ast.stmt) -> set[str]:
    """The names that have a value in a function before a statement: its arguments, and what earlier lines assign."""
    arguments = function.args
    found = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    stored = (part for part in ast.walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))
    return found | {part.id for part in stored if part.lineno < node.lineno}


def _fields(chain: tuple[ast.AST, ...]) -> Iterator[str]:
    """The names of the fields by which each node of a chain is held by the one before it."""
    for node, child in zip(chain, chain[1:], strict=False):
        for field, value in ast.iter_fields(node):
            if value is child or isinstance(value, list) and any(each is child for each in value):
                yield field


def _needed(chain: tuple[ast.AST, ...]) -> tuple[int, int, bool]:
    """The lines of which one must be run for a change to act, and whether it acts when the module is imported.

    Those of the innermost statement or, of a default, the whole function; of a compound statement, its head.
    """
    inside = [node for node in chain if isinstance(node, ast.stmt | ast.Lambda)]
    statement = next(node for node in reversed(chain) if isinstance(node, ast.stmt))
    functions = [node for node in inside if isinstance(node, ast.FunctionDef | ast.Lambda)]
    if isinstance(statement, ast.FunctionDef):  # a default
        return statement.body[0].lineno, statement.end_lineno or statement.lineno, False
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return statement.lineno, max(last, statement.lineno), not functions
