"""Curves as everybody sees them: each iteration once, by the epochs that the newest one goes back to; no spike lost."""

import numpy as np

from flowengine import capsule
from flowengine.capsule import Curve
from flowengine.store import Files


def epoch(folder, number: int, first: int, last: int, *, source: int | None = None, back: bool = False) -> None:
    """What an epoch leaves that began at an iteration, with a checkpoint of another epoch, and was killed later."""
    common = {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": number}
    kept = capsule.Capsule(folder, common, Files())
    if source is None:
        kept.event("RUN_STARTED", first, number)
    else:
        word = "ROLLBACK" if back else "FLOW_RESUMED"
        kept.event(word, first, number, checkpoint=f"{first:012d}-e{source:06d}-abcdef", from_epoch=source, lost=5)
    for k in range(first + 10, last + 1, 10):
        kept.row(iter=k, t_wall_ms=number, E=float(number))
    kept.flush(last)


def seen(folder) -> list[tuple[int, int]]:
    table = capsule.history(folder).table
    return list(zip(table.column("epoch").to_pylist(), table.column("iter").to_pylist(), strict=True))


def test_what_was_computed_twice_is_seen_once(tmp_path) -> None:
    epoch(tmp_path, 1, 0, 50)
    epoch(tmp_path, 2, 30, 60, source=1)
    assert seen(tmp_path) == [(1, 10), (1, 20), (1, 30), (2, 40), (2, 50), (2, 60)]
    assert capsule.history(tmp_path).abandoned == 2


def test_a_branch_that_a_rollback_left_is_not_seen(tmp_path) -> None:
    """Epoch 2 went back to 10; epoch 4 goes on from a checkpoint of epoch 1 beyond that."""
    epoch(tmp_path, 1, 0, 40)
    epoch(tmp_path, 2, 10, 60, source=1)
    epoch(tmp_path, 4, 30, 50, source=1, back=True)
    assert seen(tmp_path) == [(1, 10), (1, 20), (1, 30), (4, 40), (4, 50)]
    found = capsule.history(tmp_path)
    assert [(one["epoch"], one["event"]) for one in found.events] == [(1, "RUN_STARTED"), (4, "ROLLBACK")]
    assert [one.to_json() for one in found.lineage.segments] == [
        {"epoch": 1, "after": -1, "until": 30}, {"epoch": 4, "after": 30, "until": None},
    ]  # fmt: skip


def test_a_fresh_start_hides_all_before_it(tmp_path) -> None:
    epoch(tmp_path, 1, 0, 40)
    epoch(tmp_path, 2, 0, 20)
    assert seen(tmp_path) == [(2, 10), (2, 20)]


def test_an_epoch_whose_start_is_damaged_goes_on_where_its_rows_begin(tmp_path) -> None:
    epoch(tmp_path, 1, 0, 50)
    epoch(tmp_path, 2, 30, 60, source=1)
    epoch(tmp_path, 3, 60, 70, source=2)
    (part,) = tmp_path.glob("events-e000002*")
    part.write_bytes(b"")
    assert [k for _, k in seen(tmp_path)] == [10, 20, 30, 40, 50, 60, 70]


def test_a_capsule_says_what_it_holds_and_one_of_a_newer_version_is_not_read(tmp_path) -> None:
    epoch(tmp_path, 1, 0, 50)
    manifest = tmp_path / "manifest.json"
    assert '"schema": "computableflow.dev/capsule/1"' in manifest.read_text()
    manifest.write_text('{"schema": "computableflow.dev/capsule/2"}')
    try:
        capsule.history(tmp_path)
    except capsule.parts.DataError as error:
        assert "another version" in str(error)
    else:
        raise AssertionError


def test_no_row_is_missed_while_a_flow_puts_its_parts_together(tmp_path) -> None:
    epoch(tmp_path, 1, 0, 50)
    epoch(tmp_path, 2, 30, 60, source=1)
    common = {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 2}

    class Ending(capsule.disk.Plain):
        def read(self, path, limit):
            if path.suffix == ".parquet" and not (tmp_path / "telemetry.parquet").exists():
                capsule.Capsule(tmp_path, common, Files()).compact()
            return super().read(path, limit)

    found = capsule.history(tmp_path, Ending())
    assert (len(found.table), len(found.events)) == (6, 2)


def test_thinning_keeps_every_spike_and_both_ends() -> None:
    rows = [
        {"iter": k, "epoch": 1, "t_wall_ms": k, "E": 1.0, "residual": 1 / (k + 1), "gap": None} for k in range(10_000)
    ]
    rows[4321]["E"], rows[77]["residual"] = 9.0, 1e-9
    thin = Curve.of(rows).thinned(200)
    assert 100 < len(thin) <= 200
    assert thin.column("E").max() == 9.0
    assert thin.column("residual").min() == 1e-9
    assert thin.column("iter")[[0, -1]].tolist() == [0, 9999]
    assert np.isnan(thin.column("gap")).all()
    assert len(Curve.of(rows).thinned(2)) == 2


def test_json_has_no_number_that_is_none() -> None:
    columns = Curve.of([{"iter": 1, "epoch": 1, "t_wall_ms": 1, "E": float("inf"), "controller": "RED"}]).to_json()
    assert (columns["E"], columns["gap"], columns["controller"]) == ([None], [None], ["RED"])
