"""What a run that ends leaves and says: its result, whole or not at all, and why it is not what was asked for."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest

from flowapi.errors import FencedError, VolumeError
from flowengine import capsule
from flowengine.run import ending
from flowengine.store import IO, CheckpointStore, Files, Latest, Owner, Retention
from kit.manifests import DENOISE, PROGRAM, SAMPLE, write_flow
from kit.requests import request_of
from kit.runs import summary
from kit.sessions import compiled_once, share
from kit.solving import compiled, document

REVISION = "a" * 10
POLICY = Retention(REVISION, keep=3)
ARRAYS = {"x": np.arange(3.0)}
SUMMARY = {"sha256": {"x": capsule.digest(ARRAYS["x"])}}
OWNER = Owner(namespace="n", name="f", uid="u")


class Refuses(IO):
    """A disk that refuses so many files of a result."""

    def __init__(self) -> None:
        self.number, self.left, self.tried = 0, 0, 0

    def create(self, path):
        if "SHA256SUMS" in path.name:
            self.tried += 1
            if self.left:
                self.left -= 1
                raise OSError(self.number, os.strerror(self.number), str(path))
        return super().create(path)


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """A claimed volume, its disk, and the policies by which checkpoints had to go; one goes each time."""
    io, went = Refuses(), []
    store = CheckpointStore.open(tmp_path, OWNER, io=io)
    store.claim(REVISION, b"{}", Latest())
    monkeypatch.setattr(store, "collect", lambda policy: went.append(policy) or ["one"])
    yield store, io, went
    store.close()


def put(store) -> dict | None:
    ending._put(store, ARRAYS, SUMMARY, POLICY)
    return capsule.read_result(store.files, store.layout.result(REVISION))


def test_a_result_that_finds_no_room_takes_that_of_old_checkpoints(volume) -> None:
    store, io, went = volume
    io.number, io.left = errno.ENOSPC, 1
    assert put(store) == SUMMARY
    assert (io.tried, went) == (2, [POLICY.least])


@pytest.mark.parametrize(
    ("number", "refusals", "gone", "tried"),
    [(errno.EIO, 1, "one", 1), (errno.ENOSPC, 1, "", 1), (errno.ENOSPC, 2, "one", 2)],
)
def test_a_result_that_can_not_be_written_is_said(volume, monkeypatch, number, refusals, gone, tried) -> None:
    """Where nothing goes, or room is not what is missing, it is not tried again."""
    store, io, _ = volume
    monkeypatch.setattr(store, "collect", lambda _: [gone] if gone else [])
    io.number, io.left = number, refusals
    with pytest.raises(VolumeError, match="the result could not be written; the last checkpoint was"):
        put(store)
    assert io.tried == tried
    assert put(store) == SUMMARY


def test_a_result_is_not_written_to_a_volume_that_is_another_ones(volume) -> None:
    store, _, _ = volume
    newer = CheckpointStore.open(store.layout.root, OWNER, 9)
    newer.claim(REVISION, b"{}", Latest())
    with pytest.raises(FencedError):
        put(store)
    newer.close()
    assert not store.layout.result(REVISION).exists()


def test_the_link_for_people_is_said_where_something_else_stands_in_its_place(tmp_path) -> None:
    link, folder = tmp_path / "result", tmp_path / "revisions" / REVISION / "result"
    folder.mkdir(parents=True)
    store = SimpleNamespace(files=Files(), layout=SimpleNamespace(result_link=link, result=lambda _: folder))
    assert ending.point_at_result(store, REVISION) == ""
    assert link.resolve() == folder
    link.unlink()
    link.mkdir()
    assert f"that is in {folder}" in ending.point_at_result(store, REVISION)
    link.rmdir()

    class NoLinks(IO):
        def symlink(self, *_) -> None:
            raise OSError(errno.EPERM, "no")

    store.files = Files(NoLinks())
    assert ending.point_at_result(store, REVISION) == ""  # a volume that knows no links


@pytest.mark.parametrize(
    ("data", "policy", "path", "remedy"),
    [
        ([1.0, 2], {"algorithm": "ula"}, "spec.flow.policy", "Give a step below"),
        ([1.0, 2], {"algorithm": "ula", "step": 1e-3}, "spec.flow.policy.step", "Use a smaller step"),
        ([1.0, 2], {"step": 1e-3}, "spec.flow.policy.step", "Use a smaller step"),
        ([1.0, 1e12], {}, "flow.data.b", "beyond float32: measure in larger units"),
        ([1.0, 2], {}, "spec.flow.terms", "look for a direction in which the energy falls without end"),
    ],
)
def test_iterates_that_are_no_numbers_have_a_reason_and_a_remedy(data, policy, path, remedy) -> None:
    flow = compiled(document(
        {"b": data}, variables={"x": {"shape": [2]}}, dtype="float32",
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}], policy=policy, stop={"maxIterations": 10},
    ))  # fmt: skip
    error = ending.diverged(SimpleNamespace(compiled=flow), SimpleNamespace(at="spec.flow"), 7)
    assert "by iteration 7" in str(error)
    assert (error.path, remedy in error.remedy) == (path, True), error.remedy


@pytest.mark.parametrize(
    ("asked", "energy", "gap", "certificates", "named"),
    [
        ({"gap": 1e-3}, 1.0, None, 3, ["gap: no finite dual value"]),
        ({"gap": 1e-3}, float("inf"), None, 3, ["gap: the energy is infinite"]),
        ({"gap": 1e-3}, 1.0, 0.5, 3, []),
        ({"gap": 1e-3}, 1.0, None, 0, []),
        ({"relative_change": 1e-3}, float("inf"), None, 3, ["relativeChange: the energy is infinite"]),
        ({"relative_change": 1e-3}, 1.0, None, 3, []),
        ({}, float("inf"), None, 3, []),
    ],
)
def test_a_rule_that_can_not_hold_is_named(asked, energy, gap, certificates, named) -> None:
    stop = SimpleNamespace(**{"gap": None, "relative_change": None} | asked)
    request = SimpleNamespace(settings=SimpleNamespace(stop=stop))
    found = ending._never(request, SimpleNamespace(energy=energy, gap=gap, certificates=certificates))
    assert [f"{name}: {why}"[: len(wanted)] for (name, why), wanted in zip(found, named, strict=True)] == named


@pytest.fixture(autouse=True)
def _compiled_once():
    with compiled_once():
        yield


STOPS = "stop: {{maxIterations: {limit}}}"


def with_rule(template: str, rule: str) -> str:
    assert STOPS in template
    return template.replace(STOPS, f"stop: {{{{maxIterations: {{limit}}, {rule}}}}}")


def test_an_accuracy_that_was_missed_is_said_with_what_would_help(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("flowengine.compiler.plan.fewer_iterations", lambda _: ["measure in other units."])
    flow = write_flow(tmp_path / "flow", with_rule(DENOISE, "residual: 1.0e-30"), limit=30, size=8)
    seen = share(request_of(flow, tmp_path / "root"))
    (said,) = [one for one in seen.last.warnings if "ended by its limit" in one]
    assert "1e-30 was asked for: raise spec.flow.stop.maxIterations; measure in other units" in said
    assert "contradict" not in said
    found = summary(tmp_path / "root")
    assert said in found["warnings"]
    assert (found["guarantee"], found["reason"], "acceptance" in found) == ("global", "IterationLimit", False)


def test_constraints_that_are_not_met_yet_may_contradict_each_other(tmp_path) -> None:
    flow = write_flow(tmp_path / "flow", with_rule(PROGRAM, "residual: 1.0e-30"), limit=3)
    seen = share(request_of(flow, tmp_path / "root"))
    assert any("constraints contradict each other" in one for one in seen.last.warnings), seen.last.warnings


def test_an_accuracy_that_was_met_needs_no_word(tmp_path) -> None:
    flow = write_flow(tmp_path / "flow", with_rule(DENOISE, "residual: 1.0e-3"), limit=900, size=8)
    seen = share(request_of(flow, tmp_path / "root"))
    assert (seen.last.result.reason, seen.last.warnings) == ("Converged", ())


def test_a_sampler_leaves_statistics_and_what_speaks_against_them(tmp_path) -> None:
    outputs = SAMPLE.replace("quantiles: x, keep: 20, thin: 5", "rhat: x, burn: 50")
    flow = write_flow(tmp_path / "flow", outputs, limit=60, size=4)
    seen = share(request_of(flow, tmp_path / "root"))
    assert seen.code == 0, seen.error
    found = summary(tmp_path / "root")
    assert 0 <= found["acceptance"] <= 1
    assert found["guarantee"] is None
    assert "bias" in found
    assert len(found["sha256"]) > 1
    assert any("x_rhat" in one for one in found["warnings"]), found["warnings"]
