"""Bad input is named by its place in the YAML, before any compute, and mending it is enough."""

import numpy as np
import pytest

from kit.cluster import KitError
from kit.denoise import config_map, npy, spec


def _term(index: int, **change):
    def edit(wanted: dict) -> None:
        wanted["flow"]["terms"][index].update(change)

    return edit


def _named_y(wanted: dict) -> None:
    wanted["flow"]["variables"] = {True: {"like": "b"}}


def _shape(wanted: dict) -> None:
    wanted["flow"]["variables"]["x"] = {"shape": [3, 3]}


def _file(name: str):
    def edit(wanted: dict) -> None:
        wanted["flow"]["data"]["b"]["npy"] = f"picture/{name}"

    return edit


def _input(wanted: dict) -> None:
    wanted["inputs"][0]["configMapName"] = "not-there"


@pytest.mark.parametrize(
    ("edit", "place", "remedy"),
    [
        pytest.param(_term(1, atom="norm_l12"), "spec.flow.terms[1].atom", "norm_l21", marks=pytest.mark.thorough),
        pytest.param(_term(1, weigth=2), "spec.flow.terms[1].weigth", "weight", marks=pytest.mark.thorough),
        (_shape, "spec.flow.terms[0]", "(3, 3)"),
        (_file("nothing.npy"), "spec.flow.data.b.npy", "nothing.npy"),
        pytest.param(_file("nan.npy"), "spec.flow.data.b", "NaN", marks=pytest.mark.thorough),
        pytest.param(_input, "spec.inputs[0].configMapName", "not-there", marks=pytest.mark.thorough),
    ],
    ids=["misspelt-atom", "unknown-key", "shape", "missing-file", "nan", "missing-input"],
)
def test_bad_input_is_a_condition_that_names_the_place(cluster, namespace, flow, edit, place, remedy):
    files = {"b.npy": npy(np.ones((8, 8), np.float32)), "nan.npy": npy(np.full((8, 8), np.nan, np.float32))}
    cluster.apply([config_map("picture", files)], namespace)
    wanted = spec()
    edit(wanted)
    flow.apply(wanted)
    message = flow.stalled("InvalidSpec")
    assert place in message
    assert remedy in message
    assert flow.status()["phase"] == "Stalled"
    assert not flow.status().get("checkpoint")


@pytest.mark.thorough
def test_a_key_that_yaml_reads_as_a_boolean_is_named(cluster, namespace, flow):
    text = f"""\
apiVersion: computableflow.dev/v1alpha1
kind: ComputableFlow
metadata: {{name: {flow.name}}}
spec:
  flow:
    data: {{b: {{inline: [1, 2]}}}}
    variables: {{y: {{like: b}}}}
    terms:
    - {{atom: quadratic, arg: "y", data: b}}
    stop: {{maxIterations: 10}}
"""
    cluster.kubectl("apply", f"--namespace={namespace}", "-f", "-", data=text)
    message = flow.stalled("InvalidSpec")
    assert "spec.flow.variables" in message
    assert '("y")' in message


@pytest.mark.thorough
def test_an_unknown_key_outside_the_flow_is_refused_at_once(flow):
    with pytest.raises(KitError, match="evryIterations"):
        flow.apply(spec() | {"checkpoint": {"evryIterations": 5}})


def test_what_runs_goes_on_under_an_invalid_edit_and_mending_it_is_enough(flow):
    flow.apply(spec())
    flow.beyond(1000)
    pod = flow.pod()
    bad = spec()
    bad["flow"]["terms"][1]["atom"] = "norm_l12"
    flow.apply(bad)
    flow.stalled("InvalidSpec")
    assert flow.pod() == pod
    flow.apply(spec())
    status = flow.phase("Completed")
    assert status["attempt"]["number"] == 1


@pytest.mark.thorough
def test_a_wrong_image_is_told_and_a_right_one_runs(cluster, flow):
    flow.apply(spec(iterations=3000, engine={"image": "localhost/no-such-engine:1", "imagePullPolicy": "Never"}))
    message = flow.stalled("ImagePullFailed")
    assert "spec.engine.image" in message
    assert "localhost/no-such-engine:1" in message
    flow.apply(spec(iterations=3000, engine={"image": cluster.engine}))
    flow.phase("Completed")
