"""The same bits in every place: few open files, no home, no terminal, another locale, another umask, any path."""

import shlex
import subprocess

import pytest

from kit.manifests import write_flow
from kit.runs import CFLOW, final_state, run, summary

LIMITS = {
    "closed": "exec <&- >&- 2>&-",
    "no terminal": "exec </dev/null >/dev/null 2>&1; set -- setsid --wait",
    "few files": "ulimit -n 20",
    "umask": "umask 077",
    "no home": "unset HOME USER LOGNAME XDG_CACHE_HOME",
    "locale": "export LC_ALL=C LANG=",
    "nothing known": "exec env -i PATH=/usr/bin:/bin",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A flow, its digests and its last state where nothing is limited."""
    folder = tmp_path_factory.mktemp("whole")
    manifest = write_flow(folder / "two\nlines – λ", limit=600)
    run("run", manifest, "--root", folder / "root")
    return manifest, summary(folder / "root")["sha256"], final_state(folder / "root")


def limited(limits: list[str], *arguments: object) -> int:
    """The exit code of `cflow` in a shell that was limited before."""
    command = shlex.join([str(CFLOW), *map(str, arguments)])
    last = "exec env -i PATH=/usr/bin:/bin" if LIMITS["nothing known"] in limits else "exec"
    before = "; ".join(one for one in limits if one != LIMITS["nothing known"])
    return subprocess.run(
        ["bash", "-c", f'{before or ":"}; {last} "$@" {command}'], timeout=120, check=False
    ).returncode


@pytest.mark.parametrize("limit", [*(pytest.param(one, marks=pytest.mark.thorough) for one in LIMITS), "all of them"])
def test_a_run_that_pauses_and_goes_on_ends_with_the_same_bits(tmp_path, whole, limit) -> None:
    manifest, digests, state = whole
    limits = [LIMITS[limit]] if limit in LIMITS else [*LIMITS.values()]
    root = tmp_path / "two\nlines – λ"
    assert limited(limits, "run", manifest, "--root", root, "--until", "250") == 75
    assert limited(limits, "run", manifest, "--root", root) == 0
    assert summary(root)["sha256"] == digests
    assert summary(root)["bitIdentical"] is True
    assert final_state(root) == state
