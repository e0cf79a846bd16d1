"""What MkDocs calls while it builds the site: formulas become MathML, and links to the examples' files work."""

import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

EXAMPLES = Path("examples")
SHOWN = {".yaml", ".py", ".csv", ".npy", ".npz", ".png"}
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)
_OUTSIDE = re.compile(r"\]\(((?:\.\./)+)(examples/[^)]+)\)")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def on_files(files: Files, config: Any) -> Files:
    """The files of the examples are part of the site, below examples/."""
    for path in sorted(EXAMPLES.rglob("*")):
        if path.suffix in SHOWN and "demo" not in path.parts:
            files.append(File.generated(config, path.as_posix(), abs_src_path=str(path.resolve())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """On the Git host examples/ stands beside docs/; on the site it stands within."""
    depth = page.file.src_uri.count("/")
    return _OUTSIDE.sub(lambda match: f"]({'../' * depth}{match[2]})", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML, which browsers draw without a script."""
    return _FORMULA.sub(_mathml, html)


def _mathml(match: re.Match[str]) -> str:
    text = match[2]
    for entity, sign in _ENTITIES.items():
        text = text.replace(entity, sign)
    return convert(text.strip(), display="block" if match[1] == "div" else "inline")
