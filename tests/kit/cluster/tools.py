"""The Go tools: the whole control plane with kubectl as one binary, and helm, built once from locked modules."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kit.cluster import golang
from kit.cluster.errors import KitError
from kit.cluster.paths import BUILD, cache, digest
from kit.cluster.run import say

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
    return digest([MODULE, Path(__file__), Path(golang.__file__)])


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
    golang.check()
    say(f"Building Kubernetes {version} and helm from their Go modules: 5 to 10 minutes, once on this machine.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
    try:
        major, minor, _ = version.removeprefix("v").split(".")
        stamp = "k8s.io/component-base/version.git"
        flags = f"-s -w -X {stamp}Version={version} -X {stamp}Major={major} -X {stamp}Minor={minor}"
        with golang.compiler(MODULE) as compile_one:
            compile_one("Kubernetes", ["-tags", "providerless", "-ldflags", flags], made / "kube", ".")
            compile_one("helm", ["-ldflags", _helm_flags(major, minor)], made / "helm", HELM)
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
