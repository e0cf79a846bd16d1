"""What a run leaves beside its checkpoints: parts that lose no row, a result that is whole or absent."""

import errno
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from flowapi.errors import VolumeError
from flowengine import capsule
from flowengine.store import IO, Files
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
            parts.event("CHECKPOINT_CREATED", k, k, checkpoint="x")
            parts.flush(k)
    before = capsule.read(tmp_path, "telemetry")
    parts.compact()
    assert capsule.read(tmp_path, "telemetry") == before
    assert [(row["epoch"], row["iter"]) for row in before] == [(1, 10), (1, 20), (2, 10), (2, 20)]
    assert before[0]["gap"] is None
    assert sorted(one.name for one in tmp_path.glob("*.parquet")) == ["events.parquet", "telemetry.parquet"]


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


def filled(folder, *, parts: int) -> capsule.Capsule:
    kept = capsule.Capsule(folder, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    for k in range(1, parts + 1):
        kept.row(iter=k, t_wall_ms=k, E=1.0 / k)
        kept.flush(k)
    return kept


DAMAGE = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[:-20],
    "a value": lambda raw: raw.replace(b"run", b"ruN", 1),
    "another kind": lambda raw: b"PAR1" + raw[4:100] + b"PAR1",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_set_aside_and_the_others_are_put_together(tmp_path, how) -> None:
    kept = filled(tmp_path, parts=3)
    second = sorted(tmp_path.glob("*.parquet"))[1]
    second.write_bytes(DAMAGE[how](second.read_bytes()))
    assert kept.compact() == [second.name]
    assert sorted(one.name for one in tmp_path.glob("*.parquet*")) == [f"{second.name}.damaged", "telemetry.parquet"]
    assert [row["iter"] for row in capsule.read(tmp_path, "telemetry")] == [1, 3]
    assert kept.compact() == []


def test_what_was_read_before_the_parts_went_is_read_once(tmp_path) -> None:
    """As after a kill between the whole and the removal of its parts."""
    kept = filled(tmp_path, parts=2)
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    kept.compact()
    for path, raw in before.items():
        path.write_bytes(raw)
    assert [row["iter"] for row in capsule.read(tmp_path, "telemetry")] == [1, 2]


@pytest.mark.parametrize("operation", ["create", "rename", "unlink"])
def test_parts_that_can_not_be_put_together_are_an_error_and_stay(tmp_path, operation) -> None:
    kept = filled(tmp_path, parts=3)
    if operation == "rename":
        min(tmp_path.glob("*.parquet")).write_bytes(b"")
    kept.disk = Files(Faulty(at=1, fault=fail_with(errno.EIO), calls=(operation,)))
    with pytest.raises(OSError, match="."):
        kept.compact()
    rows = [row["iter"] for row in capsule.read(tmp_path, "telemetry")]
    assert rows == ([2, 3] if operation == "rename" else [1, 2, 3])


def test_a_volume_that_can_not_be_read_now_sets_no_part_aside(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", ())
    kept = filled(tmp_path, parts=2)
    kept.disk = Files(Faulty(at=1, fault=fail_with(errno.ESTALE), calls=("open_read",)))
    with pytest.raises(VolumeError):
        kept.compact()
    assert len(list(tmp_path.glob("telemetry-*.parquet"))) == 2


def test_no_memory_to_read_a_part_sets_none_aside(tmp_path, monkeypatch) -> None:
    kept = filled(tmp_path, parts=2)

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", full)
    with pytest.raises(MemoryError):
        kept.compact()
    assert len(list(tmp_path.glob("telemetry-*.parquet"))) == 2


@pytest.mark.parametrize("change", [{"E": 0.25}, {"E": None}, {"iter": 4}, {"controller": "RED"}, {"controller": None}])
def test_the_digest_of_a_part_is_of_every_value(change) -> None:
    rows = [
        {"run_id": "r", "epoch": 1, "iter": 3, "E": 0.5, "controller": "AMBER", "phase": "ru"},
        {"phase": "n", "iter": 5},
    ]

    def digest(rows) -> bytes:
        table = pyarrow.parquet.read_table(
            io.BytesIO(capsule.parts._encode(capsule.parts._table_of("telemetry", rows)))
        )
        assert table.schema.metadata[capsule.parts.DIGEST] == capsule.parts._digest(table)
        return table.schema.metadata[capsule.parts.DIGEST]

    assert digest(rows) == digest([dict(one) for one in rows])
    assert digest(rows) != digest([rows[0] | change, rows[1]])
    assert digest(rows) != digest(rows[::-1])
    assert digest(rows) != digest([rows[0] | {"phase": "r"}, rows[1] | {"phase": "un"}])  # the same letters


def test_the_digest_of_a_part_is_what_it_was_in_older_versions() -> None:
    """One that takes it otherwise would set the telemetry of every older run aside as damaged."""
    rows = [{"run_id": "r", "epoch": 1, "iter": 3, "E": 0.5, "controller": "AMBER"}, {"iter": 5, "gap": 0.25}]
    digest = capsule.parts._digest(capsule.parts._table_of("telemetry", rows))
    assert digest == b"d07eb897f275db6d28e27546bc6c3f526982ed90a08c6a8c290dd6460b79b79c"


def test_a_part_that_is_as_it_was_is_read_once(tmp_path) -> None:
    filled(tmp_path, parts=1)
    (path,) = tmp_path.glob("telemetry-*.parquet")
    kept = capsule.parts.Kept()
    table = kept(Files(), path, "telemetry")
    assert kept(Files(), path, "telemetry") is table
    path.unlink()
    with pytest.raises(capsule.parts.DamagedPartError):
        kept(Files(), path, "telemetry")
    filled(tmp_path, parts=2)
    assert kept(Files(), path, "telemetry") is not table


def test_a_manifest_that_was_refused_is_written_with_the_next_part(tmp_path, monkeypatch) -> None:
    kept, put = (
        capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files()),
        Files.put,
    )

    def refuse(files, path, chunks):
        if path.name == "manifest.json":
            raise OSError(errno.ENOSPC, "full")
        put(files, path, chunks)

    kept.row(iter=1, t_wall_ms=1)
    monkeypatch.setattr(Files, "put", refuse)
    with pytest.raises(OSError, match="full"):
        kept.flush(1)
    monkeypatch.undo()
    kept.flush(2)
    assert (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    "x", [np.arange(6.0).reshape(2, 3).T, np.zeros((0, 2)), np.array(2 + 1j), np.arange(3) > 1], ids=str
)
def test_an_array_of_a_result_is_a_file_of_numpy(tmp_path, x) -> None:
    capsule.write_result(Files(), tmp_path, {"x": x}, {"sha256": {"x": capsule.digest(x)}})
    found = np.load(tmp_path / "x.npy")
    assert (found.dtype, found.shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(found, x)


def test_what_a_killed_run_left_makes_room_before_a_result_is_written(tmp_path) -> None:
    left = tmp_path / ".x.npy.0a.tmp"
    left.write_bytes(b"half")

    class Looks(IO):
        def create(self, path):
            assert not left.exists()
            return super().create(path)

    x = np.arange(3.0)
    capsule.write_result(Files(Looks()), tmp_path, {"x": x}, {"sha256": {"x": capsule.digest(x)}})
    assert (tmp_path / "x.npy").exists()


def test_a_digest_leaves_no_file_open(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    before = os.listdir("/dev/fd")
    assert Files().sha256(tmp_path / "x") == hashlib.sha256(b"x").hexdigest()
    assert os.listdir("/dev/fd") == before


@pytest.mark.parametrize("name", ["x.npy", "summary.json", "SHA256SUMS"])
def test_each_file_of_a_result_is_there_before_the_digests_speak_of_it(tmp_path, name) -> None:
    """A write that fails ends it: whatever is there then is not taken for a result."""
    x = np.arange(3.0)
    summary = {"sha256": {"x": capsule.digest(x)}}

    class Full(IO):
        def create(self, path):
            if name in path.name:
                raise OSError(errno.ENOSPC, "full")
            return super().create(path)

    with pytest.raises(OSError, match="full"):
        capsule.write_result(Files(Full()), tmp_path / "result", {"x": x}, summary)
    assert capsule.read_result(Files(), tmp_path / "result") is None
    order = ["x.npy", "summary.json", "SHA256SUMS"]
    assert sorted(one.name for one in (tmp_path / "result").iterdir()) == sorted(order[: order.index(name)])
    (tmp_path / "result" / ".old.0a.tmp").write_bytes(b"")
    capsule.write_result(Files(), tmp_path / "result", {"x": x}, summary)
    assert capsule.read_result(Files(), tmp_path / "result") == summary
    assert sorted(one.name for one in (tmp_path / "result").iterdir()) == sorted(order)


def test_the_link_for_people_follows_the_result(tmp_path) -> None:
    link = tmp_path / "result"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert Files().point(link, tmp_path / name)
        assert link.readlink() == Path(name)
    assert Files(Faulty(at=1, fault=fail_with(errno.EIO))).point(link, tmp_path / "b")  # nothing to do
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b", "result"]


@pytest.mark.parametrize("operation", ["symlink", "rename", "fsync_folder"])
def test_a_link_that_can_not_be_made_is_said_and_leaves_nothing(tmp_path, operation) -> None:
    link = tmp_path / "result"
    Files().point(link, tmp_path / "a")
    assert not Files(Faulty(at=1, fault=fail_with(errno.EPERM), calls=(operation,))).point(link, tmp_path / "b")
    assert [one.name for one in tmp_path.iterdir()] == ["result"]
    assert link.readlink() == Path("b" if operation == "fsync_folder" else "a")


def test_telemetry_has_one_name_once_a_flow_has_ended(tmp_path) -> None:
    parts = capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    parts.row(iter=10, t_wall_ms=10)
    parts.flush(10)
    before = capsule.read(tmp_path, "telemetry")
    parts.compact()
    assert [one.name for one in tmp_path.glob("*.parquet")] == ["telemetry.parquet"]
    assert capsule.read(tmp_path, "telemetry") == before
