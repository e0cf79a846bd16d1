"""The Go tools: the whole control plane with kubectl as one binary, and helm, built once from locked modules."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kit.cluster.errors import KitError
from kit.cluster.paths import BUILD, cache, digest
from kit.cluster.run import console, run, say

MODULE = Path(__file__).parent / "gomodule"
COMPONENTS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
)  # fmt: skip
HELM = "helm.sh/helm/v3/cmd/helm"


@dataclass(frozen=True)
class Tools:
    """A folder with the tools under the names of the components."""

    folder: Path
    version: str

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def kubernetes_version() -> str:
    """The version that the module locks, such as `v1.34.3`."""
    found = re.search(r"k8s\.io/kubernetes (v[\d.]+)", (MODULE / "go.mod").read_text())
    if found is None:
        raise KitError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]


def key() -> str:
    """Names a build: it changes with the module's files and the way they are compiled."""
    return digest([MODULE, Path(__file__)])


def ensure() -> Tools:
    """The tools, built where they are not there yet, and linked into `build/bin` for people.

    Raises:
        KitError: Go is missing, too old, or the build failed.
    """
    version, folder = kubernetes_version(), cache() / "tools" / key()
    if not folder.exists():
        _build(folder, version)
    links = BUILD / "bin"
    links.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        link = links / name
        if not link.is_symlink() or link.readlink() != folder / name:
            link.unlink(missing_ok=True)
            link.symlink_to(folder / name)
    return Tools(folder, version)


def _build(folder: Path, version: str) -> None:
    _check_go()
    say(f"Building Kubernetes {version} and helm from their Go modules: 5 to 10 minutes, once on this machine.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
    try:
        major, minor, _ = version.removeprefix("v").split(".")
        stamp = "k8s.io/component-base/version.git"
        flags = f"-s -w -X {stamp}Version={version} -X {stamp}Major={major} -X {stamp}Minor={minor}"
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} packages"), TimeElapsedColumn(),
            console=console,
        ) as bars:  # fmt: skip
            _compile(bars, "Kubernetes", ["-tags", "providerless", "-ldflags", flags], made / "kube", ".")
            _compile(bars, "helm", ["-ldflags", _helm_flags(major, minor)], made / "helm", HELM)
        for name in COMPONENTS:
            (made / name).symlink_to("kube")
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _helm_flags(major: str, minor: str) -> str:
    """Without a cluster helm renders for the Kubernetes that it was built for."""
    stamp = "helm.sh/helm/v3/pkg/chartutil.k8sVersion"
    return f"-s -w -X {stamp}Major={major} -X {stamp}Minor={minor}"


def _compile(bars: Progress, title: str, flags: list[str], out: Path, package: str) -> None:
    """Compile one program. Go names each package that it compiles; those in its cache it passes over."""
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    total = len(run(["go", "list", "-deps", package], env=env, cwd=MODULE).split())
    bar = bars.add_task(title, total=total)
    command = ["go", "build", "-v", "-trimpath", *flags, "-o", str(out), package]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=MODULE, env=env, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr or ():
            lines.append(line)
            bars.advance(bar)
    if child.returncode:
        raise KitError(f"{title} could not be built:\n{''.join(lines[-12:])}")
    bars.update(bar, completed=total)


def _check_go() -> None:
    try:
        said = run(["go", "env", "GOVERSION"]).strip()
    except KitError as error:
        raise KitError("Go 1.24 or newer is needed to build Kubernetes; there is none on PATH") from error
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < (1, 24):
        raise KitError(f"Go 1.24 or newer is needed to build Kubernetes; PATH has {said}")
