"""What the engine is given beside the flow, and what a revision's hash therefore covers: data and environment."""

from typing import Annotated

from pydantic import StringConstraints, model_validator

from flowapi.model import LABEL_PATTERN, DocumentFinding, Model

DnsLabel = Annotated[str, StringConstraints(pattern=LABEL_PATTERN, min_length=1, max_length=63)]
DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)]


class EnvVar(Model):
    """One environment variable of the engine; values only, no references to secrets."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    value: Annotated[str, StringConstraints(max_length=4096)] = ""


class InputSpec(Model):
    """A claim or a config map, mounted read-only at /inputs/<name>."""

    name: DnsLabel
    claim_name: DnsName | None = None
    config_map_name: DnsName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "InputSpec":
        if (self.claim_name is None) == (self.config_map_name is None):
            raise DocumentFinding(
                "an input has either `claimName` or `configMapName`", remedy="Write exactly one of them."
            )
        return self
