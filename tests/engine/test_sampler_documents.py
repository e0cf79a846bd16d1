"""What a document with a sampler may not say, and what it is warned of."""

import pytest

from flowapi.errors import DocumentError, DocumentErrors
from flowengine.loop import rows, snapshot
from kit.gaussian import gaussian
from kit.solving import carry_of, compiled, document, go


@pytest.mark.parametrize(
    ("parts", "path", "words"),
    [
        ({"policy": {"algorithm": "mala"}, "terms": [{"atom": "l1", "arg": "x"}]}, "flow.policy", "myula"),
        ({"policy": {"family": "langevin"}, "terms": [{"atom": "l1", "arg": "x"}]}, "flow.policy", "smoothing"),
        ({"policy": {}, "outputs": [{"mean": "x"}]}, "flow.outputs", "sample"),
        ({"policy": {"metropolis": True}}, "flow.policy.metropolis", "langevin"),
        ({"policy": {"algorithm": "ula", "family": "accelerated"}}, "flow.policy.algorithm", "Keep one"),
        ({"policy": {"algorithm": "ula"}, "stop": {"residual": 1e-3}}, "flow.stop.residual", "maxIterations"),
        ({"policy": {"algorithm": "ula"}, "dtype": "complex128"}, "flow.dtype", "float64"),
        ({"policy": {"algorithm": "ula"}, "outputs": [{"mean": "x", "cov": "x"}]}, "flow.outputs[0]", "burn"),
        ({"policy": {"algorithm": "ula"}, "outputs": [{"mean": "z"}]}, "flow.outputs[0].mean", "Known: x"),
        ({"policy": {"algorithm": "ula"}, "outputs": [{"mean": "x", "at": [0.5]}]}, "flow.outputs[0].at", "Remove"),
        (
            {"policy": {"algorithm": "ula"}, "outputs": [{"cov": "x"}], "variables": {"x": {"shape": [3000]}}},
            "flow.outputs[0].cov", "var",
        ),
        ({"policy": {"algorithm": "ula"}, "outputs": [{"mean": "x", "burn": 5}]}, "flow.outputs[0].burn", "less than 5"),
        ({"variables": {"x": {"shape": [4], "chains": 3}}, "policy": {}}, "flow.variables.x.chains", "langevin"),
    ],
)  # fmt: skip
def test_what_a_sampler_refuses(parts, path, words) -> None:
    whole = {
        "variables": {"x": {"shape": [4]}}, "terms": [{"atom": "tikhonov", "arg": "x"}], "stop": {"maxIterations": 5}, **parts
    }  # fmt: skip
    with pytest.raises((DocumentError, DocumentErrors)) as caught:
        compiled(document({}, **whole))
    error = caught.value.errors[0] if isinstance(caught.value, DocumentErrors) else caught.value
    assert error.path == path
    assert words in str(error)


def test_what_a_sampler_warns_of() -> None:
    bounded = document(
        {}, variables={"x": {"shape": [2], "init": 1}}, outputs=[{"mean": "x"}], stop={"maxIterations": 100},
        terms=[{"atom": "tikhonov", "arg": "x"}, {"atom": "l2_ball", "arg": "x", "radius": 2.0}],
        policy={"family": "langevin", "trajectory": 5, "preconditioner": "jacobi"},
    )  # fmt: skip
    outside, idle, metric = compiled(bounded).choice.warnings
    assert "draws lie outside" in outside
    assert "policy.trajectory: `myula` doesn't use it" in idle
    assert "policy.preconditioner: `myula` doesn't use it" in metric
    (motion,) = compiled(gaussian([{"mean": "x"}], algorithm="leapfrog")).choice.warnings
    assert "samples nothing" in motion
    flow = compiled(bounded)
    assert snapshot(go(flow, carry_of(flow), 20)).controller == "AMBER"
    assert all(row.feasibility is None for row in rows(go(flow, carry_of(flow), 20), 0))


def test_two_outputs_of_one_name_are_refused() -> None:
    """The second would write over the first."""
    twice = [{"quantiles": "x", "at": [0.1]}, {"quantiles": "x", "at": [0.9]}]
    with pytest.raises(DocumentErrors, match="stands here twice"):
        gaussian(twice, algorithm="ula")
