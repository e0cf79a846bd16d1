"""The page of messages: every sentence that the commands, the engine and the operator can say, read from their code."""

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from tables import page, table
from templates import HOLE, Code, Module, called, distinct, is_prose, pattern, sentences

from flowapi.forms import FORMS

ENGINE, CLIENT, API = Path("engine/flowengine"), Path("client/flowclient"), Path("crds/flowapi")
CORE = Path("operator/flowoperator/core")
LEAD = (
    "Look up here a sentence that you have before you. `…` stands for a name, a number, or what another program said. "
    "In front of it is the path into the YAML, where it has one; after it comes what to do. "
    "[What can go wrong](../failure-modes.md) tells what happens in each situation."
)
SECTIONS = (
    ("The flow document and the resource", (API,)),
    ("The flow with its data", (ENGINE / "compiler",)),
    ("While it runs", (ENGINE / "run", ENGINE / "loop", ENGINE / "certify", ENGINE / "methods", ENGINE / "steps")),
    ("Checkpoints, results and telemetry on a volume", (ENGINE / "store", ENGINE / "capsule")),
    ("The command `cflow`", (ENGINE / "cli",)),
    ("`kubectl cflow`", (CLIENT / "kube",)),
    ("Results, reports, queries and the dashboard", (CLIENT,)),
)
SEVERAL = 4
QUOTED = {"ValueError", "ColoursError", "DamagedPartError", "TornError", "CorruptError"}
"""Errors that reach a person within another sentence, which says what to do."""
PASSED_ON = {("local.py", "_as_error"), ("model.py", "_explain")}
"""Functions that make an error of a sentence that comes from elsewhere, where it is found, too."""
WARNINGS = {
    ENGINE / "cli/local.py": ("_tight",),
    ENGINE / "compiler/build.py": ("_planned",),
    ENGINE / "compiler/choice.py": ("explicit",),
    ENGINE / "compiler/plan.py": ("advice", "fewer_iterations"),
    ENGINE / "compiler/sampling.py": ("_cautions",),
    ENGINE / "run/ending.py": ("_unmet", "_never", "_findings", "point_at_result"),
    ENGINE / "run/mixing.py": ("unmixed", "_helps", "bias"),
    ENGINE / "run/opening.py": ("_with_state",),
    ENGINE / "run/saver.py": ("_saved",),
    ENGINE / "run/sooner.py": ("sentence",),
    ENGINE / "run/telemetry.py": ("flush", "compact"),
}
"""Functions whose texts are warnings and advice."""


@dataclass(frozen=True, order=True)
class Said:
    """One place in the code that says something.

    Attributes:
        path: The file.
        line: The line.
        messages: Its sentences; more than one where a word of it is chosen.
        remedies: What to do, by the code; several where that is chosen, none where nothing is said.
        code: The exit code; None of a warning.
        quoted: Whether another sentence quotes it.
    """

    path: Path
    line: int
    messages: tuple[str, ...]
    remedies: tuple[str, ...]
    code: int | None
    quoted: bool = False


def messages_page() -> str:
    """All of them, by what they are about."""
    found = sorted(everything())
    parts = [_section(title, [one for one in found if _of(one.path) == title]) for title, _ in SECTIONS]
    return page("Messages", LEAD, *filter(None, parts), _operator())


def everything() -> set[Said]:
    """All but the operator's conditions."""
    return {*errors(), *warnings(), *of_forms(), *of_values()}


def _of(path: Path) -> str:
    return next(title for title, folders in SECTIONS if any(path.is_relative_to(one) for one in folders))


def _section(title: str, found: Sequence[Said]) -> str:
    ends = [(one, text) for one in found if not one.quoted for text in one.messages if speaks(text)]
    parts = [f"## {title}", _table(ends)]
    if quoted := [(one, text) for one in found if one.quoted for text in one.messages if speaks(text)]:
        reasons = sorted(distinct(text for _, text in quoted))
        parts += ["Reasons that such a sentence quotes:", table(["reason"], [(one,) for one in reasons])]
    return "\n\n".join(parts)


