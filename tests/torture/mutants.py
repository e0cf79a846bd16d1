"""Mutants of the store's protocol: every call of an operation on the volume and every raise, dropped, ignored, delayed.

Dropped: the statement is gone. Ignored: its failure is. Delayed: it changes places with the statement after it.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "engine" / "flowengine" / "store"
MODULES = (
    "io",
    "layout",
    "writer",
    "fence",
    "owner",
    "reader",
    "codec",
    "chain",
    "gc",
    "manifest",
    "probe",
    "listing",
    "store",
)
OPERATIONS = frozenset({
    "create", "write", "fsync", "close", "rename", "link", "mkdir", "unlink", "rmdir", "fsync_folder",
    "put_file", "put_files", "replace_file", "check", "check_fence", "make_folder", "discard",
})  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change to one statement. `name` is stable as long as the statement and its place in its function are."""

    name: str
    module: str
    source: str


def generate() -> list[Mutant]:
    """Every mutant of every module, in order."""
    return [mutant for module in MODULES for mutant in _of_module(module)]


def _of_module(module: str) -> Iterator[Mutant]:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for function, node in _lambdas(tree):
        body, node.body = node.body, ast.Constant(None)
        name = f"{module}.{function}: drop `{ast.unparse(body)[:60]}`"
        yield Mutant(name, module, ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))))
        node.body = body
    for function, block, index in _places(tree):
        for kind, change in _changes(block, index):
            what = ast.unparse(block[index]).splitlines()[0][:60]
            label = f"{module}.{function}: {kind} `{what}`"
            seen[label] = seen.get(label, 0) + 1
            name = label if seen[label] == 1 else f"{label} #{seen[label]}"
            yield Mutant(name, module, _with(tree, block, change))


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


_NAMED = (ast.FunctionDef, ast.ClassDef)


def _lambdas(tree: ast.Module) -> Iterator[tuple[str, ast.Lambda]]:
    """Each operation that is handed on to be called later, with the function that does so."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Lambda) and _operates(ast.Expr(node.body)):
                    yield function.name, node


def _changes(block: list[ast.stmt], index: int) -> Iterator[tuple[str, list[ast.stmt]]]:
    statement = block[index]
    rest = block[index + 1 :]
    if isinstance(statement, ast.Raise):
        yield "drop", [*block[:index], ast.Pass(), *rest]
    elif isinstance(statement, ast.Expr) and _operates(statement):
        yield "drop", [*block[:index], ast.Pass(), *rest]
        yield "ignore", [*block[:index], _ignored(statement), *rest]
        if rest and not isinstance(rest[0], ast.Return | ast.Raise | ast.Continue):
            yield "delay", [*block[:index], rest[0], statement, *rest[1:]]


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
