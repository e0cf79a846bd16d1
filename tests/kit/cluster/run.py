"""Child processes, with errors that say what failed; progress for people."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from kit.cluster.errors import KitError

console = Console(stderr=True, highlight=False)
# a program that serves a test's process dies with it, however that ends
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def say(text: str) -> None:
    """Tell the person at the keyboard what happens."""
    console.print(text, markup=False, soft_wrap=True)


def run(
    command: Sequence[str | Path], *, data: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None,
    timeout: float = 600,
) -> str:  # fmt: skip
    """The standard output of a command.

    Raises:
        KitError: it failed; with the last lines of what it said.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=data, env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise KitError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise KitError(f"{' '.join(words[:6])} did not end within {timeout:.0f} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise KitError(f"{' '.join(words[:8])} ended with {done.returncode}: {said}")
    return done.stdout
