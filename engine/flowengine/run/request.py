"""What a run is asked to do."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from flowapi.frozen import frozen
from flowapi.revision import RevisionFile, RuntimeSettings
from flowengine.store import Latest, Owner, Retention, Start


@frozen
class RunRequest:
    """One start of a flow.

    Attributes:
        revision: What is computed.
        settings: When to stop and to save.
        root: The volume, or a local folder.
        inputs: The folder that data paths start from.
        owner: Whose volume it must be.
        attempt: The operator's number; 0 for a local run.
        start: Where to start from.
        start_id: Of a start that happens once.
        adopt: The uid of a deleted flow of this name whose volume may be taken over.
        retain: Other revisions that keep their newest checkpoint; None: all.
        expected: Whether a checkpoint is known to have been saved: without one the run is refused.
        until: Pause after this iteration, as a SIGTERM would.
        at: Path of the flow document in its file, for messages.
        notes: Sentences for a person about how this start was asked for.
        settings_of_jax: As they were when it had been imported.
    """

    revision: RevisionFile
    settings: RuntimeSettings
    root: Path
    inputs: Path
    owner: Owner
    attempt: int = 0
    start: Start = field(default_factory=Latest)
    start_id: str = ""
    adopt: str = ""
    retain: frozenset[str] | None = None
    expected: bool = False
    until: int | None = None
    at: str = "spec.flow"
    notes: tuple[str, ...] = ()
    settings_of_jax: Mapping[str, Any] = field(default_factory=dict)

    @property
    def retention(self) -> Retention:
        """Which checkpoints stay."""
        asked = self.settings.checkpoint
        return Retention(self.revision.hash, asked.keep, self.retain, frozenset(asked.pin))
