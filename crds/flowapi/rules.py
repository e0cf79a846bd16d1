"""Rules between the keys of one model: checked here and, as CEL, by the apiserver, in the same words."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_snake
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from flowapi.frozen import frozen
from flowapi.model import DocumentFinding, Model, keys, without_nulls


@frozen
class Rule:
    """One rule.

    Attributes:
        cel: As the apiserver checks it, of the object as written: keys that are left out are absent.
        holds: As the model checks it.
        message: What is wrong where it doesn't hold.
        remedy: What to do about it, a sentence.
        at: The key that it is about; empty for the object.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    remedy: str
    at: str = ""


class SpecPart(Model):
    """A part of the resource's spec. A key without a value is absent, as to the apiserver, which drops it.

    Of its rules the first that doesn't hold is the error.
    """

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return without_nulls(value, set(keys(cls)))

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise DocumentFinding(rule.message, path=rule.at, remedy=rule.remedy)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            found["x-kubernetes-validations"] = [_validation(rule) for rule in cls.rules]
        return found


class once:  # noqa: N801 - stands in annotations like a function
    """No two items of a list have these keys in common."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}

    def _check(self, items: tuple[Model, ...]) -> tuple[Model, ...]:
        seen: set[tuple[object, ...]] = set()
        for index, item in enumerate(items):
            mine = tuple(getattr(item, to_snake(key)) for key in self.keys)
            if mine in seen:
                shown = ", ".join(f"`{one}`" for one in mine)
                raise DocumentFinding(f"{shown} stands here twice", path=f"[{index}]", remedy="Keep one of them.")
            seen.add(mine)
        return items


def _validation(rule: Rule) -> dict[str, str]:
    at = {"fieldPath": f".{rule.at}"} if rule.at else {}
    return {"rule": rule.cel, "message": f"{rule.message}. {rule.remedy}".replace("`", ""), **at}
