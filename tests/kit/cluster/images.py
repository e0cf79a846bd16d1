"""The images: a base from Debian where there is no registry, ours from the Dockerfile, kept as archives in the cache."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.cluster.errors import KitError
from kit.cluster.paths import CHECKOUT, cache, digest
from kit.cluster.run import run, say

SUITE = "trixie"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "crds", "engine", "client", "operator")
TARGETS = ("engine", "operator")
PIP_CONF = f"[global]\ncert = {AUTHORITIES}\n"


@dataclass(frozen=True)
class Image:
    """An image by the name that pods use, and the archive that holds it."""

    name: str
    archive: Path


def build() -> dict[str, Image]:
    """The engine's and the operator's images of this checkout, built where the cache has none for its files."""
    return {target: _ours(target) for target in TARGETS}


def given() -> dict[str, Image]:
    """The images that a given cluster has, by the names in `CFLOW_TEST_ENGINE_IMAGE` and `CFLOW_TEST_OPERATOR_IMAGE`.

    Raises:
        KitError: a name is missing.
    """
    found = {}
    for target in TARGETS:
        variable = f"CFLOW_TEST_{target.upper()}_IMAGE"
        if variable not in os.environ:
            raise KitError(f"{variable} must name the {target}'s image that the given cluster can run")
        found[target] = Image(os.environ[variable], Path())
    return found


def _ours(target: str) -> Image:
    requirements = [CHECKOUT / "requirements" / name for name in (f"{target}.txt", "build.txt", "sbom.py")]
    tag = digest([*(CHECKOUT / name for name in SOURCES), *requirements], SUITE)
    name = f"localhost/computable-flows-{target}:{tag}"

    def make(archive: Path) -> None:
        say(f"Building the image {name}")
        base = _base()
        _buildah(
            "build", "--layers", "--target", target, "--build-arg", f"BASE_IMAGE={base}", "--tag", name, str(CHECKOUT)
        )
        _buildah("push", name, f"docker-archive:{archive}:{name}")

    return Image(name, _archive(f"{target}-{tag}", make, older=f"{target}-*"))


def pause_archive() -> Path:
    """What holds a pod's namespaces: a busybox that sleeps."""
    name = "localhost/pause:dev"

    def make(archive: Path) -> None:
        container = _buildah("from", "scratch").strip()
        _buildah("copy", container, "/bin/busybox", "/busybox")
        _buildah("config", "--entrypoint", '["/busybox", "sleep", "2147483647"]', container)
        _buildah("commit", "--rm", container, name)
        _buildah("push", name, f"docker-archive:{archive}:{name}")

    return _archive("pause", make)


def _base() -> str:
    """Debian with Python. It trusts what this machine trusts, so that pip reaches its index from inside a build."""
    name = f"localhost/computable-flows-base:{SUITE}"
    if name in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        return name
    say(f"Making a base image from Debian's packages ({SUITE}): 1 to 2 minutes, once on this machine")
    root = Path(tempfile.mkdtemp(dir=_folder(), prefix=".base-"))
    try:
        run(["debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", SUITE, root])
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / waste, ignore_errors=True)
        if AUTHORITIES.exists():
            shutil.copyfile(AUTHORITIES, root / str(AUTHORITIES)[1:])
            (root / "etc" / "pip.conf").write_text(PIP_CONF)
        container = _buildah("from", "scratch").strip()
        _buildah("add", container, str(root), "/")
        _buildah("commit", "--rm", container, name)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return name


def _folder() -> Path:
    found = cache() / "images"
    found.mkdir(exist_ok=True)
    return found


def _archive(title: str, make: Callable[[Path], None], older: str = "") -> Path:
    """An archive of this title in the cache; those that it replaces are dropped."""
    archive = _folder() / f"{title}.tar"
    if not archive.exists():
        for old in _folder().glob(f"{older}.tar") if older else ():
            old.unlink()
        made = archive.with_suffix(".making")
        made.unlink(missing_ok=True)
        make(made)
        made.rename(archive)
    return archive


def _buildah(command: str, *arguments: str) -> str:
    """Buildah, with its storage in the cache and without a container engine."""
    storage = _folder() / "storage"
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
    places = ["--root", str(storage), "--runroot", "/run/computable-flows-images"]
    return run(["buildah", *places, command, *arguments], env=environment, timeout=1200)
