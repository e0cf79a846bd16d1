"""Where the kit keeps things."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
BUILD = CHECKOUT / "build"
KUBECONFIG = BUILD / "cluster" / "kubeconfig"
STATE = Path("/var/lib/computable-flows-cluster")


def cache() -> Path:
    """What takes minutes to make and outlives the checkout: tools and images."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(base) / "computable-flows"
    found.mkdir(parents=True, exist_ok=True)
    return found


def digest(files: Iterable[Path], *more: str) -> str:
    """12 hex digits of the files' names and bytes, in the order of their names; folders count with all they hold."""
    found = hashlib.sha256("\0".join(more).encode())
    for file in sorted(_files(files)):
        found.update(f"{file.relative_to(CHECKOUT)}\0".encode() + file.read_bytes())
    return found.hexdigest()[:12]


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from (one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
        else:
            yield path
