"""What a spec asks for: a revision, and the run-time settings of its pod; or why it can't be read."""

from dataclasses import dataclass
from functools import cached_property

from flowapi.flow import FlowDocument
from flowapi.revision import RevisionTuple, RuntimeSettings
from flowapi.spec import FlowSpec
from flowoperator.objects.settings import asked_settings, settings_hash, without_pins


@dataclass(frozen=True)
class ValidSpec:
    """A spec that both the resource's and the flow's models accept.

    Attributes:
        stable: Hash of the revision that runs in place of the one that the spec asks for; empty while none does.
        unsure: Whether nobody knows with which settings that one ran: then it goes on with those that its Job has.
    """

    spec: FlowSpec
    document: FlowDocument
    stable: str = ""
    unsure: bool = False

    @cached_property
    def revision(self) -> RevisionTuple:
        """What is hashed."""
        return RevisionTuple.of(self.spec)

    @cached_property
    def asked(self) -> str:
        """Hash of the revision that the spec asks for."""
        return self.revision.hash

    @property
    def hash(self) -> str:
        """Hash of the revision that is to run."""
        return self.stable or self.asked

    @cached_property
    def settings(self) -> RuntimeSettings:
        """What is not hashed."""
        return RuntimeSettings.of(self.spec, self.document)

    @cached_property
    def asked_settings(self) -> str:
        """Everything outside the revision that a pod is told."""
        return asked_settings(self.spec, self.settings)

    @cached_property
    def settings_hash(self) -> str:
        """A change of it restarts the pod."""
        return settings_hash(self.asked_settings)

    @cached_property
    def trial(self) -> str:
        """Hash of the settings by which a failure is remembered: with others the revision is tried again."""
        return settings_hash(without_pins(self.asked_settings))


@dataclass(frozen=True)
class InvalidSpec:
    """A spec that was refused, the sentences that say why, and what it says beside a flow that is wrong."""

    message: str
    spec: FlowSpec | None = None
