"""Labels, annotations and label selectors, as Kubernetes writes them."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from flowapi.forms import FORMS, LABEL_VALUE, QUALIFIED, is_prefix_short
from flowapi.model import DocumentFinding, without_nulls
from flowapi.rules import Rule, SpecPart

LONGEST_KEY = 317  # a domain of 253, a slash, a name of 63


def short_prefix(value: str) -> str:
    """A key whose part before the slash can be a domain; anything else is refused."""
    if not is_prefix_short(value):
        raise DocumentFinding(f"`{value[:60]}…` is no {FORMS[QUALIFIED].wanted}", remedy=FORMS[QUALIFIED].remedy)
    return value


LabelKey = Annotated[str, StringConstraints(pattern=QUALIFIED, max_length=LONGEST_KEY), AfterValidator(short_prefix)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE, max_length=63)]
LabelMap = Annotated[dict[LabelKey, LabelValue], Field(max_length=32), BeforeValidator(without_nulls)]
AnnotationValue = Annotated[str, StringConstraints(max_length=4096)]
Annotations = Annotated[dict[LabelKey, AnnotationValue], Field(max_length=32), BeforeValidator(without_nulls)]


class LabelRequirement(SpecPart):
    """A condition on a label."""

    key: LabelKey = Field(description="The label's key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How it is compared.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = Field(
        (), description="With what: any of them for In and NotIn, nothing else."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            lambda self: (self.operator in {"In", "NotIn"}) == bool(self.values),
            "In and NotIn compare with values, Exists and DoesNotExist with none",
            "Add `values`, or remove them.",
        ),
    )


class LabelSelector(SpecPart):
    """Objects by their labels; {} means all of them."""

    match_labels: LabelMap = Field({}, description="Labels that they have, with these values.")
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16)] = Field(
        (), description="Other conditions on their labels."
    )
