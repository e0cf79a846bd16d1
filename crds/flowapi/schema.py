"""The CustomResourceDefinition, generated from the models: structural, bounded, with the rules that CEL can check.

`python -m flowapi.schema --write` writes it, `--check` fails when the file differs.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from flowapi.flow import MAX_ENTRY_LENGTH
from flowapi.forms import FORMS, LONGEST_PREFIX, Form
from flowapi.group import GROUP, KIND, VERSION
from flowapi.spec import FlowSpec
from flowapi.status import FlowStatus

PLURAL = "computableflows"
_ROOT = Path(__file__).parents[2]
FILES = (
    _ROOT / "crds" / f"{PLURAL}.{GROUP}.yaml",
    _ROOT / "charts" / "computable-flows" / "files" / f"{PLURAL}.{GROUP}.yaml",
)

# Keys that pydantic knows and a structural schema has in another form, or not at all.
_KEPT = frozenset((
    "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "minItems",
    "maxItems", "maxProperties", "minProperties", "description", "x-kubernetes-validations", "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
))  # fmt: skip
_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_ANY = {"x-kubernetes-preserve-unknown-fields": True}
_FLOW_KEYS = {
    "name": "What the flow is called outside a cluster; there it is metadata.name.",
    "seed": "Seed of every random number of the run: a whole number.",
    "dtype": "float64, float32, complex128 or complex64.",
    "data": "Arrays by name: inline, or files below an input.",
    "variables": "The unknowns by name: shape or like, init, spread, chains, manifold.",
    "operators": "Linear operators by name.",
    "params": "Numbers by name, which weights may refer to.",
    "policy": "How the energy is minimised or sampled: family, algorithm, step and more.",
    "certificates": "How often residual and energy are computed, and which invariants are watched.",
    "stop": "When the run ends: maxIterations, residual, gap, relativeChange, wallTime.",
    "telemetry": "How often a row of telemetry is kept.",
    "outputs": "Statistics of a sampler's draws.",
}
_FLOW = {
    "type": "object",
    "description": "What is computed: an energy, where its data lie, when to stop. Checked in full by the operator.",
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {
        "terms": {
            "type": "array",
            "description": "The terms of the energy: atom, arg, data, weight.",
            "maxItems": 64,
            "items": _FREE,
        },
        "entrypoint": {
            "type": "string",
            "maxLength": MAX_ENTRY_LENGTH,
            "description": "`package.module:function` in the image, which builds the problem or brings an iteration.",
        },
        **{name: {"description": words, **_ANY} for name, words in _FLOW_KEYS.items()},
    },
    "x-kubernetes-validations": [
        {
            "rule": "has(self.terms) != has(self.entrypoint)",
            "message": "a flow has either terms or an entrypoint. Write exactly one of them.",
        }
    ],
}


def _has_volume(name: str) -> str:
    return f"has({name}.checkpoint) && has({name}.checkpoint.volume)"


def _mode(name: str) -> str:
    volume = f"{name}.checkpoint.volume"
    return f"(has({volume}.accessMode) ? {volume}.accessMode : 'ReadWriteOnce')"


def _default(name: str) -> str:
    """Whether the volume is what it is without a word about it, whatever its size."""
    volume = f"{name}.checkpoint.volume"
    nothing = f"!has({volume}.claimName) && !has({volume}.storageClassName) && {_mode(name)} == 'ReadWriteOnce'"
    return f"(!({_has_volume(name)}) || ({nothing}))"


def _same(key: str) -> str:
    new, old = f"self.checkpoint.volume.{key}", f"oldSelf.checkpoint.volume.{key}"
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


_SAME_VOLUME = {
    "rule": f"{_has_volume('self')} && {_has_volume('oldSelf')} ? "
    f"{_same('claimName')} && {_same('storageClassName')} && {_mode('self')} == {_mode('oldSelf')} : "
    f"{_default('self')} && {_default('oldSelf')}",
    "message": "the checkpoint volume of a flow is immutable but for its size. Make a new flow for another volume.",
}
_COLUMNS = (  # of name, type, path and priority: 1 is shown by `-o wide` alone
    ("Phase", "string", ".status.phase", 0),
    ("Iteration", "string", ".status.display.iteration", 0),
    ("Energy", "string", ".status.display.energy", 0),
    ("ETA", "string", ".status.display.eta", 0),
    ("Cert", "string", ".status.progress.health", 0),
    ("Revision", "string", ".status.revision.current", 0),
    ("Checkpoint", "date", ".status.checkpoint.time", 0),
    ("Recoveries", "integer", ".status.recoveries.count", 0),
    ("Residual", "string", ".status.display.residual", 1),
    ("Rate", "string", ".status.display.rate", 1),
    ("Node", "string", ".status.attempt.nodeName", 1),
    ("Lost", "integer", ".status.recoveries.lostIterations", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 0),
)


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    spec = structural(FlowSpec) | {"x-kubernetes-validations": [_SAME_VOLUME]}
    spec["properties"]["flow"] = _FLOW
    schema = {
        "type": "object",
        "description": "A long optimisation job that survives eviction and goes back on rollback.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "computableflow.dev/v1alpha1."},
            "kind": {"type": "string", "description": "ComputableFlow."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": structural(FlowStatus),
        },
        "x-kubernetes-validations": [
            {
                "rule": "size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')",
                "message": "a flow's name has at most 40 characters and no dots. Write a shorter or simpler one.",
            }
        ],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(*one) for one in _COLUMNS],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "plural": PLURAL,
                "singular": KIND.lower(),
                "listKind": f"{KIND}List",
                "shortNames": ["cflow"],
                "categories": ["all"],
            },
            "versions": [version],
        },
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in the form that Kubernetes wants: no references, no unions, every object typed."""
    schema = model.model_json_schema(by_alias=True)
    return _plain(schema, schema.get("$defs", {}))


