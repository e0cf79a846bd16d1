"""What stands on the pages is true: shell blocks run, manifests and parts of them are read, files that are named are there."""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flowapi.atoms import ATOMS
from flowapi.flow import Outline
from flowapi.model import keys
from flowapi.operators import OPERATORS
from flowclient.kube import commands as looking
from flowclient.kube import fetching, steering
from flowclient.kube.application import app
from kit import pages
from kit.pages import ROOT

PLUGIN = typer.main.get_command(app)
ADDED_BY = (looking, fetching, steering)  # importing them adds the commands to the application
REFERENCE = ROOT / "docs" / "reference"
RUN_ELSEWHERE = ("README.md", "docs/gallery/", "docs/results.md")  # by test_readme, test_gallery, test_results
_CODE = ("crds", "engine", "operator", "client", "charts", "tests", "examples", "bench", "Makefile", "pyproject.toml")


def runnable() -> dict[str, list[str]]:
    """The shell blocks of each page that has some, in their order: one reads what an earlier one wrote."""
    found: dict[str, list[str]] = {}
    for block in pages.blocks("sh"):
        if not block.page.startswith(RUN_ELSEWHERE):
            found.setdefault(block.page, []).append(block.text)
    return found


@pytest.mark.parametrize("page", runnable())
def test_the_shell_blocks_of_a_page_run(tmp_path, page) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    scripts = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax")}
    for text in runnable()[page]:
        done = subprocess.run(
            ["bash", "-euc", text], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)


@pytest.mark.parametrize("block", pages.blocks("yaml"), ids=str)
def test_a_manifest_or_a_part_of_one_is_right(block) -> None:
    pages.check_yaml(block.text)


@pytest.mark.parametrize(
    "wrong",
    ["flow: {terms: []}", "checkpoint: {everyIteration: 1}", "stop: {residual: -1}", "# values.yaml\nreplica: 2"],
)
def test_a_wrong_manifest_on_a_page_would_be_found(wrong) -> None:
    with pytest.raises(Exception, match=r"stop|everyIteration|residual|replica"):
        pages.check_yaml(wrong)


@pytest.mark.parametrize("block", pages.blocks("console"), ids=str)
def test_cluster_commands_are_ones_that_there_are(block) -> None:
    """Their words and options; what they do on a cluster, test_readme and the tutorial's test show."""
    for command in pages.commands(block.text):
        words = shlex.split(command)
        if words[:2] == ["kubectl", "cflow"]:
            PLUGIN.commands[words[2]].make_context(words[2], words[3:])
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        else:
            assert words[0] in {"kubectl", "sed"}
        for word in words:
            assert not word.startswith("examples/") or (ROOT / word).exists(), word


@pytest.mark.thorough
def test_the_tutorial_runs_on_a_cluster(cluster, tmp_path) -> None:
    """All of its commands, but for making the cluster and for watching."""
    commands = [
        command
        for block in pages.blocks("console")
        if block.page == "docs/tutorial/on-a-cluster.md"
        for command in pages.commands(block.text)
        if "cluster-up" not in command and "--watch" not in command
    ]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    namespace, kubeconfig = f"cflow-tutorial-{secrets.token_hex(2)}", tmp_path / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    cluster.kubectl("create", "namespace", namespace)
    path = f"{cluster.kubectl_path.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    for command in (f"kubectl config set-context --current --namespace={namespace}", *commands):
        done = subprocess.run(["bash", "-euc", command], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (tmp_path / "deblurred" / "x.png").exists()
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_reference_names_every_word() -> None:
    text = "".join((REFERENCE / name).read_text() for name in ("flow-document.md", "atoms.md", "operators.md"))
    for word in (*keys(Outline), *ATOMS, *OPERATORS):
        assert f"`{word}`" in text or f"# {word}\n" in text, word


@pytest.mark.parametrize("page", [page for page in pages.PAGES if page.parent == ROOT], ids=lambda page: page.name)
def test_what_a_page_at_the_root_links_to_is_there(page) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link


def test_pages_that_the_code_names_are_there() -> None:
    found = set()
    for folder in _CODE:
        files = [ROOT / folder] if (ROOT / folder).is_file() else (ROOT / folder).rglob("*")
        for file in files:
            if file.suffix in {".py", ".yaml", ".md", ".toml", ".lua", ""} and file.is_file():
                found |= set(re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text(encoding="utf-8")))
    assert "docs/how-to/volumes.md" in found
    assert [name for name in sorted(found) if not (ROOT / name).exists()] == []


def test_the_pages_of_the_repository_itself_are_short() -> None:
    for name, most in {"README.md": 700, "ARCHITECTURE.md": 900}.items():
        assert len((ROOT / name).read_text(encoding="utf-8").split()) <= most, name
