"""Flows that a Python function builds: `entrypoint: "package.module:build"`.

`build(data, params)` gets the document's arrays and numbers by name, and returns a `Problem`, for which the compiler
chooses a method as for any other, or an object with `init`, `step` and `residual` (see `methods.external`).
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument
from flowapi.model import NAME_PATTERN, join
from flowengine.compiler.choice import Choice, hypers_of
from flowengine.compiler.choose import choose
from flowengine.compiler.load import Arrays
from flowengine.methods import External
from flowengine.problem import Problem, Unknown

LONGEST_NAME = 63
NEEDED = ("init", "step", "residual")


def built_by_entry(document: FlowDocument, entrypoint: str, data: Arrays, at: str) -> tuple[Problem, Choice, str]:
    """The problem, the choice for it, and the SHA-256 of the module's source.

    Raises:
        DocumentError: the module or the function is not there, fails, or returns something else.
    """
    place = join(at, "entrypoint")
    module, name = entrypoint.split(":")
    found, build = _function(module, name, place)
    try:
        built = build({key: data[key] for key in data}, dict(document.params))
    except Exception as error:  # whatever somebody else's code raises
        message = f"`{entrypoint}` failed: {type(error).__name__}: {error}"
        raise DocumentError(message, path=place, remedy="Call it by itself to see where.") from error
    source = hashlib.sha256(Path(found.__file__ or "").read_bytes()).hexdigest() if found.__file__ else ""
    if isinstance(built, Problem):
        if document.policy.samples:
            message = "a problem that an entry point builds is not sampled in this version"
            raise DocumentError(message, path=join(at, "policy"), remedy="Remove it, or write the terms down.")
        return built, choose(built, document.policy, at), source
    _check(built, document, entrypoint, at)
    problem = Problem((), None, (), init=None, unknowns=(Unknown("x", ()),), dtype=document.dtype)
    choice = Choice(External(built), hypers_of(problem, float("nan"), ()), (f"entrypoint: {entrypoint}",))
    return problem, choice, source


def _function(module: str, name: str, place: str) -> tuple[ModuleType, Any]:
    try:
        found = importlib.import_module(module)
    except Exception as error:
        message = f"the module `{module}` can't be imported: {type(error).__name__}: {error}"
        remedy = "Put it in the image; on a laptop install it, or put its folder on PYTHONPATH."
        raise DocumentError(message, path=place, remedy=remedy) from error
    if not callable(getattr(found, name, None)):
        raise DocumentError(f"`{module}` has no function `{name}`", path=place, remedy="Write `module:function`.")
    return found, getattr(found, name)


def _check(built: Any, document: FlowDocument, entrypoint: str, at: str) -> None:
    """See that an object is an iteration, and that its point can be written."""
    place = join(at, "entrypoint")
    lacking = [name for name in NEEDED if not callable(getattr(built, name, None))]
    if lacking:
        raise DocumentError(
            f"`{entrypoint}` returned a {type(built).__name__} without {' and '.join(lacking)}",
            path=place,
            remedy="Return a Problem, or an object with init(key), step(state) and residual(state).",
        )
    chosen = sorted(document.policy.model_fields_set - {"threads"})
    if chosen:
        raise DocumentError(
            f"`{entrypoint}` brings its own iteration", path=join(at, "policy", chosen[0]), remedy="Remove it."
        )
    method = External(built)
    try:
        state = jax.eval_shape(built.init, jax.random.key(0))
        after, residual = jax.eval_shape(built.step, state), jax.eval_shape(built.residual, state)
        point = jax.eval_shape(method.point, state)
    except Exception as error:
        message = f"`{entrypoint}` can't be traced: {type(error).__name__}: {error}"
        raise DocumentError(message, path=place, remedy="init, step and residual must be functions of jax.") from error
    if _forms(state) != _forms(after):
        raise DocumentError("`step` returns another form of state than `init`", path=place, remedy="Make them equal.")
    if getattr(residual, "size", 0) != 1:
        raise DocumentError("`residual` returns no single number", path=place, remedy="Return one.")
    parts = point if isinstance(point, Mapping) else {"x": point}
    if not all(_writable(name, one) for name, one in parts.items()):
        raise DocumentError(
            "the state is neither an array of real or complex numbers nor a dict of such by plain names",
            path=place,
            remedy="Add a method `point(state)` that returns what is to be written.",
        )


def _writable(name: Any, value: Any) -> bool:
    """Names become those of files."""
    named = isinstance(name, str) and len(name) <= LONGEST_NAME and re.fullmatch(NAME_PATTERN, name) is not None
    return named and isinstance(value, jax.ShapeDtypeStruct) and bool(jnp.issubdtype(value.dtype, np.inexact))


def _forms(tree: Any) -> tuple[Any, ...]:
    leaves, form = jax.tree.flatten(tree)
    return form, [(one.shape, one.dtype) for one in leaves]
