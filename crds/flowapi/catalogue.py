"""What a document may say, explained: every atom and operator with its formula, its keys, and a flow that runs.

Formulas and keys are the models' own. The tables of docs/flows.md are made from them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from flowapi.argument import TermSpec
from flowapi.atoms import ATOMS
from flowapi.operators import OPERATORS

Flow = dict[str, Any]
SIGNAL = [0.1, 0.9, 1.2, 1.0, 0.2, -0.1]
COUNTS = [0, 3, 5, 4, 1, 0]
SQUARE = [[1.0, 0.2, 0.1], [0.2, 0.8, 0.0], [0.1, 0.0, 0.5]]
EDGES = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 0]]
FIT = {"atom": "quadratic", "arg": "x", "data": "b"}


@dataclass(frozen=True)
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
    return {name: _entry(name, model, _ATOM_EXAMPLES[name]) for name, model in ATOMS.items()}


def operators() -> dict[str, Entry]:
    """Every operator."""
    return {name: _entry(name, model, _OPERATOR_EXAMPLES[name]) for name, model in OPERATORS.items()}


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


def _flow(
    terms: list[Flow], data: Flow | None = None, *, like: str = "b", operators: Flow | None = None, **more: Any
) -> Flow:
    """A flow over one variable `x`, unless it names its own, with inline data."""
    arrays = {"b": SIGNAL} | (data or {})
    variables = more.pop("variables", {"x": {"like": like, "init": 0.5}})
    named = _words([variables, operators or {}, *terms])
    return {
        "data": {name: {"inline": value} for name, value in arrays.items() if name in named},
        "variables": variables,
        **({"operators": operators} if operators else {}),
        "terms": terms,
        **more,
        "stop": {"maxIterations": 2000, "residual": 1e-6},
    }


def _words(value: object) -> set[str]:
    if isinstance(value, dict | list):
        return {word for one in (value.values() if isinstance(value, dict) else value) for word in _words(one)}
    return {value} if isinstance(value, str) else set()


def _with(term: Flow, data: Flow | None = None) -> Flow:
    """The term beside a least-squares fit."""
    return _flow([FIT, term], data)


_ROWS = {"A": [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0]]}
_MATRIX = {"M": {"matrix": "A"}}
_TWO = {"x": {"like": "b"}, "y": {"like": "b"}}
_ATOM_EXAMPLES: dict[str, Flow] = {
    "quadratic": _flow([FIT]),
    "quadratic_form": _flow(
        [{"atom": "quadratic_form", "arg": "x", "matrix": "P", "data": "m"}, {"atom": "l1", "arg": "x", "weight": 0.1}],
        {"P": SQUARE, "m": [1, -1, 2]},
        like="m",
    ),
    "huber": _with({"atom": "huber", "arg": "x", "data": "c", "delta": 0.1}, {"c": [0, 1, 1, 1, 0, 5]}),
    "poisson": _flow(
        [{"atom": "poisson", "arg": "x", "data": "d"}, {"atom": "tv", "arg": "x", "weight": 0.5}],
        {"d": COUNTS},
        like="d",
    ),
    "kullback_leibler": _flow(
        [
            {"atom": "kullback_leibler", "arg": "M x", "data": "d"},
            {"atom": "tikhonov", "arg": "x", "weight": 0.1},
            {"atom": "nonnegative", "arg": "x"},
        ],
        {"d": [2, 4, 6, 5], **_ROWS},
        operators=_MATRIX,
    ),
    "logistic": _flow(
        [{"atom": "logistic", "arg": "M x", "data": "y"}, {"atom": "l1", "arg": "x", "weight": 0.1}],
        {"y": [1, -1, 1, -1], **_ROWS},
        operators=_MATRIX,
        policy={"family": "accelerated"},
    ),
    "cross_entropy": _flow(
        [{"atom": "cross_entropy", "arg": "M x", "data": "y"}, {"atom": "tikhonov", "arg": "x", "weight": 0.1}],
        {"y": [0, 1, 2, 1], "A": [[1, 0], [0, 1], [1, 1], [1, -1]]},
        variables={"x": {"shape": [2, 3]}},
        operators={"M": {"matrix": {"matrix": "A", "apply": "left"}}},
    ),
    "tikhonov": _with({"atom": "tikhonov", "arg": "x", "weight": 0.5}),
    "gradient": _with({"atom": "gradient", "arg": "x", "weight": 2}),
    "laplacian": _with({"atom": "laplacian", "arg": "x", "weight": 2}),
    "l1": _with({"atom": "l1", "arg": "x", "weight": 0.3}),
    "elastic_net": _flow(
        [{"atom": "quadratic", "arg": "M x", "data": "r"}, {"atom": "elastic_net", "arg": "x", "l1": 0.1, "l2": 0.2}],
        {"r": [2, 4, 6, 5], **_ROWS},
        operators=_MATRIX,
    ),
    "norm_l21": _with({"atom": "norm_l21", "arg": "x", "groups": "g", "weight": 0.3}, {"g": [0, 0, 1, 1, 2, 2]}),
    "tv": _with({"atom": "tv", "arg": "x", "weight": 0.3}),
    "nuclear": _with({"atom": "nuclear", "arg": "x", "weight": 0.3}, {"b": SQUARE}),
    "dirichlet": _with({"atom": "dirichlet", "arg": "x", "edges": "e"}, {"e": EDGES}),
    "graph_tv": _with({"atom": "graph_tv", "arg": "x", "edges": "e", "weight": 0.3}, {"e": EDGES}),
    "box": _with({"atom": "box", "arg": "x", "lo": 0, "hi": 1}),
    "nonnegative": _with({"atom": "nonnegative", "arg": "x"}),
    "simplex": _with({"atom": "simplex", "arg": "x"}),
    "l1_ball": _with({"atom": "l1_ball", "arg": "x", "radius": 1}),
    "l2_ball": _with({"atom": "l2_ball", "arg": "x", "radius": 1}),
    "knapsack": _with({"atom": "knapsack", "arg": "x", "costs": "c", "budget": 2}, {"c": [1, 1, 2, 2, 1, 1]}),
    "affine": _with({"atom": "affine", "arg": "x", "matrix": "A", "data": "r"}, {"r": [1, 2, 1, 2], **_ROWS}),
    "cardinality": _with({"atom": "cardinality", "arg": "x", "count": 2}),
    "negative_entropy": _with({"atom": "negative_entropy", "arg": "x", "weight": 0.1}),
    "relative_entropy": _with(
        {"atom": "relative_entropy", "arg": "x", "data": "p", "weight": 0.1}, {"p": [1, 1, 1, 2, 1, 1]}
    ),
    "log_barrier": _with({"atom": "log_barrier", "arg": "x", "weight": 0.1}),
    "consensus": _flow(
        [FIT, {"atom": "l1", "arg": "y", "weight": 0.3}, {"atom": "consensus", "arg": "x", "with": "y"}], variables=_TWO
    ),
    "low_rank": _flow(
        [{"atom": "low_rank", "arg": "x", "with": "y", "data": "b"}, {"atom": "nonnegative", "arg": "y"}],
        {"b": SQUARE},
        variables={"x": {"shape": [3], "init": 0.5}, "y": {"shape": [3], "init": 0.5}},
    ),
    "bilinear": _flow(
        [
            FIT,
            {"atom": "bilinear", "arg": "x", "with": "y", "weight": 0.5},
            {"atom": "quadratic", "arg": "y", "data": "c"},
            {"atom": "nonnegative", "arg": "y"},
        ],
        {"c": [1, 0, 1, 0, 1, 0]},
        variables=_TWO,
    ),
    "orthogonality": _flow([FIT, {"atom": "orthogonality", "arg": "x", "weight": 10}], {"b": SQUARE}),
}
_SPARSE = {"atom": "l1", "arg": "W x", "weight": 0.1}
_OPERATOR_EXAMPLES: dict[str, Flow] = {
    "identity": _flow([FIT, _SPARSE], operators={"W": {"identity": {}}}),
    "matrix": _flow([FIT, _SPARSE], _ROWS, operators={"W": {"matrix": "A"}}),
    "conv": _flow([FIT, _SPARSE], {"k": [0.25, 0.5, 0.25]}, operators={"W": {"conv": {"kernel": "k"}}}),
    "gradient": _flow(
        [FIT, {"atom": "norm_l21", "arg": "W x", "weight": 0.1}], {"b": SQUARE}, operators={"W": {"gradient": {}}}
    ),
    "laplacian": _flow([FIT, _SPARSE], operators={"W": {"laplacian": {"boundary": "periodic"}}}),
    "incidence": _flow([FIT, _SPARSE], {"e": EDGES}, operators={"W": {"incidence": "e"}}),
    "reshape": _flow(
        [FIT, {"atom": "nuclear", "arg": "W x", "weight": 0.1}], operators={"W": {"reshape": {"shape": [2, 3]}}}
    ),
    "mask": _flow([FIT, _SPARSE], {"m": [1, 1, 0, 0, 1, 1]}, operators={"W": {"mask": "m"}}),
    "fft": _flow([FIT, _SPARSE], operators={"W": {"fft": {}}}),
}


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
