"""Two writers: the newest claim wins, and a zombie's late commit never shows."""

import errno
import shutil
import threading

import pytest

from flowapi.errors import DataError, FencedError
from flowengine.store import IO, At, Fresh, Retention, fence, list_checkpoints
from flowengine.store import writer as writer_module
from kit.store.volume import A, B, found, meta, open_store, resumed, state, take, value_of


def iterations(root):
    return [one.ref.iteration for one in list_checkpoints(root) if one.visible]


def test_the_older_writer_finds_out(tmp_path) -> None:
    old, _ = take(tmp_path, attempt=1)
    old.save(1, state(1), meta())
    new, claimed = take(tmp_path, attempt=2)
    assert found(claimed) == 1
    with pytest.raises(FencedError):
        old.save(2, state(2), meta())
    with pytest.raises(FencedError):
        old.collect(Retention(A, keep=1))
    new.save(2, state(2), meta())
    assert iterations(tmp_path) == [2, 1]


@pytest.mark.parametrize("pause_before", ["check before the rename", "acknowledgement"])
def test_a_zombies_late_commit_is_invisible(tmp_path, monkeypatch, pause_before) -> None:
    """The old writer stops at its last look at the fence; a takeover happens; it commits."""
    old, _ = take(tmp_path, attempt=1)
    old.save(1, state(1), meta())
    real, looks = writer_module.check, []

    def check(io, layout, claim) -> None:
        looks.append(claim)
        real(io, layout, claim)
        if len(looks) == (2 if pause_before.startswith("check") else 3):
            new, claimed = take(tmp_path, attempt=2)
            assert found(claimed) in {1, 9}
            new.close()

    monkeypatch.setattr(writer_module, "check", check)
    if pause_before.startswith("check"):
        with pytest.raises(FencedError):
            old.save(9, state(9), meta())
        old.close()
        assert resumed(tmp_path) == 1
        assert [one.visible for one in list_checkpoints(tmp_path) if one.ref.iteration == 9] == [False]
    else:
        with pytest.raises(FencedError):
            old.save(9, state(9), meta())
            old.save(10, state(10), meta())
        old.close()
        assert resumed(tmp_path) == 9


def test_a_volume_put_back_to_an_older_state_fences_who_ran_on_the_newer_one(tmp_path) -> None:
    """A snapshot is restored below a running process; a newer attempt gets the epoch number that it has itself."""
    store, _ = take(tmp_path / "flow", attempt=1)
    store.save(1, state(1), meta())
    store.close()
    shutil.copytree(tmp_path / "flow", tmp_path / "snapshot")
    zombie, _ = take(tmp_path / "flow", attempt=2)
    zombie.save(2, state(2), meta())
    shutil.rmtree(tmp_path / "flow")
    (tmp_path / "snapshot").rename(tmp_path / "flow")
    with pytest.raises(FencedError):
        zombie.save(3, state(3), meta())
    newer, claimed = take(tmp_path / "flow", attempt=3)
    assert (claimed.epoch, zombie.epoch, found(claimed)) == (2, 2, 1)
    for work in (lambda: zombie.save(3, state(3), meta()), lambda: zombie.collect(Retention(A, keep=1))):
        with pytest.raises(FencedError, match="taken over by another process"):
            work()
    newer.save(2, state(2), meta())
    assert iterations(tmp_path / "flow") == [2, 1]
    newer.close()
    with pytest.raises(FencedError):
        open_store(tmp_path / "flow", 2)  # late, of before the restore


def test_a_late_older_attempt_ends_without_claiming(tmp_path) -> None:
    take(tmp_path, attempt=8)[0].close()
    with pytest.raises(FencedError) as caught:
        open_store(tmp_path, 7)
    assert caught.value.code == 77
    assert sorted(one.name for one in (tmp_path / "fence").iterdir() if one.suffix == "") == ["0000000001"]


def test_restarts_of_one_job_share_the_attempt(tmp_path) -> None:
    first, _ = take(tmp_path, attempt=3)
    first.save(4, state(4), meta())
    first.close()
    second, claimed = take(tmp_path, attempt=3)
    assert (found(claimed), claimed.epoch) == (4, 2)
    second.close()


