"""What stands on the pages is true: shell blocks run, manifests and parts of them are read, files that are named are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowapi.atoms import ATOMS
from flowapi.flow import Outline
from flowapi.model import keys
from flowapi.operators import OPERATORS
from kit import pages
from kit.pages import ROOT

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
