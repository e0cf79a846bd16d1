"""Bad input ends before any compute, with 64 or 65, the YAML path and a remedy; nothing is written."""

import json
import subprocess

import numpy as np
import pytest

from flowengine.store import list_checkpoints
from kit.manifests import DEBLUR, write_flow
from kit.runs import CFLOW, here, run

CASES = {
    "misspelt atom": ("quadratic", "quadartic", 64, "spec.flow.terms[0].atom", "Did you mean `quadratic`?"),
    "unknown key": ("weight: 0.1", "weigth: 0.1", 64, "spec.flow.terms[1].weigth", "Did you mean `weight`?"),
    "key y": ("variables: {x:", "variables: {y:", 64, "spec.flow.variables.y", 'Quote it ("y") or rename it.'),
    "unknown key beside flow": ("  inputs:", "  inptus:", 64, "spec.inptus", "Did you mean `inputs`?"),
    "later key": ("  stop:", "  tuner: {}\n    stop:", 64, "spec.flow.tuner", "not available in this version"),
    "later source": ("{npy: in/b.npy}", "{uri: in/b}", 64, "spec.flow.data.b.uri", "not available in this version"),
    "no such reference": ("arg: D x", "arg: E x", 64, "spec.flow.terms[1].arg", "Known: D."),
    "path out of the inputs": ("in/b.npy", "in/../../b.npy", 64, "spec.flow.data.b.npy", "leaves the inputs"),
    "missing file": ("in/b.npy", "in/c.npy", 65, "spec.flow.data.b.npy", "there is: b.npy"),
    "shape mismatch": ("{like: b, init: b}", "{shape: [8, 9]}", 65, "spec.flow.terms[0].data", "(64, 64)"),
    "gap without a dual": ("maxIterations: 300", "gap: 1e-3", 64, "spec.flow.stop.gap", "residual"),
    "number in another grammar": ("weight: 0.1", "weight: .1", 64, "spec.flow.terms[1].weight", "Write 0.1"),
    "negative weight": ("weight: 0.1", "weight: -1", 64, "spec.flow.terms[1].weight", "positive"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_message_names_path_and_remedy(tmp_path, case) -> None:
    old, new, code, path, remedy = CASES[case]
    manifest = write_flow(tmp_path / "flow", limit=300)
    text = manifest.read_text()
    if case == "gap without a dual":
        text = text.replace("atom: quadratic, arg: x", "atom: quadratic, arg: D x").replace(", data: b}", "}")
    assert old in text
    manifest.write_text(text.replace(old, new))
    root = tmp_path / "root"
    for command in (("lint", manifest), ("run", manifest, "--root", root)):
        out = here(*command, code=code)
        assert path in out
        assert remedy in out
        assert "Traceback" not in out
    assert list_checkpoints(root) == []


@pytest.mark.parametrize("case", ["misspelt atom", "missing file"])
def test_the_command_ends_with_the_code_of_the_mistake(tmp_path, case) -> None:
    """In a process of its own, as in a shell."""
    old, new, code, path, remedy = CASES[case]
    manifest = write_flow(tmp_path / "flow", limit=300)
    manifest.write_text(manifest.read_text().replace(old, new))
    out = run("run", manifest, "--root", tmp_path / "root", code=code)
    assert path in out
    assert remedy in out
    assert "Traceback" not in out


def test_a_step_beyond_its_bound_is_warned_of_and_refused_where_lint_is_strict(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", DEBLUR, limit=300)
    text = manifest.read_text().replace("  stop:", "  policy: {step: 50}\n    stop:")
    manifest.write_text(text)
    assert "warning: spec.flow.policy.step: the step 50 is beyond its bound" in here("lint", manifest)
    out = here("lint", manifest, "--strict", code=64)
    assert "spec.flow.policy.step" in out
    assert "shorter" in out
    manifest.write_text(text.replace("policy: {step: 50}", "policy: {step: 0.1}"))
    assert "fine" in here("lint", manifest, "--strict")


def test_names_that_nothing_uses_are_warned_of_and_refused_where_lint_is_strict(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", DEBLUR, limit=300)
    text = manifest.read_text()
    idle = text.replace("operators: {", "params: {lam: 0.1}\n    operators: {L: {laplacian: {}}, ")
    manifest.write_text(idle)
    out = here("lint", manifest)
    for path in ("operators.L", "params.lam"):
        assert f"warning: spec.flow.{path}: nothing uses it" in out
    assert "remove it, or use it" in here("lint", manifest, "--strict", code=64).lower()
    manifest.write_text(text)
    assert "warning" not in here("lint", manifest, "--strict")


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_data_that_are_not_finite(tmp_path, value, word) -> None:
    manifest = write_flow(tmp_path / "flow", limit=300)
    data = np.load(tmp_path / "flow" / "in" / "b.npy")
    data[3, 4] = value
    np.save(tmp_path / "flow" / "in" / "b.npy", data)
    out = here("run", manifest, "--root", tmp_path / "root", code=65)
    assert "spec.flow.data.b: 1 of 4096 numbers are NaN or infinite, the first at [3, 4]" in out
    assert word in out


def test_a_pickle_is_never_loaded(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=300)

    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    np.save(tmp_path / "flow" / "in" / "b.npy", np.asarray([Bomb()], dtype=object), allow_pickle=True)
    out = here("run", manifest, "--root", tmp_path / "root", code=65)
    assert "boom" not in out
    assert "Python objects" in out


def test_changed_data_are_not_resumed_on(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=300)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "100", code=75)
    np.save(tmp_path / "flow" / "in" / "b.npy", np.zeros((64, 64)))
    out = run("run", manifest, "--root", root, code=65)
    assert "the input data are not those" in out


def test_another_flows_folder_is_refused(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=100)
    root = tmp_path / "root"
    run("run", manifest, "--root", root)
    manifest.write_text(manifest.read_text().replace("name: denoise", "name: other"))
    out = run("run", manifest, "--root", root, code=65)
    assert "belongs to the flow local/denoise" in out


def test_divergence_is_exit_76(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=20_000)
    text = manifest.read_text()
    smooth = text.replace("atom: norm_l21, arg: D x, weight: 0.1", "atom: quadratic, arg: D x, weight: 0.1")
    manifest.write_text(smooth.replace("    stop:", "    policy: {step: 30}\n    stop:"))
    assert "warning" in run("lint", manifest)
    out = run("run", manifest, "--root", tmp_path / "root", code=76)
    assert "spec.flow.policy.step" in out


CHAINS = """
flow:
  name: chains
  variables: {x: {shape: [2], init: 5, spread: 3, chains: 4}}
  terms: [{atom: tikhonov, arg: x}]
  policy: {algorithm: mala, step: STEP}
  outputs: [{rhat: x, keep: 20, thin: 2}]
  stop: {maxIterations: LIMIT}
"""


def test_a_result_that_is_not_to_be_trusted_says_so(tmp_path) -> None:
    """A RED certificate and chains that never moved: on the screen, and in the summary."""
    (tmp_path / "flow.yaml").write_text(CHAINS.replace("spread: 3, ", "").replace("STEP", "60").replace("LIMIT", "100"))
    done = subprocess.run(
        [CFLOW, "run", tmp_path / "flow.yaml", "--root", tmp_path / "root"], capture_output=True, text=True, check=True
    )
    assert "warning: the certificate is RED" in done.stderr
    assert "chains that don't move" in done.stderr
    summary = json.loads((tmp_path / "root" / "result" / "summary.json").read_text())
    assert summary["certificate"] == "RED"
    assert len(summary["warnings"]) == 2
    assert summary["feasibility"] is None


def test_chains_that_have_not_mixed_say_what_helps(tmp_path) -> None:
    """A step that was given, which nothing tunes; what biases the draws of a sampler that refuses nothing is said, too."""
    (tmp_path / "flow.yaml").write_text(CHAINS.replace("STEP", "1.0e-3").replace("LIMIT", "200"))
    done = subprocess.run(
        [CFLOW, "run", tmp_path / "flow.yaml", "--root", tmp_path / "root"], capture_output=True, text=True, check=True
    )
    said = " ".join(done.stderr.split())
    assert "the chains have not mixed yet. Leave out `policy.step`: step and mass matrix are then tuned" in said
    assert json.loads((tmp_path / "root" / "result" / "summary.json").read_text())["bias"] == []


IMPOSSIBLE = """
flow:
  name: impossible
  data: {c: {inline: [[1, 1]]}, d: {inline: [5]}}
  variables: {x: {shape: [2], init: 0}}
  terms:
  - {atom: tikhonov, arg: x}
  - {atom: affine, arg: x, matrix: c, data: d}
  - {atom: box, arg: x, lo: 0, hi: HIGHEST}
  policy: {family: accelerated}
  stop: {maxIterations: MOST, residual: 1.0e-12}
"""


def test_constraints_that_contradict_each_other_are_spoken_of_at_the_limit(tmp_path) -> None:
    """The limit names what to raise; that no point may meet all constraints is said where they are far from met."""
    limits = {}
    for highest, most in ((1, 900), (9, 30)):
        manifest = tmp_path / f"{highest}.yaml"
        manifest.write_text(IMPOSSIBLE.replace("HIGHEST", str(highest)).replace("MOST", str(most)))
        run("run", manifest, "--root", tmp_path / f"root{highest}")
        summary = json.loads((tmp_path / f"root{highest}" / "result" / "summary.json").read_text())
        limits[highest] = summary["reason"], summary["warnings"]
    assert limits[1][0] == limits[9][0] == "IterationLimit"
    assert "raise flow.stop.maxIterations; where `feasibility`, now 0.6," in limits[1][1][0]
    assert limits[9][1][0].endswith("raise flow.stop.maxIterations")


def test_a_problem_without_a_solution_ends_red_with_exit_76(tmp_path) -> None:
    """At the first look, after 1,000 of 3,000 iterations; a start that finds it again says the same."""
    manifest, root = tmp_path / "flow.yaml", tmp_path / "root"
    manifest.write_text(IMPOSSIBLE.replace("HIGHEST", "1").replace("MOST", "3000"))
    for _ in range(2):
        out = run("run", manifest, "--root", root, code=76)
        assert (
            "flow.terms: no point meets all constraints, as iteration 1000 proves: flow.terms[1], flow.terms[2]" in out
        )
    assert not (root / "result").exists()


ENDLESS = """
flow:
  name: endless
  data: {A: {inline: [[1.0, 0.0]]}, b: {inline: [1.0]}, c: {inline: [0.0, 1.0]}}
  variables: {x: {shape: [2], init: 1}}
  operators: {A: {matrix: A}}
  terms: [{atom: quadratic, arg: A x, data: b}, {atom: linear, arg: x, costs: c}]
  stop: {maxIterations: 100000}
"""
FALLING = """
flow:
  name: falling
  data: {b: {inline: [1.0, 2.0]}}
  variables: {x: {like: b, init: 0}}
  terms: [{atom: quadratic, arg: x, data: b}]
  policy: {step: 2.01}
  stop: {maxIterations: 10000000}
"""


def test_a_run_that_diverges_is_looked_at_for_a_proof_and_ends_as_diverged(tmp_path) -> None:
    manifest = tmp_path / "flow.yaml"
    manifest.write_text(FALLING)
    assert "the iterates became NaN or infinite" in run("run", manifest, "--root", tmp_path / "root", code=76)


def test_an_energy_without_a_minimum_ends_with_the_direction_in_which_it_falls(tmp_path) -> None:
    manifest = tmp_path / "flow.yaml"
    manifest.write_text(ENDLESS)
    out = run("run", manifest, "--root", tmp_path / "root", code=76)
    assert "the energy falls without end, as iteration 1000 proves, along" in out
    assert "-1·x[1]" in out


SHORT = """
flow:
  name: short
  data: {b: {inline: [1, -1, 2, -2, 5, -5]}}
  variables: {x: {like: b, init: 0}}
  terms: [{atom: quadratic, arg: x, data: b}, {atom: tv, arg: x, weight: 10}]
  policy: {family: accelerated}
  stop: {maxIterations: 1, residual: 1.0e-12}
"""


def test_terms_that_are_no_constraints_contradict_nothing(tmp_path) -> None:
    """The defect of a dual term is large in the beginning, too."""
    (tmp_path / "flow.yaml").write_text(SHORT)
    run("run", tmp_path / "flow.yaml", "--root", tmp_path / "root")
    summary = json.loads((tmp_path / "root" / "result" / "summary.json").read_text())
    assert summary["feasibility"] > 0.01
    assert summary["warnings"][0].endswith("raise flow.stop.maxIterations")


UNBOUNDED = """
flow:
  name: unbounded
  data: {eye: {inline: [[1.0, 0.0], [0.0, 1.0]]}}
  variables: {X: {like: eye, init: eye, manifold: spd}}
  terms: [{atom: log_det, arg: X}]
  stop: {maxIterations: 5000}
"""
CROSSING = """
flow:
  name: crossing
  data: {d: {inline: [3.0]}, A: {inline: [[1.0]]}}
  variables: {x: {shape: [1], init: 1.0}}
  operators: {A: {matrix: {matrix: A}}}
  terms: [{atom: poisson, arg: A x, data: d}]
  policy: {algorithm: ula}
  stop: {maxIterations: 200000}
"""

HUGE = """
flow:
  name: huge
  data: {b: {inline: [1.0e+200, 2.0e+200]}, A: {inline: [[1, 2], [3, 4]]}}
  variables: {x: {shape: [2]}}
  operators: {A: {matrix: {matrix: A}}}
  terms: [{atom: quadratic, arg: A x, data: b, as: dual}, {atom: l1, arg: x}]
  stop: {maxIterations: 1000}
"""


@pytest.mark.parametrize(
    ("flow", "path", "remedy"),
    [
        (UNBOUNDED, "flow.terms", "falls without end"),
        (CROSSING, "flow.policy", "refuse to cross a barrier"),
        (HUGE, "flow.data.b", "Sums of squares of numbers up to 2e+200 are beyond float64: measure in larger units"),
    ],
    ids=["an energy that falls for ever", "a draw beyond a barrier", "squares that overflow"],
)
def test_iterates_that_are_no_numbers_where_no_step_was_given(tmp_path, flow, path, remedy) -> None:
    (tmp_path / "flow.yaml").write_text(flow)
    done = subprocess.run(
        [CFLOW, "run", tmp_path / "flow.yaml", "--root", tmp_path / "root"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 76
    assert f"{path}: the iterates became NaN or infinite" in done.stderr
    assert remedy in done.stderr


def test_lint_says_what_a_pod_of_the_flow_needs_and_warns_of_a_limit_below_that(tmp_path) -> None:
    flow = {
        "variables": {"x": {"shape": [1024, 1024]}},
        "terms": [{"atom": "tikhonov", "arg": "x"}],
        "stop": {"maxIterations": 1},
    }
    body = {
        "apiVersion": "computableflow.dev/v1alpha1",
        "kind": "ComputableFlow",
        "metadata": {"name": "f"},
        "spec": {"flow": flow},
    }
    manifest = tmp_path / "f.yaml"
    manifest.write_text(json.dumps(body))
    out = run("lint", manifest)
    assert "in a pod: about 640Mi of memory, and up to 2 CPUs" in out
    assert "warning" not in out
    body["spec"]["engine"] = {"resources": {"limits": {"memory": "0.5Gi"}}}
    manifest.write_text(json.dumps(body))
    assert "spec.engine.resources.limits.memory: 0.5Gi is little" in run("lint", manifest)
    assert "Raise it." in run("lint", manifest, "--strict", code=64)
    assert json.loads(run("lint", manifest, "--json"))["needs"] == {"memory": "640Mi", "cpu": 2}
