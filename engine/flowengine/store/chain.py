"""Which checkpoints of a revision count. Pure.

A writer that lost its claim may still commit once, late. Its checkpoint is on the disk like any other; what makes it
invisible is that a later claim of the revision had already chosen an older base to continue from.
"""

from collections.abc import Iterable

from flowengine.store.fence import Claim
from flowengine.store.layout import CheckpointId


def visible(checkpoints: Iterable[CheckpointId], claims: Iterable[Claim], revision: str) -> list[CheckpointId]:
    """The checkpoints of a revision that readers may use, newest first.

    A checkpoint of an older epoch is hidden by a later claim of the same revision when it is newer than the base
    that this claim chose. A claim that has not chosen yet hides nothing.
    """
    own = [claim for claim in claims if claim.revision == revision and claim.base is not None]
    return sorted((one for one in checkpoints if not any(_hides(claim, one) for claim in own)), reverse=True)


def _hides(claim: Claim, checkpoint: CheckpointId) -> bool:
    if checkpoint.epoch >= claim.epoch:
        return False
    base = CheckpointId.parse(claim.base or "")
    return base is None or (checkpoint.epoch, checkpoint.iteration) > (base.epoch, base.iteration)
