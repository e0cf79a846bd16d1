"""What bits depend on is recorded, and said on resume where it differs; or it can't be set from outside."""

import json
import platform as machine

import pytest

from flowengine.run import environment, platform
from kit.manifests import CURVED, SAMPLE, write_flow
from kit.runs import run, summary

DECIDING = {
    "JAX_THREEFRY_PARTITIONABLE": "0", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_ENABLE_X64": "0", "JAX_DISABLE_JIT": "1",
    "JAX_DEBUG_NANS": "1", "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true", "NPROC": "1", "OPENBLAS_NUM_THREADS": "7",
}  # fmt: skip


def recorded(root) -> dict:
    """The environment of the newest checkpoint."""
    newest = max(root.glob("revisions/*/ckpts/*/manifest.json"), key=lambda path: path.parent.name)
    return json.loads(newest.read_bytes())["body"]["env"]


def test_settings_from_outside_decide_over_no_bit(tmp_path, monkeypatch) -> None:
    manifest = write_flow(tmp_path / "flow", SAMPLE, limit=300)
    run("run", manifest, "--root", tmp_path / "whole")
    run("run", manifest, "--root", tmp_path / "cut", "--until", "100", code=75)
    for name, value in DECIDING.items():
        monkeypatch.setenv(name, value)
    out = run("run", manifest, "--root", tmp_path / "cut")
    assert "ignored in the environment, so that no bits depend on it: JAX_DEBUG_NANS, JAX_DEFAULT_PRNG_IMPL, " in out
    assert "another environment" not in out
    assert summary(tmp_path / "cut")["sha256"] == summary(tmp_path / "whole")["sha256"]
    assert summary(tmp_path / "cut")["bitIdentical"] is True
    assert recorded(tmp_path / "cut") == recorded(tmp_path / "whole")


needs_kernels = pytest.mark.skipif(
    machine.machine() != "x86_64" or not any("DYNAMIC_ARCH" in one for one in environment.blas()),
    reason="NumPy's BLAS has one kernel here",
)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        pytest.param("another kernel", "blas", marks=needs_kernels),
        ("another scipy", "scipy"),
        ("jax's precision", "variables"),
    ],
)
def test_what_may_change_bits_is_said_on_resume(tmp_path, monkeypatch, how, named) -> None:
    manifest, root = write_flow(tmp_path / "flow", CURVED, limit=60), tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "40", code=75)
    match how:
        case "another kernel":
            monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
        case "another scipy":
            (tmp_path / "stub" / "scipy-0.1.dist-info").mkdir(parents=True)
            (tmp_path / "stub" / "scipy-0.1.dist-info" / "METADATA").write_text("Name: scipy\nVersion: 0.1\n")
            monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
        case _:
            monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "highest")
    assert f"resumed in another environment ({named}): bits may differ from here on" in run(
        "run", manifest, "--root", root
    )
    assert summary(root)["bitIdentical"] is False


def test_the_library_that_computes_eigenvectors_is_recorded(tmp_path) -> None:
    """SciPy's own, beside NumPy's: jax calls it."""
    manifest, root = write_flow(tmp_path / "flow", CURVED, limit=10), tmp_path / "root"
    run("run", manifest, "--root", root)
    found = recorded(root)
    assert len(found["blas"]) >= len(environment.blas()) >= 1
    assert {"numpy", "scipy", "jax", "jaxlib", "libc", "settings", "variables", "xlaFlags", "cpuIsa"} <= set(found)


def test_a_setting_that_code_has_changed_is_recorded() -> None:
    platform.prepare(2)
    import jax

    before = environment.settings()
    assert environment.describe(2, before)["settings"] == {}
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        assert environment.describe(2, before)["settings"] == {"jax_default_matmul_precision": "'highest'"}
    finally:
        jax.config.update("jax_default_matmul_precision", None)


def test_libraries_are_found_by_what_is_loaded(tmp_path) -> None:
    maps = tmp_path / "maps"
    maps.write_text(
        "7f0-7f1 r-xp 00000000 08:01 1 /opt/my libs/liblapack.so.3\n7f0-7f1 r--p 00000000 08:01 1 /opt/my libs/liblapack.so.3\n"
        "7f1-7f2 r-xp 00000000 08:01 2 /usr/lib/libmkl_rt.so.2 (deleted)\n7f1-7f2 rw-p 00000000 00:00 0\n"
        "7f1-7f2 r-xp 00000000 08:01 2 /usr/lib/python3/scipy/linalg/_fblas.so\n7f1-7f2 r-xp 00000000 08:01 2 /usr/lib/libc.so.6\n"
    )
    assert environment.blas(maps) == ["liblapack.so.3", "libmkl_rt.so.2 (deleted)"]
    assert environment.blas(tmp_path / "none") == []


def test_a_platform_that_is_not_there_is_said(tmp_path, monkeypatch) -> None:
    manifest = write_flow(tmp_path / "flow", limit=60)
    monkeypatch.setenv("JAX_PLATFORMS", "abacus")
    out = run("run", manifest, "--root", tmp_path / "root", code=65)
    assert "jax can't use JAX_PLATFORMS=abacus" in out
    assert "Traceback" not in out
