"""Programs from locked Go modules, with a bar for the packages that are compiled."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kit.cluster.errors import KitError
from kit.cluster.paths import cache, digest
from kit.cluster.run import console, run, say

MODULES = Path(__file__).parent / "gomodules"
Compile = Callable[[str, Sequence[str], Path, str], None]


def ensure(name: str, packages: Sequence[str], *flags: str) -> Path:
    """The folder with the programs of a module of `gomodules`, compiled where they are not there yet.

    Raises:
        KitError: Go is missing, too old, or the build failed.
    """
    module = MODULES / name
    folder = cache() / "tools" / f"{name}-{digest([module, Path(__file__)])}"
    if not folder.exists():
        check()
        say(f"Building {name} from its Go module: 3 to 10 minutes, once on this machine.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
        try:
            with compiler(module) as compile_one:
                for package in packages:
                    program = package.rsplit("/", 1)[1]
                    compile_one(program, [*flags, "-ldflags", "-s -w"], made / program, package)
            made.chmod(0o755)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return folder


@contextmanager
def compiler(module: Path) -> Iterator[Compile]:
    """Compiles programs of a module: title, flags, output, package.

    Go names each package that it compiles; those in its cache it passes over.
    """
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} packages"), TimeElapsedColumn(),
        console=console,
    ) as bars:  # fmt: skip

        def compile_one(title: str, flags: Sequence[str], out: Path, package: str) -> None:
            total = len(run(["go", "list", "-deps", package], env=env, cwd=module).split())
            bar = bars.add_task(title, total=total)
            command = ["go", "build", "-v", "-trimpath", *flags, "-o", str(out), package]
            lines: list[str] = []
            with subprocess.Popen(command, cwd=module, env=env, stderr=subprocess.PIPE, text=True) as child:
                for line in child.stderr or ():
                    lines.append(line)
                    bars.advance(bar)
            if child.returncode:
                raise KitError(f"{title} could not be built:\n{''.join(lines[-12:])}")
            bars.update(bar, completed=total)

        yield compile_one


def check() -> None:
    """Whether Go is there, and new enough.

    Raises:
        KitError: it is not.
    """
    try:
        said = run(["go", "env", "GOVERSION"]).strip()
    except KitError as error:
        raise KitError("Go 1.24 or newer is needed to build Kubernetes; there is none on PATH") from error
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < (1, 24):
        raise KitError(f"Go 1.24 or newer is needed to build Kubernetes; PATH has {said}")
