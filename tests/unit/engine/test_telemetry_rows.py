"""The rows of a run, from the ring to the volume and to whoever asks: the same certificates, whole arrays at a time."""

import errno
import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from flowengine import capsule
from flowengine.certify import COLOURS
from flowengine.loop import rows
from flowengine.run.telemetry import Telemetry
from flowengine.store import Files

ROOM = 8
COMMON = {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 3}
NAMES = ("E", "residual", "gap", "feasibility", "grad_norm", "alpha", "invariant_drift_max")


def carry(certificates: int) -> Any:
    """What the loop leaves after so many certificates, one every ten iterations; the ring has room for eight."""
    ring = np.full((ROOM, 9), np.nan)
    for index in range(certificates):
        values = [10.0 * (index + 1), *(index + 0.125 * place for place in range(7)), index % 3]
        ring[index % ROOM] = values
        ring[index % ROOM, 3] = np.nan  # no gap is known
    ring[(certificates - 1) % ROOM, 1] = np.inf
    return SimpleNamespace(certificates=np.int64(certificates), ring=ring)


def test_what_is_written_is_what_the_ring_holds(tmp_path) -> None:
    kept = capsule.Capsule(tmp_path, COMMON, Files())
    telemetry = Telemetry(kept, None, 0)
    telemetry.drain(carry(5), 0.5)
    telemetry.drain(carry(11), 0.5)
    telemetry.drain(carry(11), 0.5)  # nothing new
    assert telemetry.flush(110) == ""
    found = capsule.read(tmp_path, "telemetry")
    wanted = [*rows(carry(5), 0), *rows(carry(11), 5)]
    assert [row["iter"] for row in found] == [one.iteration for one in wanted] == list(range(10, 120, 10))
    for row, one in zip(found, wanted, strict=True):
        values = (one.energy, one.residual, one.gap, one.feasibility, one.gradient_norm, one.step, one.drift)
        assert tuple(row[name] for name in NAMES) == values
        assert (row["controller"], row["epoch"], row["phase"]) == (one.controller, 3, "run")
    assert {row["gap"] for row in found} == {None}
    assert {row["controller"] for row in found} == {*COLOURS}
    assert found[-1]["E"] == math.inf
    times = [row["t_wall_ms"] for row in found[5:]]
    assert times == sorted(times)
    assert 0 < times[-1] - times[0] <= 500


def test_only_every_so_many_iterations_are_kept_where_that_is_asked_for(tmp_path) -> None:
    kept = capsule.Capsule(tmp_path, COMMON, Files())
    telemetry = Telemetry(kept, 30, 0)
    telemetry.drain(carry(7), 0.5)
    answer = json.loads(telemetry.live.answer(0, 1000))
    assert answer["columns"]["iter"] == [30, 60]
    telemetry.flush(70)
    assert [row["iter"] for row in capsule.read(tmp_path, "telemetry")] == [30, 60]


def test_rows_that_can_not_be_written_wait_but_not_without_bound(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(capsule.parts, "MOST_PENDING", 3)
    folder = tmp_path / "telemetry"
    folder.write_text("in the way")
    telemetry = Telemetry(capsule.Capsule(folder, COMMON, Files()), None, 0)
    for count in (2, 5, 6):
        telemetry.drain(carry(count), 0.5)
        assert "could not be written" in telemetry.flush(10 * count)
    folder.unlink()
    assert telemetry.flush(60) == ""
    assert [row["iter"] for row in capsule.read(folder, "telemetry")] == [40, 50, 60]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/volume/part"), "(No space left on device: /volume/part)"),
        (ImportError("broken"), "(ImportError: broken)"),
        (SystemExit(), "(SystemExit)"),
    ],
)
def test_whatever_ends_writing_is_a_sentence(tmp_path, error, said) -> None:
    class Fails(Files):
        def put(self, *_) -> None:
            raise error

    telemetry = Telemetry(capsule.Capsule(tmp_path, COMMON, Fails()), None, 0)
    telemetry.event("RUN_STARTED", 0)
    assert telemetry.flush(0) == f"telemetry could not be written {said}"
