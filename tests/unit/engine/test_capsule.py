"""What a run leaves beside its checkpoints: parts that lose no row, a result that is whole or absent."""

import errno

import numpy as np
import pytest

from flowengine import capsule
from flowengine.store import Files
from kit.store.faulty import Faulty, fail_with


def test_two_parts_of_one_iteration_are_both_kept(tmp_path) -> None:
    kept = capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    for event in ("RUN_STARTED", "RUN_FINISHED"):
        kept.event(event, 400, 1)
        kept.flush(400)
    assert [row["event"] for row in capsule.read(tmp_path, "events")] == ["RUN_STARTED", "RUN_FINISHED"]


def test_rows_wait_for_room_but_not_without_bound(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(capsule.parts, "MOST_PENDING", 3)
    folder = tmp_path / "telemetry"
    folder.write_text("in the way")
    kept = capsule.Capsule(folder, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    for k in range(5):
        kept.event("CHECKPOINT_CREATED", k, k)
        with pytest.raises(OSError, match="."):
            kept.flush(k)
    folder.unlink()
    kept.flush(9)
    assert [row["iter"] for row in capsule.read(folder, "events")] == [2, 3, 4]


def test_capsule_parts_are_compacted_without_losing_a_row(tmp_path) -> None:
    for epoch in (1, 2):
        parts = capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": epoch}, Files())
        for k in (10, 20):
            parts.row(iter=k, t_wall_ms=k, E=1.0 / k)
            parts.event("CHECKPOINT_CREATED", k, k, "x")
            parts.flush(k)
    before = capsule.read(tmp_path, "telemetry")
    parts.compact()
    assert capsule.read(tmp_path, "telemetry") == before
    assert [(row["epoch"], row["iter"]) for row in before] == [(1, 10), (1, 20), (2, 10), (2, 20)]
    assert before[0]["gap"] is None
    assert sorted(one.name for one in tmp_path.iterdir()) == ["events.parquet", "telemetry.parquet"]


def test_result_is_whole_or_absent(tmp_path) -> None:
    folder, files = tmp_path / "result", Files()
    x = np.arange(3.0)
    summary = {"sha256": {"x": capsule.digest(x)}}
    assert capsule.read_result(files, folder) is None
    capsule.write_result(files, folder, {"x": x}, summary)
    assert capsule.read_result(files, folder) == summary
    np.save(folder / "x.npy", x + 1)
    assert capsule.read_result(files, folder) is None


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "close", "rename", "fsync_folder"])
def test_a_file_that_can_not_be_put_is_an_error_and_leaves_nothing_half_written(tmp_path, operation) -> None:
    path = tmp_path / "x"
    Files().put(path, [b"old"])
    with pytest.raises(OSError, match="."):
        Files(Faulty(at=1, fault=fail_with(errno.EIO), calls=(operation,))).put(path, [b"new"])
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == (b"new" if operation == "fsync_folder" else b"old")  # in place, perhaps not for good
