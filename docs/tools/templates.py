"""What the code can say: its sentences as templates, read from the code without running it; `…` is what is put in."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

HOLE = "…"
DEEPEST = 4  # calls that are followed back from a parameter to what is given
MOST = 24  # alternatives of one sentence; beyond them the part that differs is a hole
OPAQUE = {"_as_json"}  # functions that show a value
BUILT_IN = {"open"}  # methods of ours that are called as one of Python's
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """One file of code.

    Attributes:
        path: Of the file.
        tree: What it says.
        parents: The node that each node stands in.
    """

    path: Path
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node

    def function(self, node: ast.AST) -> Function | None:
        """The function that a node stands in."""
        while (above := self.parents.get(node)) is not None:
            if isinstance(above, Function):
                return above
            node = above
        return None

    def imported_from(self, other: "Module") -> set[str]:
        """The names that are imported from another module, or from a package above it."""
        dotted = ".".join(other.path.with_suffix("").parts[1:])
        return {
            alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module and dotted.startswith(node.module)
            for alias in node.names
        }

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What the module's names stand for."""
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found[name] = value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    found |= {
                        one.id: value for one, value in zip(names, values, strict=True) if isinstance(one, ast.Name)
                    }
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    found[name] = value
        return found


class Code:
    """Modules that are read together, so that what one function is given is found where another calls it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        files = sorted(path for folder in folders for path in folder.rglob("*.py"))
        self.modules = [Module(path, ast.parse(path.read_text(encoding="utf-8"))) for path in files]
        self._open: list[tuple[Function | None, str]] = []
        self._bound: dict[Function, tuple[Module, ast.Call]] = {}

    @cached_property
    def calls(self) -> dict[str, list[tuple[Module, ast.Call]]]:
        """Every call, by the last part of the name that is called."""
        found: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call):
                    found.setdefault(called(node), []).append((module, node))
        return found

    @cached_property
    def functions(self) -> dict[str, list[tuple[Module, Function]]]:
        """Every function, by its name."""
        found: dict[str, list[tuple[Module, Function]]] = {}
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, Function):
                    found.setdefault(node.name, []).append((module, node))
        return found

    def together(self, module: Module, nodes: Sequence[ast.expr]) -> Iterator[list[list[str]]]:
        """The templates of several expressions of one function, for each of its calls that they depend on."""
        function = module.function(nodes[0])
        names = {one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)}
        if function is None or not names & {*_parameters(function)}:
            yield [self.templates(module, node) for node in nodes]
            return
        seen: list[list[list[str]]] = []
        callers: list[tuple[Module, ast.Call] | None] = [*self._callers(module, function)]
        for one in callers or [None]:
            if one is not None:
                self._bound[function] = one
            found = [self.templates(module, node) for node in nodes]
            self._bound.pop(function, None)
            if found not in seen:
                seen.append(found)
        yield from seen

    def _callers(self, module: Module, function: Function) -> list[tuple[Module, ast.Call]]:
        calls = self.calls.get(function.name, ())
        return [(caller, call) for caller, call in calls if _is_of(caller, call, module, function)]

    def templates(self, module: Module, node: ast.expr, depth: int = 0) -> list[str]:
        """Every text that an expression may be; one hole where nothing is known of it."""
        match node:
            case ast.Constant(value=str(text)):
                found = [text]
            case ast.JoinedStr(values=parts):
                found = self._joined(module, parts, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                found = self._joined(module, [left, right], depth)
            case ast.FormattedValue(value=value, format_spec=None, conversion=-1):
                found = self.templates(module, value, depth)
            case ast.IfExp(body=body, orelse=orelse):
                found = [*self.templates(module, body, depth), *self.templates(module, orelse, depth)]
            case ast.BoolOp(values=values):
                found = [text for one in values for text in self.templates(module, one, depth)]
            case ast.Call(func=ast.Attribute(value=ast.JoinedStr() | ast.Constant() as inner, attr="strip")):
                found = self.templates(module, inner, depth)
            case _:
                found = self._found(module, node, depth)
        unique = list(dict.fromkeys(re.sub("…+", HOLE, text) for text in found))
        return unique if len(unique) <= MOST else [HOLE]

    def _found(self, module: Module, node: ast.expr, depth: int) -> list[str]:
        """What stands elsewhere in the code."""
        match node:
            case ast.Name(id=name):
                return self._named(module, node, name, depth)
            case ast.Subscript(value=ast.Name(id=name)):
                return self._values(module, self._only(module, node, name), depth)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, otherwise]):
                known = self._values(module, self._only(module, node, name), depth)
                return [*known, *self.templates(module, otherwise, depth)]
            case ast.Call(func=ast.Name(id="getattr"), args=[_, _, otherwise]):
                return [HOLE, *self.templates(module, otherwise, depth)]
            case ast.Call():
                return self._returned(module, node, depth)
            case _:
                return [HOLE]

    def _joined(self, module: Module, parts: Sequence[ast.expr], depth: int) -> list[str]:
        options = [self.templates(module, part, depth) for part in parts]
        count = 1
        for index, one in enumerate(options):
            if count * len(one) > MOST:
                options[index] = [HOLE]
            count *= len(options[index])
        return ["".join(one) for one in product(*options)]

    def _values(self, module: Module, table: ast.expr | None, depth: int) -> list[str]:
        if not isinstance(table, ast.Dict):
            return [HOLE]
        return [text for value in table.values for text in self.templates(module, value, depth)]

    def _only(self, module: Module, node: ast.AST, name: str) -> ast.expr | None:
        """What a name stands for, where that is one thing."""
        values = [value for value in _assigned(module.function(node), name) if value is not None]
        return values[0] if len(values) == 1 else module.constants.get(name) if not values else None

    def _named(self, module: Module, node: ast.AST, name: str, depth: int) -> list[str]:
        function = module.function(node)
        if (function, name) in self._open:  # text = f"{text}, and more"
            return [HOLE]
        self._open.append((function, name))
        try:
            return self._meant(module, function, name, depth)
        finally:
            self._open.pop()

    def _meant(self, module: Module, function: Function | None, name: str, depth: int) -> list[str]:
        assigned = list(_assigned(function, name))
        if assigned:
            found: list[str] = []
            for value in assigned:
                found += [HOLE] if value is None else self.templates(module, value, depth)
            return found
        if function is not None and name in (given := _parameters(function)):
            return self._given(module, function, name, given, depth)
        if name in module.constants:
            return self.templates(module, module.constants[name], depth)
        return [HOLE]

    def _given(self, module: Module, function: Function, name: str, names: Sequence[str], depth: int) -> list[str]:
        """What callers give for a parameter; words alone only where all of them give words."""
        if function in self._bound:
            callers = [self._bound[function]]
        else:
            callers = self._callers(module, function) if depth < DEEPEST else []
        found: list[str] = []
        for caller, call in callers:
            value = next((one.value for one in call.keywords if one.arg == name), None)
            if value is None and name in names and names.index(name) < len(call.args):
                value = call.args[names.index(name)]
            if value is not None:
                found += self.templates(caller, value, depth + 1)
            elif (otherwise := _default(function, name)) is not None:
                found += self.templates(module, otherwise, depth + 1)
        if HOLE in found:
            found = [one for one in found if " " in one or one == HOLE]
        return found or [HOLE]

    def _returned(self, module: Module, call: ast.Call, depth: int) -> list[str]:
        """What a function of the code returns, where that is a sentence."""
        found: list[str] = []
        for where, function in self.functions.get(called(call), ()) if depth < DEEPEST else ():
            if _is_of(module, call, where, function) and function.name not in OPAQUE:
                for node in ast.walk(function):
                    if isinstance(node, ast.Return) and node.value is not None:
                        found += self.templates(where, node.value, depth + 1)
        return [one for one in found if one in ("", HOLE) or " " in one.strip()] or [HOLE]


def _is_of(caller: Module, call: ast.Call, module: Module, function: Function) -> bool:
    """Whether a call is one of this function, as far as names tell."""
    if function.name.startswith("_") and caller is not module:
        return False
    inner = isinstance(module.parents[function], ast.ClassDef)
    match call.func:
        case ast.Attribute(value=ast.Name(id=base)):
            return base == module.path.stem or (inner and function.name not in BUILT_IN)
        case ast.Name(id=name):
            return not inner and (caller is module or name in caller.imported_from(module))
        case _:
            return inner and function.name not in BUILT_IN


def called(call: ast.Call) -> str:
    """The last part of the name that is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def is_prose(text: str) -> bool:
    """Whether a template says something by itself."""
    return len(re.findall(r"[A-Za-z']{2,}", text)) > 1 and " " in text.strip()