def _table(found: Sequence[tuple[Said, str]]) -> str:
    rows: dict[tuple[str, str], set[str]] = {}
    kept = distinct(text for _, text in found)
    for one, text in found:
        if text not in kept:
            continue
        key = (text, "–" if one.code is None else str(one.code))
        rows.setdefault(key, set()).update(filter(None, one.remedies))
    cells = [(text, _remedy(sorted(remedies)), end) for (text, end), remedies in sorted(rows.items())]
    cells.sort(key=lambda row: row[0].lstrip("…`(/ ").lower())
    return table(["message", "what to do", "exit"], cells)


def _remedy(found: Sequence[str]) -> str:
    if found == [HOLE]:
        return "As the sentence says."
    found = [one for one in found if one != HOLE]
    return "<br>".join(found) if len(found) <= SEVERAL else "As the sentence says: it depends on the reason."


def speaks(text: str) -> bool:
    """Whether a template can be told from others."""
    return len(re.sub(r"^(kubectl )?cflow: |(note|warning): |[^A-Za-z]", "", text)) > 4 and not text.startswith(
        ("; ", ": ")
    )


@cache
def code() -> Code:
    """All code that speaks to people."""
    return Code((API, ENGINE, CLIENT, CORE))


@cache
def kinds() -> Mapping[str, int]:
    """Exit codes of the errors, by the names of their classes."""
    found = {"FlowError": 70, "DocumentFinding": 64}
    for module in code().modules:
        for node in ast.walk(module.tree):
            match node:
                case ast.ClassDef(name=name, bases=[ast.Name(id=base), *_], body=body) if base in found:
                    found[name] = next(filter(None, map(_code_in, body)), found[base])
    return found


def _code_in(node: ast.stmt) -> int | None:
    match node:
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=int(number))):
            return number
        case _:
            return None


def errors() -> Iterator[Said]:
    """Every place that makes an error, but for those that only pass on what another one says."""
    for name in (*kinds(), *(QUOTED - set(kinds()))):
        for module, call in code().calls.get(name, ()):
            raised = isinstance(module.parents[call], ast.Raise) or name in kinds()
            if call.args and name != "DocumentErrors" and raised:
                yield from _error(module, call, name)
    for module, call in code().calls.get("Rule", ()):
        _, _, message, remedy = call.args
        yield Said(module.path, call.lineno, _texts(module, message), _texts(module, remedy), 64)


def _error(module: Module, call: ast.Call, name: str) -> Iterator[Said]:
    given = [one.value for one in call.keywords if one.arg == "remedy"]
    for messages, *more in code().together(module, [call.args[0], *given]):
        remedies = tuple(more[0]) if more else ()
        if name == "DocumentFinding" and not remedies:
            remedies = ("It is ….",)  # what stands there: `_explain` adds it
        messages = [one for one in messages if one == one.rstrip()]  # else something is missing at its end
        if not any(map(is_prose, messages)):
            if name == "KubectlError" or _passes_on(module, call):
                continue
            raise ValueError(f"{module.path}:{call.lineno}: the sentence can't be read off the code")
        quoted = name in QUOTED and not any(remedies)
        yield Said(module.path, call.lineno, tuple(messages), remedies, kinds().get(name, 65), quoted)


def _passes_on(module: Module, call: ast.Call) -> bool:
    """Whether it says what another error says."""
    match call.args[0]:
        case ast.Call(func=ast.Name(id="str")) | ast.Attribute(attr="message"):
            return True
        case _:
            function = module.function(call)
            return function is not None and (module.path.name, function.name) in PASSED_ON


def _texts(module: Module, node: ast.expr | None) -> tuple[str, ...]:
    return tuple(code().templates(module, node)) if node is not None else ()