def _plain(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    node = _resolved(node, known)
    if "x-kubernetes-int-or-string" in node:
        return node
    result = {key: value for key, value in node.items() if key in _KEPT}
    if "exclusiveMinimum" in result:
        result |= {"minimum": result["exclusiveMinimum"], "exclusiveMinimum": True}
    if "const" in node:
        result["enum"] = [node["const"]]
    if isinstance(result.get("enum"), list) and "type" not in result:
        result["type"] = "string"
    if form := FORMS.get(result.get("pattern", "")):
        del result["pattern"]
        result["x-kubernetes-validations"] = [_form_rule(node["pattern"], form, "self")]
    if result.get("type") == "array":
        result["items"] = _plain(node.get("items", _FREE), known)
    elif result.get("type") == "object" or "type" not in result:
        result |= _object(node, known)
    return result


def _object(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema that says what an object's keys are."""
    if "properties" in node:
        properties = {key: _plain(child, known) for key, child in node["properties"].items()}
        return {"properties": properties} | ({"required": node["required"]} if node.get("required") else {})
    if isinstance(node.get("additionalProperties"), dict):
        return {"additionalProperties": _plain(node["additionalProperties"], known)}
    for pattern, child in node.get("patternProperties", {}).items():
        rule = _form_rule(pattern, FORMS[pattern], "k")
        bound = f"size(k) <= {node['propertyNames']['maxLength']}"
        rules = [{**rule, "rule": f"self.all(k, {rule['rule']} && {bound})"}]
        return {"additionalProperties": _plain(child, known), "x-kubernetes-validations": rules}
    return _FREE


def _form_rule(pattern: str, form: Form, name: str) -> dict[str, str]:
    """A form as a rule with words: of a `pattern` people would be shown the expression."""
    prefix = f" && {name}.indexOf('/') <= {LONGEST_PREFIX}" if form.prefixed else ""
    rule = f"{name}.matches(r'{pattern}'){prefix}"
    which = "this is no" if name == "self" else "a key here is no"
    return {"rule": rule, "message": f"{which} {form.wanted}. {form.remedy}".replace("`", "")}


def _resolved(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference; of an optional value take the value."""
    description = {"description": node["description"]} if "description" in node else {}
    if "$ref" in node:
        return _resolved(known[node["$ref"].rsplit("/", 1)[1]], known) | description
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _resolved(options[0], known) | description
    return node


def rendered() -> str:
    """The CRD as YAML."""
    header = "# Generated from crds/flowapi by `make crd`; don't edit.\n"
    return header + yaml.safe_dump(definition(), sort_keys=False, width=120, allow_unicode=True)


def main() -> int:
    """Write the CRD, also for the chart, or check that the files are what would be written."""
    text = rendered()
    for file in FILES:
        if "--write" in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{file} differs from the models; run `make crd`\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
