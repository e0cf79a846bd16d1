"""The one YAML reader: what it accepts means the same to `kubectl` and the apiserver.

`kubectl` turns YAML into JSON with a YAML 1.1 reader written in Go. Two readers that differ in one scalar would give
one manifest two revisions, so everything on which they could differ is refused here, with what to write instead.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from flowapi.errors import DataError, DocumentError, DocumentErrors
from flowapi.frozen import frozen
from flowapi.numbers import canonical

MAX_BYTES = 3 * 2**20  # the apiserver refuses larger requests
MAX_NODES = 200_000  # aliases may repeat a node without end
MAX_DEPTH = 100

_BOOLEANS = {
    word: value
    for names, value in ((("y", "yes", "true", "on"), True), (("n", "no", "false", "off"), False))
    for name in names
    for word in (name, name.capitalize(), name.upper())
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_OTHER_NUMBER = re.compile(
    r"""[-+]?(
        \.[0-9]+([eE][-+]?[0-9]+)?            # .5
      | [0-9][0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?  # 1_000, 1., 010, +5
      | 0x[0-9a-fA-F_]+ | 0o[0-7_]+ | 0b[01_]+
      | \.(inf|Inf|INF)
    ) | \.(nan|NaN|NAN)""",
    re.VERBOSE,
)
_STR = "tag:yaml.org,2002:str"
_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", _STR}


def read_documents(text: str) -> list[JsonValue]:
    """Every document of a YAML (or JSON) text, in canonical form.

    Raises:
        DocumentErrors: with the line and path of everything that `kubectl` might read another way.
    """
    if len(text.encode()) > MAX_BYTES:
        raise DocumentError(f"the document is larger than {MAX_BYTES} bytes", remedy="Move its data into files.")
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CBaseLoader))
    except yaml.YAMLError as error:
        raise DocumentError(f"this is not YAML: {_one_line(error)}", remedy="Correct that place.") from error
    walk = _Walk()
    values = [walk.value(node, "", 0) for node in nodes if node is not None]
    if walk.errors:
        raise DocumentErrors(walk.errors)
    return [canonical(value) for value in values]


def read_one(path: Path) -> JsonValue:
    """The only document of a file.

    Raises:
        DataError: the file isn't there or isn't text.
        DocumentErrors: it isn't one readable document.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror})", remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path} is not UTF-8 text", remedy="Save it as UTF-8.") from error
    documents = read_documents(text)
    if len(documents) != 1:
        raise DocumentError(
            f"{path} holds {len(documents)} documents",
            remedy="Keep one flow a file; split it at the `---` lines.",
        )
    return documents[0]


@dataclass
class _Walk:
    """Turns composed nodes into values and collects what is wrong on the way."""

    errors: list[DocumentError] = field(default_factory=list)
    nodes: int = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise DocumentError(
                f"the document has too many values (beyond {MAX_NODES}), or is nested too deeply (beyond {MAX_DEPTH})",
                path=path,
                remedy="Make it flatter; large data belong into files.",
            )
        if node.tag not in _TAGS and not isinstance(node, yaml.ScalarNode):
            self._wrong(node, path, f"the tag {node.tag} has no meaning here", "Remove it.")
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path, depth)
            case yaml.SequenceNode():
                return [self.value(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.value == "<<" and not key_node.style:
                self._merge(merged, value_node, path, depth)
                continue
            key = self._key(key_node, path)
            place = f"{path}.{key}" if path else key
            if key in own:
                self._wrong(key_node, place, "this key stands here twice", "Keep one of them.")
            own[key] = self.value(value_node, place, depth + 1)
        return {**merged, **own}

    def _merge(self, merged: dict[str, object], node: yaml.Node, path: str, depth: int) -> None:
        parents = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for parent in parents:
            if not isinstance(parent, yaml.MappingNode):
                self._wrong(node, path, "`<<` merges mappings only", "Give it an alias of a mapping.")
                return
            for key, value in self._mapping(parent, path, depth + 1).items():
                merged.setdefault(key, value)

    def _key(self, node: yaml.Node, path: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, path, "a key must be a plain name", "Write a name.")
            return "?"
        text: str = node.value
        if not node.style and not isinstance(_plain(text), str):
            place = f"{path}.{text}" if path else text
            kind = "a boolean" if text in _BOOLEANS else "null" if text in _NULLS else "a number"
            self._wrong(
                node,
                place,
                f"the key `{text}` is {kind} to YAML, not a name",
                f'Quote it ("{text}") or rename it.',
            )
        return text

    def _scalar(self, node: yaml.Node, path: str) -> object:
        text: str = node.value
        if node.tag not in ("", "!", _STR) and node.tag is not None:
            self._wrong(node, path, f"the tag {node.tag} has no meaning here", "Remove it.")
        if getattr(node, "style", None):
            return text
        value = _plain(text)
        if isinstance(value, _Refused):
            self._wrong(node, path, f"`{text}` is a number that JSON can't write", value.remedy)
            return 0
        return value

    def _wrong(self, node: yaml.Node, path: str, message: str, remedy: str) -> None:
        line = node.start_mark.line + 1
        self.errors.append(DocumentError(f"{message} (line {line})", path=path, remedy=remedy))


@frozen
class _Refused:
    remedy: str


def _plain(text: str) -> object:
    """What an unquoted scalar means."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NULLS:
        return None
    if _JSON_NUMBER.fullmatch(text):
        number = json.loads(text)
        return number if abs(number) != float("inf") else _Refused("Write a number below 1.8e308.")
    if _OTHER_NUMBER.fullmatch(text):
        return _Refused(f"Write {_as_json(text)}, or quote it if it is a text.")
    return text


def _as_json(text: str) -> str:
    """The number in JSON's grammar, as `kubectl` would have read it."""
    digits = text.replace("_", "").lower()
    if digits.lstrip("+-").startswith((".inf", ".nan")):
        return "a finite number"
    if re.fullmatch(r"[-+]?0[0-7]+", digits):
        return str(int(digits, 8))
    try:
        return str(int(digits, 0))
    except ValueError:
        return str(canonical(float(digits)))


def _one_line(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark else " ".join(str(problem).split())