def warnings() -> Iterator[Said]:
    """Warnings, advice and notes: none ends a command."""
    for module in code().modules:
        for node in ast.walk(module.tree) if module.path != API / "schema.py" else ():
            if isinstance(node, ast.Call) and node.args and _is_note(node):
                yield Said(module.path, node.lineno, _texts(module, node.args[0]), (), None)
            elif isinstance(node, ast.FunctionDef) and node.name in WARNINGS.get(module.path, ()):
                for text in sentences(node):
                    if not _within(module, text, kinds()) and is_prose("".join(_texts(module, text))):
                        yield Said(module.path, text.lineno, _texts(module, text), (), None)


def _within(module: Module, node: ast.AST, names: Container[str]) -> bool:
    """Whether it stands in a call of one of these."""
    while (above := module.parents.get(node)) is not None and not isinstance(above, ast.stmt):
        if isinstance(above, ast.Call) and called(above) in names:
            return True
        node = above
    return False


def _is_note(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr="warn" | "_note"):
            return True
        case ast.Attribute(attr="append", value=to):
            return ast.unparse(to).endswith("notes")
        case ast.Attribute(attr="write", value=to):
            return ast.unparse(to) in ("sys.stderr", "err")
        case _:
            return False


def of_forms() -> Iterator[Said]:
    """What is said of a text that has not its form."""
    path = API / "forms.py"
    for index, one in enumerate(FORMS.values()):
        yield Said(path, index, (f"`…` is no {one.wanted}",), (one.remedy,), 64)


def of_values() -> Iterator[Said]:
    """What is said of a value of another type, or beyond its bounds: every pair of a sentence and a remedy."""
    module = next(one for one in code().modules if one.path == API / "sentences.py")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and not isinstance(module.parents[node], ast.Assign):
            for said, remedy in code().together(module, node.elts):
                if any(map(is_prose, said)):
                    yield Said(module.path, node.lineno, tuple(said), tuple(remedy), 64)


def _operator() -> str:
    rows: dict[str, set[str]] = {}
    for reason, text in conditions():
        if speaks(text):
            rows.setdefault(text, set()).update({f"`{reason}`"} - {f"`{HOLE}`"})
    kept = distinct(rows)
    cells = sorted((", ".join(sorted(reasons)) or HOLE, text) for text, reasons in rows.items() if text in kept)
    lead = (
        "What `kubectl get computableflow` shows as MESSAGE. Where the engine left an error, its sentence is above, "
        "and the reason is that of [its exit code](../failure-modes.md#reasons-of-the-engine). "
        "What is told once stands under [events](events.md)."
    )
    found = f"## A flow's conditions on a cluster\n\n{lead}\n\n" + table(["reason", "sentence"], cells)
    more = table(["sentence"], [(one,) for one in sorted(_added(kept))])
    return f"{found}\n\nSentences that are added to one of these, or stand in another condition:\n\n{more}"


def _added(known: Iterable[str]) -> set[str]:
    """Every other sentence of the operator's decision, but those of events."""
    there = re.compile("|".join(map(pattern, known)), re.DOTALL)
    found = {
        text
        for module in code().modules
        if module.path.is_relative_to(CORE)
        for node in sentences(module.tree)
        if not _within(module, node, {"Event"})
        for text in _texts(module, node)
    }
    whole = {one for one in found if is_prose(one) and one[0] in f"{HOLE}ABCDEFGHIJKLMNOPQRSTUVWXYZ" and one[-1] == "."}
    return {one for one in distinct(whole) if speaks(one) and not there.fullmatch(one)}


def conditions() -> Iterator[tuple[str, str]]:
    """Reason and sentence of every verdict of the operator's decision."""
    for name in ("waiting", "running", "suspended", "completed", "stalled", "Verdict"):
        for module, call in code().calls.get(name, ()):
            if module.path.is_relative_to(CORE) and call.args:
                *reasons, said = call.args
                known = _texts(module, reasons[-1]) if reasons else ("Running",)
                yield from product(known, _texts(module, said))
