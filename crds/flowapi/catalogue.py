"""What a document may say, explained: every atom and operator with its formula, its keys, and a flow that runs.

Formulas and keys are the models' own. `cflow atoms`, `cflow operators` and docs/reference are made from them.
"""

from collections.abc import Mapping
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
