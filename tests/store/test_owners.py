"""A volume belongs to one flow, and to another one only on request."""

import pytest

from flowapi.errors import VolumeInUseError
from flowengine.store import IO, Latest, Layout, Owner
from flowengine.store.owner import read_owner, take_ownership
from kit.store.volume import OWNER, A, found, meta, open_store, state, take

OTHER = Owner(namespace="ns", name="other", uid="uid-9")


def test_of_two_flows_that_start_at_once_on_a_fresh_volume_one_has_it(tmp_path) -> None:
    class Overtaken(IO):
        def link(self, source, target):
            if target.name == "OWNER":  # the other is on another machine: no lock tells
                take_ownership(IO(), Layout(tmp_path), OWNER, adopt="", max_attempt=0)
            super().link(source, target)

    with pytest.raises(VolumeInUseError, match="at this moment"):
        open_store(tmp_path, owner=OTHER, io=Overtaken())
    assert read_owner(IO(), Layout(tmp_path)) == OWNER


def test_another_flows_volume_is_refused(tmp_path) -> None:
    take(tmp_path)[0].close()
    with pytest.raises(VolumeInUseError, match="belongs to the flow ns/flow"):
        open_store(tmp_path, owner=Owner(namespace="ns", name="other", uid="u"))


def test_a_deleted_flows_volume_is_adopted_on_request_only(tmp_path) -> None:
    store, _ = take(tmp_path, attempt=4)
    store.save(3, state(3), meta())
    store.close()
    again = OWNER.model_copy(update={"uid": "uid-2"})
    with pytest.raises(VolumeInUseError, match="attempt 4") as caught:
        open_store(tmp_path, 1, owner=again)  # a flow that was applied again counts from 1
    assert (caught.value.owner_uid, caught.value.max_attempt) == ("uid-1", 4)
    with pytest.raises(VolumeInUseError):
        open_store(tmp_path, 5, owner=again, adopt="uid-0")
    store = open_store(tmp_path, 5, owner=again, adopt="uid-1")
    claimed = store.claim(A, b"{}", Latest())
    assert (claimed.adopted, found(claimed)) == (True, 3)
    store.close()
    with pytest.raises(VolumeInUseError):
        open_store(tmp_path, 6)