def test_four_contending_writers_lose_nothing(tmp_path) -> None:
    """Each claims, saves a few, and goes on where the one before was; an acknowledged save is never passed over."""
    lost: list[str] = []
    gate = threading.Lock()
    newest = {"epoch": 0, "iteration": 0}

    def work(number: int) -> None:
        for round_ in range(6):
            attempt = 1 + round_ * 4 + number
            try:
                store, claimed = take(tmp_path, attempt=attempt)
            except FencedError:
                continue
            k = found(claimed)
            with gate:
                if claimed.epoch > newest["epoch"] and k < newest["iteration"]:
                    lost.append(f"epoch {claimed.epoch} went on from {k}, {newest} was acknowledged")
            try:
                for step in range(1, 4):
                    ref = store.save(k + step, state(k + step), meta())
                    with gate:
                        if ref.epoch > newest["epoch"]:
                            newest.update(epoch=ref.epoch, iteration=ref.iteration)
            except FencedError:
                pass
            store.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not lost
    store, claimed = take(tmp_path, attempt=99)
    order = [(one.ref.epoch, one.ref.iteration) for one in list_checkpoints(tmp_path) if one.visible]
    assert order == sorted(order, reverse=True)
    assert found(claimed) == order[0][1]
    store.close()


def test_each_revision_finds_its_own_latest_again(tmp_path) -> None:
    """A → B → A → B."""
    for revision, wanted, reached in ((A, 0, 5), (B, 0, 3), (A, 5, 9), (B, 3, 4)):
        store, claimed = take(tmp_path, revision)
        assert found(claimed) == wanted
        store.save(reached, state(reached), meta(revision))
        store.close()
    assert (resumed(tmp_path, A), resumed(tmp_path, B)) == (9, 4)


def test_a_jump_happens_once(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    store.close()
    store, claimed = take(tmp_path, A, At(A, ids[0]), jump="restore-1")
    assert (found(claimed), claimed.jumped) == (1, True)
    store.save(7, state(7), meta())
    store.close()
    store, claimed = take(tmp_path, A, At(A, ids[0]), jump="restore-1")
    assert (found(claimed), claimed.jumped) == (7, False)
    store.close()
    assert iterations(tmp_path) == [7, 1]


def test_fresh_hides_what_was_before(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.save(5, state(5), meta())
    store.close()
    store, claimed = take(tmp_path, A, Fresh(), jump="fresh-1")
    assert claimed.base is None
    store.close()
    assert resumed(tmp_path) == 0


def test_continue_takes_the_other_revisions_state_until_it_has_its_own(tmp_path) -> None:
    store, _ = take(tmp_path, A)
    store.save(5, state(5), meta())
    store.close()
    for _ in range(2):  # killed before its first checkpoint, it takes the same state again
        store, claimed = take(tmp_path, B, At(A), jump="continue-1")
        assert claimed.base is None
        assert value_of(claimed.warm.leaves) == 5
        store.close()
    store, claimed = take(tmp_path, B, At(A), jump="continue-1")
    store.save(0, state(0), meta(B, reason="jump"))
    store.close()
    store, claimed = take(tmp_path, B, At(A), jump="continue-1")
    assert (claimed.warm, claimed.base.ref.iteration) == (None, 0)
    assert claimed.base.manifest.parent.revision == A
    store.close()


def test_a_start_from_nothing_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match="no good checkpoint"):
        take(tmp_path, B, At(A))


def test_a_checkpoint_that_is_not_good_is_not_resumed_from(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.save(1, state(1), meta())
    store.save(2, state(2), meta(good=False))
    store.close()
    assert resumed(tmp_path) == 1


def test_the_next_epoch_learns_what_was_lost(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.save(10, state(10), meta())
    store.heartbeat(17, 1234)
    store.close()
    store, claimed = take(tmp_path)
    assert (claimed.lost, claimed.previous.last_iteration, claimed.previous.last_wall_ms) == (7, 17, 1234)
    store.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_save_whose_folder_the_newer_owner_removed_is_fenced_not_failed(tmp_path, fails) -> None:
    old, _ = take(tmp_path, attempt=1)

    class TakenOver(IO):
        def fsync(self, descriptor):
            new, _ = take(tmp_path, attempt=2)
            new.collect(Retention(A, keep=1))
            new.close()
            if fails:
                raise OSError(errno.ENOENT, "the folder is gone")
            super().fsync(descriptor)

    old._io = TakenOver()
    with pytest.raises(FencedError):
        old.save(1, state(1), meta())
    old.close()


def test_a_claim_that_goes_between_two_looks_is_gone_and_no_other_processs(tmp_path, monkeypatch) -> None:
    store, _ = take(tmp_path)

    def gone(*_):
        raise FileNotFoundError

    with monkeypatch.context() as moment:
        moment.setattr(fence, "read_file", gone)
        with pytest.raises(FencedError, match="is gone from"):
            store.check_fence()
