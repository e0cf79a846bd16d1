"""The gallery: each page's commands run as written, in this process; its manifest is the example's; its data can be made again."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kit import pages
from kit.pages import ROOT
from kit.runs import summary
from kit.sessions import run_here

EXAMPLES = ROOT / "examples"
NAMES = re.findall(r"^\| \[[^\]]+\]\((\w+)\.md\)", (ROOT / "docs/gallery/index.md").read_text(), re.MULTILINE)
RUN_ELSEWHERE = {"deblur", "training"}  # by test_readme and test_entrypoint, in every `make test`
MADE = [name for name in NAMES if (EXAMPLES / name / "make_data.py").exists()]


def module(path: Path):
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


def block(name: str, language: str) -> str:
    (found,) = [one.text for one in pages.blocks(language) if one.page == f"docs/gallery/{name}.md"]
    return found


def test_every_example_has_a_page() -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/*.yaml")}
    assert folders == set(NAMES)
    assert set(module(EXAMPLES / "draw.py").PANELS) == set(NAMES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough) if name in RUN_ELSEWHERE else name for name in NAMES]
)
def test_the_commands_of_a_page_run(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    run, draw = block(name, "sh").splitlines()
    if run.startswith("PYTHONPATH="):
        folder, _, run = run.partition(" ")
        monkeypatch.syspath_prepend(str(EXAMPLES / Path(folder.partition("=")[2]).name))
    ended = run_here(None, *shlex.split(run)[1:], "--quiet")
    sys.modules.pop(name, None)
    assert ended.code == 0, ended.said
    assert "warning" not in ended.said
    words = shlex.split(draw)
    assert words[:3] == ["python", "examples/draw.py", name]
    assert summary(tmp_path / words[3])["reason"] == ("IterationLimit" if name == "posterior" else "Converged")
    module(EXAMPLES / "draw.py").draw(name, Path(words[3]), Path(words[4]))
    assert picture(Path(words[4])).shape == picture(ROOT / f"docs/gallery/{name}.png").shape


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_of_a_page_is_the_example(name) -> None:
    assert block(name, "yaml") == (EXAMPLES / name / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in MADE if name != "deblur"])
def test_the_data_can_be_made_again(tmp_path, name) -> None:
    module(EXAMPLES / name / "make_data.py").main(tmp_path)
    kept = {path.name for path in (EXAMPLES / name / "data").iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == kept
    for file in kept:
        one, other = (array(folder / file) for folder in (tmp_path, EXAMPLES / name / "data"))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened, float)


def array(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return picture(path)
    return np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",")


def test_what_is_committed_is_small() -> None:
    for path in [*EXAMPLES.rglob("data/*"), *(ROOT / "docs").rglob("*.png"), *(ROOT / "docs").rglob("*.jpg")]:
        assert path.stat().st_size < (200_000 if "data" in path.parts else 150_000), path
