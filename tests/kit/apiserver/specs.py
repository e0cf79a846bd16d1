"""Specs drawn from the CRD's own schema, good and bad, each from a seed: what both sides must judge alike."""

import copy
import random
import re
from collections.abc import Callable
from typing import Any

from flowapi import forms

Json = Any
FLOW = {
    "variables": {"x": {"shape": [2]}},
    "terms": [{"atom": "l1", "arg": "x"}],
    "stop": {"maxIterations": 1},
}
LONG = "x" * 64
GOOD = {
    forms.NAME: ["A", "_b", "PATH_2"],
    forms.LABEL: ["a", "data-1", "x" * 63],
    forms.SUBDOMAIN: ["a", "data-1.x", "a.b.c", "0"],
    forms.QUALIFIED: [
        "a",
        "app",
        "example.com/team",
        "topology.kubernetes.io/zone",
        "A_b.c",
        "x" * 63,
        f"{'a.' * 126}a/x",
    ],
    forms.QUALIFIED_OR_NONE: ["", "a", "example.com/team"],
    forms.LABEL_VALUE: ["", "a", "A_b.c-1", "x" * 63, "8"],
    forms.QUANTITY: ["1", "500m", "2Gi", "1.5G", "1e3", "12E3", "100k", "250u", "1.000000001", "0", "1000m", "1024Mi"],
    forms.SIZE: ["1", "2Gi", "1.5Gi", "1.5G", "1e3", "12E3", "100k", "7.99Ei", "0"],
    forms.RESOURCE: ["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "example.com/fpga"],
    forms.IMAGE: [
        "a",
        "registry.example:5000/team/engine:v1",
        f"a/b@sha256:{'0' * 64}",
        "[::1]:5000/a",
        "a__b/c-d.e:1",
    ],
    forms.REVISION: ["0123456789", "abcdef0123"],
    forms.CHECKPOINT: ["000000000040-e000001-0a1b2c", "999999999999-e9999999999-ffffff"],
    forms.CHECKPOINT_OF: ["abcdef0123/000000000040-e000001-0a1b2c"],
}
BAD = ["", "A b", "-a", "a-", "a..b", "a.-b", "é", "a\n", "a/b/c", "/a", "a/", LONG, "x" * 5000, f"{'a.' * 127}a/x", ".a", "1 Gi",
       "1K", "1gi", "1e100", "-1", "+1", ".5", "5.", "9223372036854775807", "8Ei", "9.3E", "99999E", "memry", "kubernetes.io/x y",
       "Engine:1", "a:b:c", "true", "null", "$(X)", "CFLOW_X", "XDG_CACHE_HOME", "computableflow.dev/flow", "job-name", "9" * 33]  # fmt: skip
ODD: list[Json] = [None, True, False, 0, 1, -1, 1.5, 4.0, 2**31, 2**53, 2**53 + 1, 2**63, 1e300, "", "a", "1", [], {}, [None], [[]],
                   {"a": 1}, {"a": None}, [{"name": "a"}], "x" * 10_000]  # fmt: skip


class Specs:
    """Draws specs from a schema.

    Args:
        schema: The structural schema of `spec`.
        seed: The same seed draws the same specs.
    """

    def __init__(self, schema: Json, seed: int) -> None:
        self._schema = schema
        self._random = random.Random(seed)

    def draw(self) -> Json:
        """A spec: half of them as the schema wants it, the others spoilt in one place or two."""
        found = {**self._object(self._schema, deep=0.35), "flow": copy.deepcopy(FLOW)}
        for _ in range(self._random.choice([0, 0, 0, 1, 1, 2])):
            self._spoil(found)
        return found

    def _value(self, node: Json, deep: float) -> Json:
        if "enum" in node:
            return self._random.choice(node["enum"])
        if node.get("x-kubernetes-int-or-string"):
            return self._random.choice([*GOOD[forms.QUANTITY], 1, 2, 0])
        make: dict[str, Callable[[], Json]] = {
            "string": lambda: self._text(node),
            "integer": lambda: self._number(node),
            "number": lambda: self._random.choice([self._number(node), 0.5]),
            "boolean": lambda: self._random.random() < 0.5,
            "array": lambda: [self._value(node["items"], deep) for _ in range(self._few(node.get("minItems", 0)))],
            "object": lambda: self._object(node, deep),
        }
        return make[node["type"]]()

    def _text(self, node: Json) -> str:
        form = _form(node)
        least, most = node.get("minLength", 0), node.get("maxLength", 1000)
        texts = [one for one in GOOD.get(form, ["", "a", "some text"]) if least <= len(one) <= most]
        return self._random.choice(texts)

    def _number(self, node: Json) -> int:
        low, high = int(node.get("minimum", 0)), int(node.get("maximum", 1000))
        return self._random.choice([low, high, min(low + 1, high), min(low + 7, high)])

    def _few(self, least: int) -> int:
        return max(least, self._random.choice([0, 1, 1, 2]))

    def _object(self, node: Json, deep: float) -> Json:
        if "additionalProperties" in node:
            keys = GOOD.get(_form(node), ["a", "b"])
            chosen = self._random.sample(keys, min(self._few(0), len(keys)))
            return {key: self._value(node["additionalProperties"], deep) for key in chosen}
        required = set(node.get("required", ()))
        names = [name for name in node.get("properties", {}) if name != "flow"]
        chosen = [name for name in names if name in required or self._random.random() < deep]
        return {name: self._value(node["properties"][name], min(deep + 0.1, 0.7)) for name in chosen}

    def _spoil(self, spec: Json) -> None:
        """Change one place outside of `flow`."""
        holders = [spec, *_holders({key: value for key, value in spec.items() if key != "flow"})]
        holder = self._random.choice(holders)
        keys = [key for key in (holder if isinstance(holder, dict) else range(len(holder))) if key != "flow"]
        change = self._random.choice(["replace", "replace", "text", "text", "remove", "add", "twice"])
        if not keys or change == "add":
            value = self._random.choice([*ODD, *BAD])
            holder.update({self._random.choice(BAD): value}) if isinstance(holder, dict) else holder.append(value)
        elif change == "remove":
            del holder[self._random.choice(keys)]
        elif change == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(self._random.choice(holder)))
        else:
            holder[self._random.choice(keys)] = copy.deepcopy(self._random.choice(BAD if change == "text" else ODD))


def _form(node: Json) -> str:
    """The form that a node's rules ask for; empty without one."""
    for rule in node.get("x-kubernetes-validations", ()):
        if found := re.search(r"matches\(r'(.*?)'\)", rule["rule"]):
            return found[1]
    return ""


def _holders(value: Json) -> list[Json]:
    """Every object and list in a value."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inside = [holder for item in items for holder in _holders(item)]
    return [*([value] if isinstance(value, dict | list) else []), *inside][
        : None if isinstance(value, dict | list) else 0
    ]
