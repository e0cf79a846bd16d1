"""What the operator gives an engine, without an operator: a volume, inputs, a revision file, an attempt."""

import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from flowapi.reader import read_one
from flowapi.report import RunReport
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import load_manifest
from kit.manifests import write_flow
from kit.ports import free_port
from kit.runs import CFLOW


class Pod:
    """What the operator gives an engine: a volume, inputs, a revision file, an attempt."""

    def __init__(self, folder: Path, **flow: Any) -> None:
        self.folder = folder
        self.volume = folder / "volume"
        self.words = folder / "termination-log"
        self.edit(write_flow(folder / "flow", **flow))
        self.port = free_port()

    def edit(self, manifest: Path) -> str:
        """Give it another revision; its hash."""
        read = load_manifest(read_one(manifest))
        tuple_ = RevisionTuple.of(read.spec)
        revision = RevisionFile(hash=tuple_.hash, name=read.name, namespace="ns", uid="uid-1", tuple=tuple_)
        (self.folder / "revision.json").write_bytes(revision.to_bytes())
        self.settings = RuntimeSettings.of(read.spec, read.document).to_json()
        return tuple_.hash

    def start(
        self, attempt: int, *more: str, engine: tuple[str, ...] = (str(CFLOW), "engine")
    ) -> subprocess.Popen[str]:
        command = [
            *engine, "--revision-file", str(self.folder / "revision.json"), "--root", str(self.volume),
            "--attempt", str(attempt), "--settings", self.settings, "--inputs", str(self.folder / "flow"),
            "--port", str(self.port), *more,
        ]  # fmt: skip
        self.words.unlink(missing_ok=True)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "CFLOW_TERMINATION_LOG": str(self.words)})  # fmt: skip

    def run(self, attempt: int, *more: str) -> tuple[int, RunReport]:
        """An attempt from start to end: its exit code, and the report that it leaves."""
        process = self.start(attempt, *more)
        out, _ = process.communicate(timeout=120)
        assert self.words.stat().st_size <= 4096
        assert "Traceback" not in out
        return process.returncode, RunReport.model_validate_json(self.words.read_bytes())

    def run_to_any_end(self, attempt: int, *more: str) -> tuple[int, RunReport]:
        """The same for one that may end with 70, and then, and only then, says where."""
        process = self.start(attempt, *more)
        out, _ = process.communicate(timeout=120)
        assert self.words.stat().st_size <= 4096
        assert ("Traceback" in out) == (process.returncode == 70), out
        return process.returncode, RunReport.model_validate_json(self.words.read_bytes())

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask its status server: the code, and the answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
