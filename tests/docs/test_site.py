"""The site: built strictly, without a network; it loads nothing from elsewhere, and its formulas are drawn without a script."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kit.pages import ROOT

NO_NETWORK = (
    "import socket, sys; socket.socket.connect = socket.getaddrinfo = None; from mkdocs.__main__ import cli; cli()"
)
_LOADED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=\"?(?:https?:)?//[^\s\">]+")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", NO_NETWORK, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_another_host(site) -> None:
    found = {name: _LOADED.findall(text) for name, text in pages(site).items()}
    assert "index.html" in found
    assert {name: links for name, links in found.items() if links} == {}
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_formula_is_mathml(site) -> None:
    texts = pages(site)
    assert texts["reference/atoms.html"].count("<math") >= 49
    assert texts["reference/operators.html"].count("<math") >= 17
    for name, text in texts.items():
        body = re.sub(r"<(pre|code)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert "arithmatex" not in body, name
        assert "$$" not in body, name
        assert "<merror" not in body, name


def test_files_of_the_examples_are_part_of_it(site) -> None:
    assert (site / "examples" / "deblur" / "deblur.yaml").exists()


def test_every_page_is_in_the_navigation(site) -> None:
    start = pages(site)["index.html"]
    for name in pages(site):
        assert f'href="{name}"' in start or name in {"index.html", "404.html"}, name
