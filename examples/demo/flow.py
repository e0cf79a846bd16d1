"""Runs `cflow` on the demo's manifest as a person would, and interrupts it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volume import last_sign_of_life, newest_checkpoint

CFLOW = Path(sys.executable).with_name("cflow")


@dataclass(frozen=True)
class Flow:
    """A manifest and the folder it runs in."""

    manifest: Path
    root: Path

    def lint(self) -> dict[str, Any]:
        """What `cflow lint` says: the revision among it."""
        done = subprocess.run([CFLOW, "lint", self.manifest, "--json"], check=True, capture_output=True, text=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def run(self, *options: str, code: int = 0) -> dict[str, Any]:
        """Run until it ends by itself; the first report or summary it prints."""
        command = [str(CFLOW), "run", str(self.manifest), "--root", str(self.root), "--json", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != code:
            raise SystemExit(f"cflow ended with {done.returncode} instead of {code}:\n{done.stdout}{done.stderr}")
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
        return report

    def interrupt(self, number: signal.Signals, when: Callable[[int, int], bool], revision: str) -> int:
        """Run, and send a signal when `when(reached, saved)` holds; the iteration reached by then."""
        command = [str(CFLOW), "run", str(self.manifest), "--root", str(self.root), "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            while process.poll() is None:
                saved = newest_checkpoint(self.root, revision)
                reached = last_sign_of_life(self.root)
                if when(reached, saved.iteration if saved else 0):
                    process.send_signal(number)
                    process.communicate()
                    return last_sign_of_life(self.root)
            output = process.stdout.read() if process.stdout else ""
        raise SystemExit(f"the flow ended before it could be interrupted:\n{output}")
