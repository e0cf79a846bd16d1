"""Where the engine's pod may run, in the pod's own words: a misspelt key would be dropped in silence further down."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from flowapi.bounded import Count, Whole
from flowapi.forms import QUALIFIED_OR_NONE
from flowapi.inputs import DnsLabel, DnsName
from flowapi.labels import LONGEST_KEY, LabelKey, LabelSelector, LabelValue
from flowapi.rules import Rule, SpecPart

MOST_TERMS = 16
Weight = Annotated[int, Field(strict=True, ge=1, le=100)]
_WEIGHT = "How much it counts beside the others: 1 to 100."
_REQUIRED = "What must hold for the pod to be placed."
_PREFERRED = "What is better, though not necessary."


class Toleration(SpecPart):
    """A taint that the engine's pod tolerates."""

    key: Annotated[str, StringConstraints(pattern=QUALIFIED_OR_NONE, max_length=LONGEST_KEY)] = Field(
        "", description="The taint's key; every taint when left out, with operator Exists."
    )
    operator: Literal["Exists", "Equal"] = Field("Equal", description="Whether the value counts (Equal) or not.")
    value: LabelValue = Field("", description="The taint's value, with operator Equal.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        "", description="The taint's effect; every effect when left out."
    )
    toleration_seconds: Whole | None = Field(
        None, description="How long a taint with effect NoExecute is tolerated; for ever when left out."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
            lambda self: self.key != "" or self.operator == "Exists",
            "a toleration without a `key` has `operator: Exists`",
            "Add either of them.",
        ),
        Rule(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
            lambda self: self.operator != "Exists" or self.value == "",
            "`operator: Exists` compares no value",
            "Remove `value`, or write `operator: Equal`.",
            at="value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            lambda self: self.toleration_seconds is None or self.effect == "NoExecute",
            "only the effect NoExecute has `tolerationSeconds`",
            "Remove it, or write `effect: NoExecute`.",
            at="tolerationSeconds",
        ),
    )


class NodeRequirement(SpecPart):
    """A condition on a label of a node."""

    key: LabelKey = Field(description="The label's key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(description="How it is compared.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = Field(
        (), description="With what: any of them for In and NotIn, one whole number for Gt and Lt."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
            lambda self: self.operator not in {"In", "NotIn"} or len(self.values) > 0,
            "In and NotIn compare with values, and there are none",
            "Add `values`.",
        ),
        Rule(
            "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
            lambda self: self.operator not in {"Exists", "DoesNotExist"} or not self.values,
            "Exists and DoesNotExist compare with no values",
            "Remove `values`.",
            at="values",
        ),
        Rule(
            "!(self.operator in ['Gt', 'Lt']) || "
            "(has(self.values) && size(self.values) == 1 && self.values[0].matches('^[0-9]{1,18}$'))",
            lambda self: self.operator not in {"Gt", "Lt"} or _is_one_number(self.values),
            "Gt and Lt compare with one whole number",
            'Write it like `values: ["8"]`.',
        ),
    )


def _is_one_number(values: tuple[str, ...]) -> bool:
    return len(values) == 1 and values[0].isascii() and values[0].isdecimal() and len(values[0]) <= 18


class NodeField(SpecPart):
    """A condition on the name of a node."""

    key: Literal["metadata.name"] = Field(description="The field: metadata.name.")
    operator: Literal["In", "NotIn"] = Field(description="Whether it is to be that node, or not.")
    values: Annotated[tuple[DnsName, ...], Field(min_length=1, max_length=1)] = Field(
        description="The node's name, alone."
    )


class NodeTerm(SpecPart):
    """Conditions on a node, which all have to hold."""

    match_expressions: Annotated[tuple[NodeRequirement, ...], Field(max_length=MOST_TERMS)] = Field(
        (), description="Conditions on its labels."
    )
    match_fields: Annotated[tuple[NodeField, ...], Field(max_length=MOST_TERMS)] = Field(
        (), description="Conditions on its name."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.matchExpressions) && size(self.matchExpressions) > 0) || "
            "(has(self.matchFields) && size(self.matchFields) > 0)",
            lambda self: bool(self.match_expressions or self.match_fields),
            "a term without conditions matches no node",
            "Add `matchExpressions`, or remove the term.",
        ),
    )


class NodeSelector(SpecPart):
    """Nodes that meet any one of several terms."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1, max_length=MOST_TERMS)] = Field(
        description="Terms of which one has to hold."
    )


class PreferredNodes(SpecPart):
    """Nodes that are better than others."""

    weight: Weight = Field(description=_WEIGHT)
    preference: NodeTerm


class NodeAffinity(SpecPart):
    """Which nodes the pod may or should run on, by their labels and names."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(None, description=_REQUIRED)
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], Field(max_length=MOST_TERMS)
    ] = Field((), description=_PREFERRED)


class PodTerm(SpecPart):
    """Pods by their labels, and how near to them: in the same node, zone or other domain."""

    topology_key: LabelKey = Field(description="The node label whose value makes a domain.")
    label_selector: LabelSelector | None = Field(None, description="Which pods; none when left out.")
    namespaces: Annotated[tuple[DnsLabel, ...], Field(max_length=MOST_TERMS)] = Field(
        (), description="Their namespaces; the flow's own when neither this nor namespaceSelector is there."
    )
    namespace_selector: LabelSelector | None = Field(
        None, description="Their namespaces, by the namespaces' labels; {} means all."
    )


class WeightedPodTerm(SpecPart):
    """A term that counts more or less."""

    weight: Weight = Field(description=_WEIGHT)
    pod_affinity_term: PodTerm


class PodAffinity(SpecPart):
    """Near which pods the pod must or should run."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodTerm, ...], Field(max_length=MOST_TERMS)
    ] = Field((), description=_REQUIRED)
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[WeightedPodTerm, ...], Field(max_length=MOST_TERMS)
    ] = Field((), description=_PREFERRED)


class PodAntiAffinity(PodAffinity):
    """Away from which pods the pod must or should run."""


class Affinity(SpecPart):
    """Nodes and neighbours that the pod needs, prefers or avoids, as in a pod."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class Spread(SpecPart):
    """How evenly pods spread over zones or other domains, as in a pod."""

    max_skew: Count = Field(description="By how many pods two domains may differ: 1 or more.")
    topology_key: LabelKey = Field(description="The node label whose value makes a domain.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="Whether the pod waits, or is placed all the same."
    )
    label_selector: LabelSelector | None = Field(None, description="Which pods are counted; none when left out.")
    min_domains: Count | None = Field(None, description="Fewer domains than this count as empty ones.")
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        None, description="Whether nodes that nodeSelector and affinity leave out are counted."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        None, description="Whether nodes with taints that are not tolerated are left out."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
            lambda self: self.min_domains is None or self.when_unsatisfiable == "DoNotSchedule",
            "`minDomains` is for `whenUnsatisfiable: DoNotSchedule`",
            "Remove it, or wait for a domain.",
            at="minDomains",
        ),
    )
