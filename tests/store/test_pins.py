"""A pinned checkpoint stays whatever retention decides; a pin that can't be set says so."""

import errno

import pytest

from flowapi.errors import DataError, VolumeError
from flowengine.store import IO, Fresh, Retention, keep_left, list_checkpoints, pin
from kit.store.faulty import Faulty, fail_with
from kit.store.volume import A, iterations, meta, state, take


def test_pins_outlive_retention_until_they_are_taken_away(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    pin(tmp_path, ids[0])
    pin(tmp_path, ids[0])
    assert [one.pinned for one in list_checkpoints(tmp_path)] == [False, False, True]
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [3, 1]
    pin(tmp_path, ids[0], wanted=False)
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [3]
    store.close()
    for name in (ids[0], "../../etc", ""):
        with pytest.raises(DataError, match="there is no checkpoint"):
            pin(tmp_path, name)


@pytest.mark.parametrize("operation", ["create", "fsync", "fsync_folder", "unlink"])
def test_a_pin_that_cannot_be_set_says_so(tmp_path, operation) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    if operation == "unlink":
        pin(tmp_path, name)
    io = Faulty(at=1, fault=fail_with(errno.EROFS), calls=(operation,))
    with pytest.raises(VolumeError, match="can't be pinned"):
        pin(tmp_path, name, wanted=operation != "unlink", io=io)


def test_a_pin_on_a_checkpoint_that_goes_at_this_moment_says_so(tmp_path) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    folder = tmp_path / "revisions" / A / "ckpts" / name

    def remove(*_):
        (folder / "manifest.json").unlink()

    with pytest.raises(DataError, match="was just removed"):
        pin(tmp_path, name, io=Faulty(at=1, fault=remove, calls=("fsync_folder",)))
    assert not folder.exists()


def test_a_pin_set_while_retention_decides_holds(tmp_path) -> None:
    """Another process pins after the decision and before the deletion."""
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2)]

    class Late(IO):
        looked = 0

        def names(self, path):
            if path.name == ids[0]:
                self.looked += 1
                if self.looked == 2:
                    pin(tmp_path, ids[0])
            return super().names(path)

    store._io = Late()
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [2, 1]
    store.close()


def test_a_fresh_start_keeps_one_that_it_leaves_and_no_pin_of_a_persons_is_lost(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3, 4)]
    store.close()
    pin(tmp_path, ids[0])
    for name in (ids[1], ids[1], ids[2], ids[0]):
        keep_left(tmp_path, name)
        assert {one.ref.id for one in list_checkpoints(tmp_path) if one.pinned} == {ids[0], name}
    store, _ = take(tmp_path, start=Fresh())
    store.save(1, state(1), meta())
    store.collect(Retention(A, keep=1))
    store.close()
    assert iterations(tmp_path) == [1, 1]
