"""Run-time settings: everything outside the revision that a pod is told, as it was asked for."""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from flowapi.flow import FlowDocument, Stop, Telemetry
from flowapi.model import Model
from flowapi.numbers import canonical_json
from flowapi.revision import RuntimeSettings
from flowapi.spec import FlowSpec

_OF_THE_REVISION = frozenset({"env", "image", "processes"})


class _Asked(Model):
    engine: dict[str, Any]
    settings: dict[str, dict[str, Any]]
    retry: dict[str, Any] = {}
    termination_grace_period_seconds: int | None = None


def asked_settings(spec: FlowSpec, settings: RuntimeSettings) -> str:
    """Canonical JSON of what was asked for alone: another default in another version changes nothing."""
    asked = spec.model_dump(
        by_alias=True, exclude_unset=True, mode="json",
        include={"engine": True, "retry": {"limit"}, "termination_grace_period_seconds": True},
    )  # fmt: skip
    engine = {key: value for key, value in asked.pop("engine", {}).items() if key not in _OF_THE_REVISION}
    parts = {key: value for key, value in asked.items() if value}
    return canonical_json({**parts, "engine": engine, "settings": settings.asked()}).decode()


def settings_hash(asked: str) -> str:
    """A change of it restarts the pod."""
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def without_pins(asked: str) -> str:
    """The same but for the checkpoints that are to stay: naming those makes no other attempt of a failed one."""
    found = json.loads(asked)
    found["settings"].get("checkpoint", {}).pop("pin", None)
    if not found["settings"].get("checkpoint", True):
        del found["settings"]["checkpoint"]
    return canonical_json(found).decode()


def with_settings(spec: FlowSpec, document: FlowDocument, asked: str) -> tuple[FlowSpec, FlowDocument]:
    """The spec with these run-time settings in place of its own; what it pins, and all else, stays.

    Raises:
        ValueError: they are not what `asked_settings` wrote.
    """
    found, body = _Asked.model_validate_json(asked), spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
    told, grace = found.settings, "terminationGracePeriodSeconds"
    parts = {
        "engine": _exchanged(body.get("engine", {}), found.engine, keep=_OF_THE_REVISION),
        "retry": _exchanged(body.get("retry", {}), found.retry, keep={"windowSeconds"}),
        "checkpoint": _exchanged(body.get("checkpoint", {}), told.get("checkpoint", {}), keep={"pin", "volume"}),
    }
    around = {key: value for key, value in body.items() if key != grace}
    if found.termination_grace_period_seconds is not None:
        around[grace] = found.termination_grace_period_seconds
    stop, telemetry = Stop.model_validate(told.get("stop", {})), Telemetry.model_validate(told.get("telemetry", {}))
    return FlowSpec.model_validate(around | parts), replace(document, stop=stop, telemetry=telemetry)


def _exchanged(now: Mapping[str, Any], then: Mapping[str, Any], *, keep: AbstractSet[str]) -> dict[str, Any]:
    """What was asked for then; of what is asked for now, only these keys."""
    kept = {key: value for key, value in now.items() if key in keep}
    return {key: value for key, value in then.items() if key not in keep} | kept
