"""The pages as their readers meet them: Markdown files, the blocks in them, and whether a manifest in one is right."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flowapi.flow import FlowDocument, Outline
from flowapi.model import keys
from flowapi.reader import read_documents
from flowapi.spec import FlowSpec, load_manifest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")] + sorted(
    path for path in (ROOT / "docs").rglob("*.md")
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FLOW: dict[str, Any] = {
    "data": {"b": {"inline": [0.0, 1.0]}},
    "variables": {"x": {"like": "b"}},
    "params": {"lam": 1.0},
    "terms": [{"atom": "quadratic", "arg": "x", "data": "b"}],
    "stop": {"maxIterations": 10},
}


@dataclass(frozen=True)
class Block:
    """What stands between fences.

    Attributes:
        page: The page's path below the root of the repository.
        line: Its first line.
        language: After the fence.
        text: Within.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """All of a language, on all pages."""
    return list(_blocks(language))


def _blocks(language: str) -> Iterator[Block]:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 2
                yield Block(str(path.relative_to(ROOT)), line, language, match[2])


def commands(text: str) -> list[str]:
    """The commands of a ```console block."""
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def check_yaml(text: str) -> None:
    """Read a block as what it is: a manifest, a part of one, values of the chart, or another tool's object.

    Raises:
        DocumentErrors: a manifest, or a part of one, is wrong.
        AssertionError: it is none of these.
    """
    if text.startswith("# values.yaml"):
        schema = json.loads((ROOT / "charts/computable-flows/values.schema.json").read_text())
        return _known(yaml.safe_load(text), schema, schema["definitions"])
    for value in read_documents(text):
        assert isinstance(value, dict), value
        if value.get("kind", "ComputableFlow") != "ComputableFlow":
            assert "apiVersion" in value
        elif "kind" in value or set(value) == {"flow"}:
            load_manifest(value)
        elif set(value) <= set(keys(FlowSpec)):
            load_manifest({
                "apiVersion": "computableflow.dev/v1alpha1", "kind": "ComputableFlow", "metadata": {"name": "part"},
                "spec": {"flow": _FLOW, **value},
            })  # fmt: skip
        else:
            assert set(value) <= set(keys(Outline)), f"of what is this a part? {sorted(value)}"
            FlowDocument.parse({**_FLOW, **value}, at="flow")
    return None


def _known(value: Mapping[str, Any], schema: Mapping[str, Any], named: Mapping[str, Any]) -> None:
    """Keys and types of values, by the chart's own schema."""
    for key, one in value.items():
        assert key in schema["properties"], key
        inner = schema["properties"][key]
        inner = named[inner["$ref"].rsplit("/", 1)[1]] if "$ref" in inner else inner
        if isinstance(one, dict) and "properties" in inner:
            _known(one, inner, named)
        else:
            kinds = inner.get("type", "string")
            name = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}[type(one)]
            assert name in kinds, key
