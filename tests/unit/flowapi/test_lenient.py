"""Reports and statuses of any origin: what fits is read, what doesn't costs nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowapi.report import RunReport
from flowapi.status import FlowStatus

REPORT = {
    "schema": "computableflow.dev/run-report/1", "revision": "0123456789", "attempt": 3, "epoch": 2, "state": "Running",
    "iteration": 120, "maxIterations": 1000, "energy": 1.5, "residual": 0.25, "gap": 0.5, "controller": "GREEN",
    "rate": 10.0, "eta": 88.0,
    "saved": {"revision": "0123456789", "id": "c1", "iteration": 100, "digest": "d" * 64, "good": True, "green": True},
    "durable": 100,
    "restoredFrom": {
        "revision": "0123456789", "id": "c0", "iteration": 50, "digest": "e" * 64, "arraysSha256": "f" * 64,
        "reason": "Rollback",
    },
    "previous": {"epoch": 1, "lastIteration": 70, "lastWallMs": 5000}, "lostIterations": 20, "maxAttempt": 4,
    "ownerUid": "uid", "saves": {"count": 3, "failed": 1, "replaced": 2, "seconds": 0.5, "bytes": 99, "waited": 0.25},
    "passedOver": 1, "writeFailed": "No space left.", "warnings": ["one", "two"],
    "bitIdentical": False,
    "result": {"reason": "Converged", "iteration": 120, "energy": 1.5, "path": "results", "sha256": {"x": "a" * 64},
               "bitIdentical": False},
    "error": {"code": 65, "reason": "InvalidSpec", "path": "flow", "message": "a", "remedy": "b"},
}  # fmt: skip
CHECKPOINT = {"revision": "r1", "id": "c", "iteration": 7, "time": "t", "digest": "d", "good": False}
STATUS = {
    "observedGeneration": 4, "phase": "Running",
    "conditions": [
        {"type": kind, "status": "True", "reason": "Because", "message": "So it is.", "observedGeneration": 4,
         "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind in ("Ready", "Checkpointed")
    ],
    "revision": {
        "current": "r1", "desired": "r2", "stable": "r1",
        "failed": [{"hash": "r2", "settings": "s", "inputs": "i", "deadlineSeconds": 9, "time": "t", "message": "It fell."}],
    },
    "revisions": [
        {"number": n, "hash": f"r{n}", "generation": n, "startedAt": "t", "outcome": "Superseded", "checkpoint": CHECKPOINT,
         "green": 1, "ranSeconds": 5}
        for n in (1, 2)
    ],
    "retryNonce": "again", "restore": {"nonce": "n", "place": "r1/latest", "revision": "r2", "done": ["restore-0123456789"]},
    "attempt": {"number": 5, "since": 2, "reason": "Evicted", "inputs": "f", "jobName": "j", "podName": "p", "nodeName": "n",
                "startedAt": "t", "runningSince": "t", "epoch": 3, "fruitless": 1, "saved": True},
    "progress": {"iteration": 9, "maxIterations": 10, "energy": 1.25, "residual": 0.5, "health": "GREEN",
                 "iterationsPerSecond": 2.5, "estimatedCompletionTime": "t", "updatedAt": "t"},
    "display": {"iteration": "9/10", "energy": "1.25", "eta": "1s", "residual": "0.5", "rate": "2.5"},
    "checkpoint": CHECKPOINT,
    "restoredFrom": {"revision": "r1", "checkpoint": "c", "iteration": 7, "digest": "d", "reason": "Resume"},
    "recoveries": {"count": 3, "evictions": 2, "crashes": 1, "lostIterations": 8, "lostSeconds": 2,
                   "downSeconds": 9, "lastSeconds": 3, "interruptedAt": "t", "failures": 1, "failuresSince": "t"},
    "result": {"reason": "Converged", "iteration": 9, "energy": 1.25, "path": "p", "sha256": {"x": "a"}, "bitIdentical": False},
}  # fmt: skip


def read_report(value) -> RunReport | None:
    return RunReport.read(json.dumps(value).encode(), 64 * 1024)


def dumped(model) -> dict:
    return model.model_dump(by_alias=True, mode="json")


def test_the_samples_hold_every_field_with_another_value_than_its_default() -> None:
    """What a mutation destroys must show."""
    assert dumped(read_report(REPORT)) == REPORT
    assert dumped(FlowStatus.read(STATUS)) == STATUS
    bare = FlowStatus()
    assert all(getattr(FlowStatus.read(STATUS), name) != getattr(bare, name) for name in FlowStatus.model_fields)


def places(value, at=()):
    """Every path into a JSON value."""
    yield at
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*at, key))


def leaves(value, at=()):
    """Every path to a value that is no container, and the value."""
    if not isinstance(value, dict | list):
        yield at, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(item, (*at, key))


ODD = st.sampled_from(
    [None, True, -1, 0, 2**31, 2**63, 10**30, -0.5, 1e308, float("nan"), float("inf"), float("-inf"), "", "x" * 5000,
     "RED", "12", [], {}, [[]], {"a": {}}, [None] * 20, {str(n): "s" for n in range(40)}, "\x00", "é" * 200]
)  # fmt: skip
json_values = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
REQUIRED = {  # of each part: without one of them the part goes
    "saved": {"revision", "id", "iteration", "digest"},
    "restoredFrom": {"revision", "id", "iteration", "digest", "arraysSha256"},
    "previous": {"epoch", "lastIteration", "lastWallMs"},
    "result": {"reason", "iteration"},
    "error": {"code", "reason", "message"},
}


def spoilt(whole, path, change, value):
    """A copy with one place replaced, removed, or with a key more."""
    whole = json.loads(json.dumps(whole))  # nothing in it stands in two places
    if not path:
        return value
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    if change == "replace":
        holder[path[-1]] = value
    elif change == "remove":
        del holder[path[-1]]
    elif isinstance(holder, dict):
        holder[f"{path[-1]}X"] = value
    else:
        holder.append(value)
    return whole


def survives(path, touched, change) -> bool:
    """Whether a leaf must be read as before, though another place was changed."""
    lists = [index for index, key in enumerate(touched) if isinstance(key, int)]
    if not touched or (lists and path[: lists[0]] == touched[: lists[0]]):
        return False  # items of this list may have moved
    if change == "add":
        return True
    part = REQUIRED.get(touched[0], ()) if len(touched) == 2 else ()
    return path[: len(touched)] != touched and (path[0] != touched[0] or touched[-1] not in part)


@given(st.sampled_from(sorted(places(REPORT), key=str)), st.sampled_from(["replace", "remove", "add"]), json_values)
def test_no_change_of_a_report_costs_more_than_what_it_touches(path, change, value) -> None:
    read = RunReport.read(json.dumps(spoilt(REPORT, path, change, value)).encode(), 64 * 1024)
    if read is None:
        assert path in {(), ("revision",), ("attempt",)}
        return
    assert read.iteration >= 0
    assert len(read.to_bytes()) <= 4096
    found = dumped(read)
    for leaf, expected in leaves(REPORT):
        if survives(leaf, path, change):
            assert at(found, leaf) == expected


@given(st.sampled_from(sorted(places(STATUS), key=str)), st.sampled_from(["replace", "remove", "add"]), json_values)
def test_no_change_of_a_status_costs_more_than_what_it_touches(path, change, value) -> None:
    read = FlowStatus.read(spoilt(STATUS, path, change, value))
    found = dumped(read)
    assert FlowStatus.read(found) == read
    for leaf, expected in leaves(STATUS):
        if survives(leaf, path, change):
            assert at(found, leaf) == expected


def at(value, path):
    for key in path:
        value = value[key]
    return value


@given(json_values | st.dictionaries(st.sampled_from(sorted(STATUS) + sorted(REPORT)), json_values))
def test_any_value_is_read(value) -> None:
    FlowStatus.read(value)
    read_report(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data) -> None:
    RunReport.read(data, 64)


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b"[" * 60_000, b'{"a":' * 10_000, b"1" * 6000, b"\xff", json.dumps(REPORT).encode() + b"}"]
)  # fmt: skip
def test_what_is_no_report_is_none(data) -> None:
    assert RunReport.read(data, 64 * 1024) is None


def test_a_report_longer_than_its_place_allows_is_none() -> None:
    data = RunReport(revision="r", attempt=1).to_bytes()
    assert RunReport.read(data, len(data)) is not None
    assert RunReport.read(data, len(data) - 1) is None


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ({"iteration": -1}, "iteration", 0),
        ({"iteration": 2**60}, "iteration", 0),
        ({"energy": float("nan")}, "energy", None),
        ({"rate": float("inf")}, "rate", None),
        ({"eta": -3.0}, "eta", None),
        ({"state": "Migrating"}, "state", "Starting"),
        ({"colour": "BLUE"}, "controller", "GREEN"),
        ({"result": {**REPORT["result"], "reason": "Bored"}}, "result", None),
        ({"saved": {**REPORT["saved"], "iteration": -1}}, "saved", None),
        ({"saved": {**REPORT["saved"], "good": "perhaps"}}, "saved", REPORT["saved"]),
        ({"warnings": ["a", 5, "b", None]}, "warnings", ["a", "b"]),
        ({"warnings": list("abcdef")}, "warnings", list("cdef")),
        ({"writeFailed": "w" * 2000}, "writeFailed", "w" * 1023 + "…"),
        ({"max_iterations": 5}, "maxIterations", 1000),
    ],
)
def test_one_bad_key_is_left_out_by_itself(change, key, expected) -> None:
    read = read_report(REPORT | change)
    assert dumped(read) == REPORT | {key: expected}


@pytest.mark.parametrize(
    "change", [{"attempt": -1}, {"attempt": 10**9}, {"attempt": None}, {"revision": 5}, {"revision": "r" * 129}]
)
def test_whose_report_it_is_must_be_known(change) -> None:
    assert read_report(REPORT | change) is None


def test_an_unknown_field_leaves_the_status_as_it_was() -> None:
    newer = STATUS | {"weather": "fine", "attempt": STATUS["attempt"] | {"mood": 1}}
    assert dumped(FlowStatus.read(newer)) == STATUS


def test_a_bad_item_of_a_list_goes_alone() -> None:
    good = STATUS["conditions"]
    read = FlowStatus.read(STATUS | {"conditions": [good[0], {"type": "Odd"}, 5, good[1]]})
    assert dumped(read) == STATUS


def test_a_status_patched_to_an_attempt_beyond_all_has_none() -> None:
    read = FlowStatus.read(STATUS | {"attempt": STATUS["attempt"] | {"number": 2147483647}})
    assert read.attempt.number == 0
    assert read.attempt.job_name == "j"


@pytest.mark.parametrize("value", [None, 5, [], "x", {"conditions": {}}, {"revisions": "r"}, {1: 2}])
def test_no_status_is_an_empty_one(value) -> None:
    assert FlowStatus.read(value) == FlowStatus()
