"""Which checkpoints of a revision count, and which claims decide over that. Pure.

A writer that lost its claim may still commit once, late. Its checkpoint is on the disk like any other; what makes it
invisible is that a later claim of the revision had already chosen an older base to continue from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from flowengine.store.fence import Claim
from flowengine.store.layout import CheckpointId

KEPT_CLAIMS = 16


def visible(checkpoints: Iterable[CheckpointId], claims: Iterable[Claim], revision: str) -> list[CheckpointId]:
    """The checkpoints of a revision that readers may use, newest first: the line that its newest claim continues.

    From the newest claim of the revision that has chosen a base the line goes on to that base and to what is older in
    its epoch, then to the base of that epoch's claim, and so on. What lies beside the line is hidden: a late commit of
    a writer that had lost its claim, and what a jump back, or a fresh start, has left behind. A claim that has not
    chosen yet, or can't be read, hides nothing.
    """
    own = [one for one in claims if one.revision == revision and one.base is not None]
    own.sort(key=lambda one: one.epoch)
    return sorted((one for one in checkpoints if _on_line(one, own)), reverse=True)


def _on_line(one: CheckpointId, own: Sequence[Claim]) -> bool:
    ceiling = math.inf
    for claim in reversed(own):
        if claim.epoch > ceiling:
            continue  # beside the line
        if claim.epoch <= one.epoch:
            return True
        base = CheckpointId.parse(claim.base or "")
        if base is None or (one.epoch, one.iteration) > (base.epoch, base.iteration):
            return False
        ceiling = base.epoch
    return True


def superseded(claims: Sequence[Claim], checkpoints: Mapping[str, Sequence[CheckpointId]]) -> list[Claim]:
    """The claims that decide over nothing any more, oldest first.

    The newest stay, those of jumps (each happens once), and of each revision the newest: what is newer than its base
    stays hidden, should a writer that lost its claim long ago still commit it.

    Args:
        claims: All, ascending.
        checkpoints: Every checkpoint folder, by revision.
    """
    newest_of = {one.revision: one.epoch for one in claims if one.base is not None}
    staying = {*newest_of.values(), *(one.epoch for one in claims[-KEPT_CLAIMS:])}
    gone = [one for one in claims if one.epoch not in staying and not one.jump]
    for revision, ids in checkpoints.items():
        left = [one for one in claims if one not in gone]
        if visible(ids, left, revision) != visible(ids, claims, revision):
            gone = [one for one in gone if one.revision != revision]
    return gone
