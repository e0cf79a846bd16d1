"""What the engine is given beside the flow, and what a revision's hash therefore covers: data and environment."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from flowapi.forms import LABEL, NAME, SUBDOMAIN
from flowapi.rules import Rule, SpecPart

DnsLabel = Annotated[str, StringConstraints(pattern=LABEL, min_length=1, max_length=63)]
DnsName = Annotated[str, StringConstraints(pattern=SUBDOMAIN, min_length=1, max_length=253)]
OWN_VARIABLES = ("JAX_ENABLE_X64", "NPROC", "OPENBLAS_NUM_THREADS", "XDG_CACHE_HOME")
OWN_PREFIX = "CFLOW_"


class EnvVar(SpecPart):
    """One environment variable of the engine; values only, no references to secrets."""

    name: Annotated[str, StringConstraints(pattern=NAME, max_length=128)] = Field(description="The variable's name.")
    value: Annotated[str, StringConstraints(max_length=4096)] = Field("", description="Its value: a text.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.name in {list(OWN_VARIABLES)}) && !self.name.startsWith('{OWN_PREFIX}')",
            lambda self: self.name not in OWN_VARIABLES and not self.name.startswith(OWN_PREFIX),
            "the engine sets this variable itself",
            "Remove it.",
            at="name",
        ),
    )


class InputSpec(SpecPart):
    """A claim or a config map, mounted read-only at /inputs/<name>."""

    name: DnsLabel = Field(description="Its folder below /inputs, and the first part of the flow's data paths.")
    claim_name: DnsName | None = Field(None, description="A PersistentVolumeClaim of the flow's namespace.")
    config_map_name: DnsName | None = Field(None, description="A ConfigMap of the flow's namespace.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.claimName) != has(self.configMapName)",
            lambda self: (self.claim_name is None) != (self.config_map_name is None),
            "an input has either `claimName` or `configMapName`",
            "Write exactly one of them.",
        ),
    )