def sentences(node: ast.AST) -> Iterator[ast.expr]:
    """The outermost texts in a piece of code, without its docstring."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str)):
            if not isinstance(node, ast.Expr):
                yield child
        else:
            yield from sentences(child)


def pattern(template: str) -> str:
    """A regular expression for all that a template may become."""
    return ".*".join(re.escape(part) for part in template.split(HOLE))


def distinct(found: Iterable[str]) -> set[str]:
    """Without those that differ from another one by a place for something put in alone, and that it covers."""
    groups: dict[str, list[str]] = {}
    for one in sorted(set(found), key=len):
        same = groups.setdefault(re.sub(r"[\W_]", "", one), [])
        if not any(re.fullmatch(pattern(other), one, re.DOTALL) for other in same):
            same.append(one)
    return {one for same in groups.values() for one in same}


def _parameters(function: Function) -> list[str]:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args)]
    return [one for one in names if one not in ("self", "cls")] + [one.arg for one in given.kwonlyargs]


def _default(function: Function, name: str) -> ast.expr | None:
    """What a parameter is where it isn't given."""
    given = function.args
    places = zip(reversed([*given.posonlyargs, *given.args]), reversed(given.defaults), strict=False)
    pairs = [*places, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return next((value for one, value in pairs if one.arg == name), None)


def _assigned(function: Function | None, name: str) -> Iterator[ast.expr | None]:
    """What a local name may stand for; None where that can't be read off."""
    for node in ast.walk(function) if function is not None else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.AugAssign(target=ast.Name(id=found)) if found == name:
                yield None
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                yield from _part(names, value, name)
            case ast.For(target=target) | ast.comprehension(target=target):
                if any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(target)):
                    yield None
            case ast.ExceptHandler(name=found) if found == name:
                yield None
            case ast.NamedExpr(target=ast.Name(id=found), value=value) if found == name:
                yield value


def _part(names: Sequence[ast.expr], value: ast.expr, name: str) -> Iterator[ast.expr | None]:
    """Of `a, b = value` what the name stands for."""
    for index, one in enumerate(names):
        if isinstance(one, ast.Name) and one.id == name:
            match value:
                case ast.Tuple(elts=values) if len(values) == len(names):
                    yield values[index]
                case ast.IfExp(body=ast.Tuple(elts=some), orelse=ast.Tuple(elts=others)):
                    yield from (some[index], others[index])
                case _:
                    yield None
