"""Claims: which of them decide, what a person may still go back to, and that thousands of them cost nothing."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowapi.errors import CorruptError, DataError
from flowengine.store import At, Fresh, Retention, list_checkpoints
from flowengine.store.chain import superseded, visible
from flowengine.store.fence import Claim
from flowengine.store.layout import CheckpointId
from flowengine.store.store import MANY_CLAIMS
from kit.store.faulty import Faulty, die, fail_with
from kit.store.processes import in_child
from kit.store.volume import A, B, found, meta, resumed, state, take


def saved(root, *steps: int, start=None, attempt: int = 0, revision: str = A) -> list[str]:
    """A process that saves these steps; the ids."""
    store, _ = take(root, revision, *([start] if start else []), attempt=attempt)
    ids = [store.save(k, state(k), meta(revision)).id for k in steps]
    store.close()
    return ids


def test_what_a_fresh_start_left_behind_can_be_gone_back_to_until_it_saves(tmp_path) -> None:
    old = saved(tmp_path, 1, 2, 3)
    saved(tmp_path, start=Fresh())
    assert resumed(tmp_path) == 0
    store, claimed = take(tmp_path, start=At(A, old[1]))
    assert found(claimed) == 2
    store.close()
    assert resumed(tmp_path) == 2  # also before anything was saved
    assert [one.ref.iteration for one in list_checkpoints(tmp_path) if one.visible] == [2, 1]
    saved(tmp_path, 3, 4)
    assert resumed(tmp_path) == 4


def test_after_that_it_is_gone_and_the_remedy_is_one_for_here(tmp_path) -> None:
    old = saved(tmp_path, 1, 2)
    store, _ = take(tmp_path, start=Fresh())
    store.save(1, state(1), meta())
    store.collect(Retention(A, keep=3))
    store.close()
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [1]
    with pytest.raises(DataError, match="no good checkpoint .* See `cflow checkpoints list`") as caught:
        take(tmp_path, B, At(B, old[1]))
    assert "upgrade mode" not in str(caught.value)


def test_a_jump_back_hides_what_it_left_and_a_jump_forth_finds_it_again(tmp_path) -> None:
    ids = saved(tmp_path, 1, 2, 3, 4)
    saved(tmp_path, start=At(A, ids[1]))
    assert resumed(tmp_path) == 2
    saved(tmp_path, start=At(A, ids[3]))
    assert resumed(tmp_path) == 4
    saved(tmp_path, 5)
    assert [one.ref.iteration for one in list_checkpoints(tmp_path) if one.visible] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("number", ["9999999998", "1000000001"])
def test_a_claim_that_no_run_makes_is_named_with_what_to_do(tmp_path, number) -> None:
    saved(tmp_path, 1)
    strange = tmp_path / "fence" / number
    strange.write_text("")
    with pytest.raises(CorruptError, match=f"fence/{number} has a number that no run.* Remove that file"):
        take(tmp_path)
    strange.unlink()
    assert resumed(tmp_path) == 1


def test_a_checkpoint_of_such_a_number_is_none(tmp_path) -> None:
    saved(tmp_path, 1)
    (tmp_path / "revisions" / A / "ckpts" / "000000000009-e9999999999-abcdef").mkdir()
    assert resumed(tmp_path) == 1
    saved(tmp_path, 2)
    assert resumed(tmp_path) == 2


def test_claims_that_decide_over_nothing_go_once_they_are_many(tmp_path) -> None:
    first = saved(tmp_path, 1, 2)
    take(tmp_path, start=At(A, first[0]), jump="back")[0].close()
    saved(tmp_path, 1, revision=B)
    for k in range(2, MANY_CLAIMS + 40):
        saved(tmp_path, *([k] if k % 7 == 0 else []))
    names = [name for name in os.listdir(tmp_path / "fence") if not name.startswith(".")]
    assert len(names) <= 2 * MANY_CLAIMS + 2
    assert {name.split(".")[0] for name in names} == {name for name in names if "." not in name}, "halves are left"
    newest = max(k for k in range(MANY_CLAIMS + 40) if k % 7 == 0)
    assert resumed(tmp_path) == newest
    assert resumed(tmp_path, B) == 1
    store, claimed = take(tmp_path, start=At(A, first[0]), jump="back")
    assert (claimed.jumped, found(claimed)) == (False, newest)  # it has happened, long ago
    store.close()


def test_thinning_that_is_killed_or_refused_is_no_obstacle(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.store.MANY_CLAIMS", 20)

    for k in range(1, 30):
        saved(tmp_path, k)
    monkeypatch.setattr("flowengine.store.store.MANY_CLAIMS", 2)
    for after in (False, True):
        for at in range(1, 90, 4):
            io = Faulty(at=at, fault=die, calls=("unlink",), after=after)
            in_child(lambda _, io=io: take(tmp_path, io=io))
            io = Faulty(at=at, fault=fail_with(5), calls=("unlink",))
            try:
                take(tmp_path, io=io)[0].close()
            except Exception as error:
                assert "can't be claimed" in str(error) or io.hit == "unlink"
            assert resumed(tmp_path) == 29


IDS = st.builds(CheckpointId, st.integers(1, 12), st.integers(0, 5), st.just("aaaaaa"))
CLAIMS = st.lists(
    st.tuples(st.sampled_from([A, B]), st.one_of(st.none(), st.just(""), IDS.map(str)), st.sampled_from(["", "", "j"])),
    min_size=1,
    max_size=40,
)


@given(CLAIMS, st.lists(IDS, unique=True))
def test_what_goes_changes_nothing_that_is_seen(claims, ids) -> None:
    made = [Claim(epoch, revision, 1, jump, base) for epoch, (revision, base, jump) in enumerate(claims, start=1)]
    checkpoints = {A: ids, B: ids[::2]}
    gone = superseded(made, checkpoints)
    left = [one for one in made if one not in gone]
    for revision, its in checkpoints.items():
        assert visible(its, left, revision) == visible(its, made, revision)
        newest = [one for one in made if one.revision == revision and one.base is not None][-1:]
        assert set(newest) <= set(left)
    assert made[-1] in left
    assert [one for one in made if one.jump] == [one for one in left if one.jump]


@given(CLAIMS, IDS)
def test_what_the_newest_claim_of_a_revision_continues_is_seen_and_what_is_newer_is_not(claims, one) -> None:
    made = [Claim(epoch, revision, 1, jump, base) for epoch, (revision, base, jump) in enumerate(claims, start=1)]
    own = [claim for claim in made if claim.revision == A and claim.base is not None]
    if not own:
        assert visible([one], made, A) == [one]
        return
    base = CheckpointId.parse(own[-1].base)
    if base and base.epoch < own[-1].epoch:
        assert visible([base], made, A) == [base] or any(
            claim.epoch <= base.epoch and claim.epoch > base.epoch for claim in own
        )
    if one.epoch < own[-1].epoch and (base is None or (one.epoch, one.iteration) > (base.epoch, base.iteration)):
        assert visible([one], made, A) == []
    if one.epoch >= own[-1].epoch:
        assert visible([one], made, A) == [one]
