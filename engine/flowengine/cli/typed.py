"""The command as it was typed, so that a hint can be copied."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """How this shell finds `cflow`: by name, or by the path that was typed."""
    typed = sys.argv[0]
    found = shutil.which("cflow")
    if Path(typed).name != "cflow" or (found is not None and Path(found).samefile(typed)):
        return "cflow"
    return shlex.quote(typed)


def same_command() -> str:
    """This command without what makes it start over or pause."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word in ("--until", "--from"):
            next(words, None)
        elif word not in ("--fresh", "--yes") and not word.startswith(("--until=", "--from=")):
            kept.append(word)
    return f"{program()} {shlex.join(kept)}"
