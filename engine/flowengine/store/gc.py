"""Retention: which checkpoints may go. Deciding is pure; only the fenced owner of the volume deletes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowengine.store.layout import CheckpointId


@dataclass(frozen=True)
class Retention:
    """How much is kept.

    Attributes:
        current: The revision that runs.
        keep: Good checkpoints that the current revision keeps.
        retain: Other revisions that keep their newest good one; None: all of them do.
    """

    current: str
    keep: int
    retain: frozenset[str] | None = None


@dataclass(frozen=True)
class Standing:
    """One checkpoint folder as retention sees it."""

    id: CheckpointId
    visible: bool
    committed: bool
    good: bool


def disposable(
    standings: Mapping[str, Iterable[Standing]],
    policy: Retention,
    epoch: int,
    in_use: frozenset[tuple[str, str]],
) -> list[tuple[str, CheckpointId]]:
    """The checkpoints that may go, oldest first.

    Never the newest good ones that the policy keeps, nor those in use (the base of the running claim and its
    parent in another revision). Invisible and uncommitted ones of earlier epochs go.
    """
    result = []
    for revision, ones in standings.items():
        left = _kept(revision, policy)
        for one in sorted(ones, key=lambda one: one.id, reverse=True):
            if (revision, str(one.id)) in in_use:
                left -= one.good and one.committed
            elif not one.committed or not one.visible:
                if one.id.epoch < epoch:
                    result.append((revision, one.id))
            elif one.good and left > 0:
                left -= 1
            elif left <= 0:
                result.append((revision, one.id))
    return sorted(result, key=lambda item: item[1])


def _kept(revision: str, policy: Retention) -> int:
    if revision == policy.current:
        return policy.keep
    return 1 if policy.retain is None or revision in policy.retain else 0
