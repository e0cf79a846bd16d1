"""A checkpoint that the medium can't give back (EIO of a checksumming file system) is passed over, named, and no obstacle."""

import errno
import json
import os

import pytest
from harness import A, meta, open_store, resumed, state, take, value_of

from flowapi.errors import VolumeError
from flowengine.store import IO, Latest, Retention, list_checkpoints


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))


class Rotten(IO):
    """Some files and folders can't be read, by parts of their paths; for so many attempts, or for good."""

    def __init__(self, *parts: str, number: int = errno.EIO, attempts: float = float("inf")) -> None:
        self.parts, self.number, self.attempts = parts, number, attempts

    def _look(self, path) -> None:
        if any(part in str(path) for part in self.parts) and self.attempts > 0:
            self.attempts -= 1
            raise OSError(self.number, os.strerror(self.number), str(path))

    def open_read(self, path):
        self._look(path)
        return super().open_read(path)

    def names(self, path):
        self._look(path)
        return super().names(path)


def saved(root, count: int = 3) -> list[str]:
    """The ids of so many checkpoints, newest first."""
    store, _ = take(root)
    for k in range(1, count + 1):
        store.save(k, state(k), meta())
    store.close()
    return [one.ref.id for one in list_checkpoints(root)]


PLACES = ["{0}/state", "{0}/manifest", "{0}"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADMSG, errno.EUCLEAN])
@pytest.mark.parametrize("place", PLACES)
def test_one_that_can_not_be_read_is_passed_over_and_named(tmp_path, place, number) -> None:
    newest, *_ = saved(tmp_path)
    store, claimed = take(tmp_path, io=Rotten(place.format(newest), number=number))
    assert value_of(claimed.base.leaves) == 2
    (one,) = claimed.passed_over
    assert (one.id, one.unreadable) == (newest, True)
    assert os.strerror(number) in one.reason
    assert newest in one.reason
    store.save(3, state(3), meta())
    store.close()


@pytest.mark.parametrize("place", PLACES)
def test_retention_goes_on(tmp_path, place) -> None:
    ids = saved(tmp_path, 5)
    store, _ = take(tmp_path, io=Rotten(place.format(ids[1])))
    store.collect(Retention(A, keep=2))
    left = ids[:2] if "state" in place else ids[:3]  # its manifest says good: nothing reads states to thin out
    assert {one.ref.id for one in list_checkpoints(tmp_path)} == set(left)
    for k in (6, 7, 8):
        store.save(k, state(k), meta())
        store.collect(Retention(A, keep=2))
    assert {one.ref.iteration for one in list_checkpoints(tmp_path)} - {4} == {7, 8, 5}  # 5 is continued from
    store.close()


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_verifying_looks_at_all_of_them(tmp_path, place, deep) -> None:
    ids = saved(tmp_path)
    found = list_checkpoints(tmp_path, deep=deep, io=Rotten(place.format(ids[1])))
    assert [one.ref.id for one in found] == ids
    seen = [bool(one.problem) for one in found]
    assert seen == [False, deep or "state" not in place, False]
    if any(seen):
        assert "Input/output error" in found[1].problem
        assert ids[1] in found[1].problem


def test_where_all_are_unreadable_it_is_the_volume(tmp_path) -> None:
    """None is taken, none is marked: it may pass."""
    saved(tmp_path)
    store = open_store(tmp_path, io=Rotten("state.safetensors"))
    with pytest.raises(VolumeError, match="Input/output error: .*state.safetensors"):
        store.claim(A, b"{}", Latest())
    store.close()
    assert not list(tmp_path.rglob("CORRUPT"))
    assert resumed(tmp_path) == 3


def test_a_bad_moment_of_the_volume_costs_no_checkpoint(tmp_path) -> None:
    """The newest fails as often as it is tried again, and is readable by the time that an older one has been read."""
    newest, *_ = saved(tmp_path)
    store, claimed = take(tmp_path, io=Rotten(f"{newest}/state", attempts=3))
    assert value_of(claimed.base.leaves) == 3
    assert claimed.passed_over == ()
    store.close()


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EACCES])
def test_what_is_no_rot_is_never_passed_over(tmp_path, number) -> None:
    newest, *_ = saved(tmp_path)
    store = open_store(tmp_path, io=Rotten(f"{newest}/state", number=number))
    with pytest.raises(VolumeError, match=f"{newest}/state.safetensors"):
        store.claim(A, b"{}", Latest())
    store.close()


def test_an_unreadable_claim_is_named(tmp_path) -> None:
    saved(tmp_path)
    with pytest.raises(VolumeError, match=r"Input/output error: .*fence/0000000001"):
        open_store(tmp_path, io=Rotten("fence/0000000001"))


def test_an_unreadable_revision_file_is_written_anew(tmp_path) -> None:
    saved(tmp_path)
    path = tmp_path / "revisions" / A / "revision.json"
    path.write_bytes(b"")
    assert resumed(tmp_path) == 3
    assert json.loads(path.read_bytes()) == {}
