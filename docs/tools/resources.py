"""The page of the resource: every key of the spec with its default, every field of the status, from the models."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from tables import code, page, table

from flowapi.schema import definition
from flowapi.spec import FlowSpec

Schema = dict[str, Any]
AS_IN_A_POD = frozenset({"affinity", "topologySpreadConstraints", "tolerations"})
LEAD = (
    "A `ComputableFlow` (short name `cflow`, group `computableflow.dev`, version `v1alpha1`) has a spec that you write "
    "and a status that the operator writes. `kubectl explain computableflow.spec` prints the same. What stands under "
    "`flow` is the [flow document](flow-document.md). Defaults are not written into your object."
)


def resource_page() -> str:
    """Spec and status, a row a key."""
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    spec = [
        (code(path), _kind(one), code(_default(FlowSpec, path.replace("[]", "").split("."))), one["description"])
        for path, one in _walk(schema["spec"])
        if not path.startswith("flow.")
    ]
    status = [(code(path), _kind(one), one["description"]) for path, one in _walk(schema["status"])]
    return page(
        "The resource",
        LEAD,
        "## Spec\n\n" + table(["key", "type", "default", "meaning"], spec),
        "## Status\n\n" + table(["field", "type", "meaning"], status),
        "What each phase and reason means, and what to do: [failure modes](../failure-modes.md).",
    )


def _walk(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    for name, one in schema.get("properties", {}).items():
        path = f"{at}{name}"
        yield path, one
        if name not in AS_IN_A_POD:
            listed = one.get("items", {})
            yield from _walk(listed, f"{path}[].") if listed else _walk(one, f"{path}.")


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(code(word) for word in schema["enum"] if word)
    kind: str = schema.get("type", "any")
    return {"array": "list", "object": "keys"}.get(kind, kind)


def _default(model: type[BaseModel], path: list[str]) -> object:
    """What holds where the key is left out; empty where that is nothing, or a part of its own."""
    fields = {(field.alias or name): field for name, field in model.model_fields.items()}
    field = fields.get(path[0])
    if field is None or field.is_required():
        return ""
    default = field.default
    if isinstance(default, BaseModel):
        return _default(type(default), path[1:]) if path[1:] else ""
    if path[1:] or default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else default
