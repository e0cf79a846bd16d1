"""The checkpoint store: what was acknowledged survives kill, power cut, full disk, bit rot and a second writer.

NumPy arrays in, NumPy arrays out; of the engine it knows nothing, and it imports no jax.
"""

from flowengine.store.codec import Leaf
from flowengine.store.files import Files
from flowengine.store.gc import Retention
from flowengine.store.io import IO
from flowengine.store.layout import Layout
from flowengine.store.listing import Listed, keep_left, list_checkpoints, pin, read_checkpoint, thin_out
from flowengine.store.manifest import Health, Lineage, SaveReason
from flowengine.store.owner import Owner
from flowengine.store.reader import CheckpointRef, PassedOver, Restored
from flowengine.store.store import At, CheckpointStore, Claimed, Fresh, Latest, Start
from flowengine.store.writer import SaveMeta

__all__ = [
    "IO",
    "At",
    "CheckpointRef",
    "CheckpointStore",
    "Claimed",
    "Files",
    "Fresh",
    "Health",
    "Latest",
    "Layout",
    "Leaf",
    "Lineage",
    "Listed",
    "Owner",
    "PassedOver",
    "Restored",
    "Retention",
    "SaveMeta",
    "SaveReason",
    "Start",
    "keep_left",
    "list_checkpoints",
    "pin",
    "read_checkpoint",
    "thin_out",
]
