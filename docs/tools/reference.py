"""Writes the pages of docs/reference that are made from code (`--write`), or looks whether they are so (`--check`)."""

import sys
from pathlib import Path

import commands
import events
import messages
import resources
import vocabulary

import chart

FOLDER = Path("docs/reference")
PAGES = {
    "atoms.md": vocabulary.atoms_page,
    "operators.md": vocabulary.operators_page,
    "resource.md": resources.resource_page,
    "cli.md": commands.cflow_page,
    "kubectl-cflow.md": commands.plugin_page,
    "chart-values.md": chart.chart_page,
    "events.md": events.events_page,
    "messages.md": messages.messages_page,
}


def main() -> int:
    """Write every page, or name those that differ from what the code says."""
    stale = 0
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{path} differs from the code; run `make crd`\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
