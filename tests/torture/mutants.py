"""Mutants of what keeps a run safe: calls, raises and conditions, each changed alone.

Dropped: the statement is gone. Ignored: its failure is. Delayed: it changes places with the statement after it. Negated: an
`if` holds where it didn't. Of the store every call of an operation on the volume is tried, of the rest every call.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ENGINE = Path(__file__).parent.parent.parent / "engine"
OPERATIONS = frozenset({
    "create", "write", "fsync", "close", "rename", "link", "mkdir", "unlink", "rmdir", "fsync_folder",
    "put_file", "put_files", "replace_file", "check", "check_fence", "make_folder", "discard",
})  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A package whose modules are changed.

    Attributes:
        package: Its name.
        modules: Those that decide.
        tests: Files below `tests/` of which one must fail, the quickest first.
        loaded: What is imported once, before any mutant: it must not import a module that is changed.
        every_call: Whether every call counts, not only operations on the volume; and every `if`.
    """

    package: str
    modules: Sequence[str]
    tests: Sequence[str]
    loaded: Sequence[str]
    every_call: bool = False

    def file(self, module: str) -> Path:
        """Its source."""
        return ENGINE.joinpath(*self.package.split("."), f"{module}.py")

    @property
    def prefix(self) -> str:
        """How names of its mutants begin."""
        return f"{self.package.rpartition('.')[2]}/" if self.every_call else ""


LIBRARIES = ("hypothesis.extra.numpy", "ml_dtypes", "numpy", "safetensors.numpy", "xxhash", "flowapi.report")
STORE = Part(
    "flowengine.store",
    (
        "io", "layout", "writer", "fence", "owner", "reader", "codec", "chain", "gc", "manifest", "probe", "listing",
        "store",
    ),
    [f"store/test_{name}.py" for name in (
        "io", "probe", "failed_operations", "poor_volumes", "owners", "retention", "pins", "reading", "one_process",
        "fencing", "hostile", "codec", "corruption", "replay", "crash",
    )],
    LIBRARIES,
)  # fmt: skip
FILES = Part(
    "flowengine.store",
    ("files",),
    ("unit/engine/test_capsule.py", "store/test_beside.py"),
    (*LIBRARIES, "pyarrow.parquet"),
)
CAPSULE = Part(
    "flowengine.capsule",
    ("parts", "result"),
    ("unit/engine/test_capsule.py", "unit/engine/test_lineage.py", "store/test_beside.py"),
    (*LIBRARIES, "pyarrow.parquet", "flowengine.store"),
    every_call=True,
)
RUN = Part(
    "flowengine.run",
    (
        "watchdog", "signals", "leaves", "cadence", "reporting", "saver", "telemetry", "saves", "ending", "opening",
        "announcing", "session",
    ),
    (*(f"unit/engine/test_{name}.py" for name in ("run", "telemetry_rows", "leaves", "watchdog", "stop_request")),
     *(f"session/test_{name}.py" for name in (
        "saver", "watched", "refused_saves", "openings", "session", "endings", "crash",
    ))),
    (*LIBRARIES, "pyarrow.parquet", "flowengine.store", "flowengine.capsule", "flowengine.compiler", "flowengine.loop"),
    every_call=True,
)  # fmt: skip
PARTS = (STORE, FILES, CAPSULE, RUN)


@dataclass(frozen=True)
class Mutant:
    """A change to one statement. `name` is stable as long as the statement and its place in its function are.

    Attributes:
        name: Which statement, and what is done to it.
        part: What it belongs to.
        module: Which module of that.
        source: The whole module, changed.
        place: Of the statement; empty where it is not known by whom it is run.
    """

    name: str
    part: Part
    module: str
    source: str
    place: str = ""


def generate(parts: Sequence[Part] = PARTS) -> list[Mutant]:
    """Every mutant of every module, in order."""
    return [mutant for part in parts for module in part.modules for mutant in _of_module(part, module)]


def _of_module(part: Part, module: str) -> Iterator[Mutant]:
    tree = ast.parse(part.file(module).read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for function, node in [] if part.every_call else list(_lambdas(tree)):
        body, node.body = node.body, ast.Constant(None)
        name = f"{module}.{function}: drop `{ast.unparse(body)[:60]}`"
        yield Mutant(name, part, module, ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))))
        node.body = body
    for function, block, index in _places(tree):
        for kind, change in _changes(block, index, every_call=part.every_call):
            what = ast.unparse(block[index]).splitlines()[0][:60]
            label = f"{part.prefix}{module}.{function}: {kind} `{what}`"
            seen[label] = seen.get(label, 0) + 1
            name = label if seen[label] == 1 else f"{label} #{seen[label]}"
            yield Mutant(name, part, module, _with(tree, block, change), place_of(module, block[index]))


def _places(tree: ast.Module) -> Iterator[tuple[str, list[ast.stmt], int]]:
    """Each statement with its block, and the function that it stands in."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, list[ast.stmt], int]]:
        for name in ("body", "orelse", "finalbody", "handlers"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for index, child in enumerate(block):
                inner = f"{function}.{child.name}".strip(".") if isinstance(child, _NAMED) else function
                if isinstance(child, ast.stmt) and function and not isinstance(node, ast.ClassDef):
                    yield function, block, index
                yield from visit(child, inner)

    yield from visit(tree, "")


def blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    """Every block of statements within a function."""
    return [*{id(block): block for _, block, _ in _places(tree)}.values()]


def place_of(module: str, statement: ast.stmt) -> str:
    """Where a statement stands."""
    return f"{module}:{statement.lineno}:{statement.col_offset}"


_NAMED = (ast.FunctionDef, ast.ClassDef)


def _lambdas(tree: ast.Module) -> Iterator[tuple[str, ast.Lambda]]:
    """Each operation that is handed on to be called later, with the function that does so."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Lambda) and _operates(ast.Expr(node.body)):
                    yield function.name, node


def _changes(block: list[ast.stmt], index: int, *, every_call: bool) -> Iterator[tuple[str, list[ast.stmt]]]:
    statement = block[index]
    before, rest = block[:index], block[index + 1 :]
    if isinstance(statement, ast.Raise):
        yield "drop", [*before, ast.Pass(), *rest]
    elif isinstance(statement, ast.Expr) and (_operates(statement) or (every_call and _calls(statement))):
        yield "drop", [*before, ast.Pass(), *rest]
        if not every_call:
            yield "ignore", [*before, _ignored(statement), *rest]
        if rest and not isinstance(rest[0], ast.Return | ast.Raise | ast.Continue):
            yield "delay", [*before, rest[0], statement, *rest[1:]]
    elif every_call and isinstance(statement, ast.If):
        negated = ast.If(ast.UnaryOp(ast.Not(), statement.test), statement.body, statement.orelse)
        yield "negate", [*before, negated, *rest]


def _calls(statement: ast.Expr) -> bool:
    return isinstance(statement.value, ast.Call)


def _operates(statement: ast.stmt) -> bool:
    """Whether a statement is a call of an operation on the volume."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in OPERATIONS


def _ignored(statement: ast.stmt) -> ast.stmt:
    handler = ast.ExceptHandler(type=ast.Name("Exception", ast.Load()), name=None, body=[ast.Pass()])
    return ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[])


def _with(tree: ast.Module, block: list[ast.stmt], changed: list[ast.stmt]) -> str:
    """The module's source with one block replaced."""
    original = list(block)
    block[:] = changed
    try:
        return ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
    finally:
        block[:] = original
