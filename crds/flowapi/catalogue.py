"""What a document may say, explained: every atom and operator with its formula, its keys, and a flow that runs.

Formulas and keys are the models' own. The tables of docs/flows.md are made from them.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from flowapi.argument import TermSpec
from flowapi.atoms import ATOMS
from flowapi.examples import ATOM_EXAMPLES, OPERATOR_EXAMPLES, Flow
from flowapi.frozen import frozen
from flowapi.operators import OPERATORS


@frozen
class Entry:
    """One word of the vocabulary.

    Attributes:
        name: As a document writes it.
        formula: One sentence.
        keys: What each of its own keys means, and its default.
        example: A whole flow with it.
    """

    name: str
    formula: str
    keys: Mapping[str, str]
    example: Flow


def atoms() -> dict[str, Entry]:
    """Every atom."""
    return {name: _entry(name, model, ATOM_EXAMPLES[name]) for name, model in ATOMS.items()}


def operators() -> dict[str, Entry]:
    """Every operator."""
    return {name: _entry(name, model, OPERATOR_EXAMPLES[name]) for name, model in OPERATORS.items()}


def as_yaml(flow: Flow) -> str:
    """A flow as a person would write it: blocks, but short lists and mappings on a line of their own."""

    class Dumper(yaml.SafeDumper):
        pass

    def compact(value: object) -> bool:
        text = str(value)
        return len(text) <= 100 and not text.count("{") > 1

    def represent(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
        kind = "tag:yaml.org,2002:map" if isinstance(value, dict) else "tag:yaml.org,2002:seq"
        make = dumper.represent_mapping if isinstance(value, dict) else dumper.represent_sequence
        return make(kind, value.items() if isinstance(value, dict) else value, flow_style=compact(value))

    Dumper.add_representer(dict, represent)
    Dumper.add_representer(list, represent)
    return yaml.dump({"flow": flow}, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)


def tables() -> str:
    """Both tables for docs/flows.md."""
    parts = []
    for title, entries in (("atom", atoms()), ("operator", operators())):
        rows = [f"| {title} | {'formula' if title == 'atom' else 'Wx'} | keys |", "|---|---|---|"]
        for entry in entries.values():
            keys = "; ".join(f"`{key}`: {meaning}" for key, meaning in entry.keys.items())
            rows.append(f"| `{entry.name}` | {_cell(entry.formula)} | {_cell(keys)} |")
        parts.append(f"## {title.capitalize()}s\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").removesuffix(".")


def _entry(name: str, model: type[BaseModel], example: Flow) -> Entry:
    keys = {
        field.alias or to_camel(key): _key(field.description or "", field.default, required=field.is_required())
        for key, field in model.model_fields.items()
        if key not in TermSpec.model_fields
    }
    return Entry(name, " ".join((model.__doc__ or "").split()), keys, example)


def _key(description: str, default: object, *, required: bool) -> str:
    if required:
        return f"{description} (required)"
    shown = str(default).lower() if isinstance(default, bool) else default
    return description if default is None else f"{description} (default {shown})"


PAGE = Path("docs/flows.md")
BEGIN, END = "<!-- made by `make crd` from crds/flowapi -->", "<!-- end -->"


def main() -> int:
    """Write the tables into the page, or check that they are what would be written."""
    old = PAGE.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    new = f"{before}{BEGIN}\n{tables()}\n{END}{after}"
    if "--write" in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    elif new != old:
        sys.stderr.write(f"{PAGE} differs from the models; run `make crd`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
