"""The import of jax, without what no flow on a CPU needs: every start waits for it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

from flowengine.run import environment

LATER = frozenset({
    "jax.debug", "jax.export", "jax.image", "jax.lax.linalg", "jax.nn", "jax.profiler", "jax.scipy",
    "jaxlib.gpu_rnn", "jaxlib.gpu_triton", "jaxlib.mosaic.python.mosaic_gpu", "jaxlib.mosaic.python.tpu",
})  # fmt: skip
"""What jax imports only to offer it; loaded when it is first touched, 0.04 s that most starts never spend."""
UNUSED = "jaxlib.mlir.dialects._mhlo_ops_gen"
"""The classes of a dialect of which jax takes only the name; 0.015 s of the first lowering."""
UNWANTED = "etils"
"""Paths in object stores, for a compile cache there; 0.03 s where it happens to be installed. Ours is a folder."""


class _Later:
    """Finds what is in `LATER`, and leaves its code for later."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_jax() -> dict[str, Any]:
    """Import jax, after `platform.prepare`; on an accelerator with everything. Its settings as they are then."""
    _import()
    return environment.settings()


def _import() -> None:
    if os.environ.get("JAX_PLATFORMS") != "cpu":
        importlib.import_module("jax.numpy")
        return
    with _without_plugins(), _without(UNWANTED):
        sys.meta_path.insert(0, _Later)
        try:
            importlib.import_module("jax.numpy")
        finally:
            sys.meta_path.remove(_Later)
    with _instead(UNUSED, ModuleType(UNUSED)):
        importlib.import_module("jaxlib.mlir.dialects.mhlo")


@contextmanager
def _without_plugins() -> Iterator[None]:
    """For one of AMD's it reads the metadata of every installed package, 0.06 s where there are a hundred."""
    search = importlib.metadata.distributions
    importlib.metadata.distributions = lambda **_: iter(())
    try:
        yield
    finally:
        importlib.metadata.distributions = search


def _without(name: str) -> AbstractContextManager[None]:
    """As if it were not installed."""
    return _instead(name, None)  # the documented way to say so


@contextmanager
def _instead(name: str, module: ModuleType | None) -> Iterator[None]:
    """As if this were the module of a name, unless it is there."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
