"""Flows that a Python function builds: `entrypoint: "package.module:build"`.

`build(data, params)` gets the document's arrays and numbers by name, and returns a `Problem`, for which the compiler
chooses a method as for any other, or an object with `init`, `step` and `residual` (see `methods.external`).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError, FlowError
from flowapi.flow import FlowDocument
from flowapi.model import is_name, join
from flowengine.compiler.choice import Choice, hypers_of
from flowengine.compiler.choose import choose
from flowengine.compiler.load import Arrays
from flowengine.compiler.splitting import exactly, not_by_admm
from flowengine.compiler.variables import structure
from flowengine.methods import External
from flowengine.problem import Problem, Unknown

T = TypeVar("T")
NEEDED = ("init", "step", "residual")


def built_by_entry(document: FlowDocument, entrypoint: str, data: Arrays, at: str) -> tuple[Problem, Choice, str]:
    """The problem, the choice for it, and the SHA-256 of the module's source.

    Raises:
        DocumentError: the module or the function is not there, fails, or returns something else.
    """
    place = join(at, "entrypoint")
    module, name = entrypoint.split(":")
    found, build = _function(module, name, place)
    built = _answer(lambda: build({key: data[key] for key in data}, dict(document.params)), f"`{entrypoint}`", place)
    source = hashlib.sha256(Path(found.__file__).read_bytes()).hexdigest() if found.__file__ else ""
    if isinstance(built, Problem):
        _check_problem(built, document, at)
        policy = document.policy
        if exactly(built, policy) and not not_by_admm(built):
            policy = policy.model_copy(update={"algorithm": "admm"})
        choice = _answer(lambda: choose(built, policy, at), "its problem", place)
        return replace(built, equations=choice.equations), choice, source
    _check_program(built, document, entrypoint, at)
    method = External(built)
    _check_forms(method, place)
    problem = Problem((), None, (), init=None, unknowns=(Unknown("x", ()),), dtype=document.dtype)
    hypers = hypers_of(problem, float("nan"), ())
    return problem, Choice(method, hypers, (f"entrypoint: {entrypoint}",)), source


def _answer(call: Callable[[], T], what: str, place: str) -> T:
    """What somebody else's code returns; whatever it raises becomes an error with a path."""
    try:
        return call()
    except FlowError:
        raise
    except (Exception, SystemExit) as error:
        message = f"{what} failed: {type(error).__name__}: {error}"
        raise DocumentError(message, path=place, remedy="Call it by itself to see where.") from error


def _function(module: str, name: str, place: str) -> tuple[ModuleType, Any]:
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        message = f"the module `{module}` can't be imported: {type(error).__name__}: {error}"
        remedy = "Put it in the image; on a laptop install it, or put its folder on PYTHONPATH."
        raise DocumentError(message, path=place, remedy=remedy) from error
    if not callable(getattr(found, name, None)):
        raise DocumentError(f"`{module}` has no function `{name}`", path=place, remedy="Write `module:function`.")
    return found, getattr(found, name)


def _check_problem(built: Problem, document: FlowDocument, at: str) -> None:
    """See that a problem has variables of plain names, of the flow's dtype and the form of its start."""
    if document.policy.samples:
        message = "a problem that an entry point builds is not sampled in this version"
        raise DocumentError(message, path=join(at, "policy"), remedy="Remove it, or write the terms down.")
    names = [one.name for one in built.unknowns]
    wrong = ""
    if not names or len(set(names)) < len(names) or not all(map(is_name, names)):
        wrong = "has no variables of different plain names"
    elif built.dtype != document.dtype:
        wrong = f"is of {built.dtype}, the flow of {document.dtype}"
    elif _forms(built.init) != _forms(structure(built.unknowns, built.dtype)):
        wrong = "has an `init` of another form than its variables"
    if wrong:
        raise DocumentError(f"the problem {wrong}", path=join(at, "entrypoint"), remedy="Mend what it returns.")


def _check_program(built: Any, document: FlowDocument, entrypoint: str, at: str) -> None:
    """See that an object is an iteration, beside a document that leaves it alone."""
    lacking = [name for name in NEEDED if not callable(getattr(built, name, None))]
    if lacking:
        raise DocumentError(
            f"`{entrypoint}` returned a {type(built).__name__} without {' and '.join(lacking)}",
            path=join(at, "entrypoint"),
            remedy="Return a Problem, or an object with init(key), step(state) and residual(state).",
        )
    chosen = sorted(document.policy.model_fields_set - {"threads"})
    if chosen:
        raise DocumentError(
            f"`{entrypoint}` brings its own iteration, which this key can't change",
            path=join(at, "policy", chosen[0]),
            remedy="Remove it.",
        )


def _check_forms(method: External, place: str) -> None:
    """See that steps keep the form of the state, and that residual, energy and point are what they have to be."""
    built = method.program
    state = _answer(lambda: jax.eval_shape(built.init, jax.random.key(0)), "`init`", place)
    step, point = (
        _answer(lambda act=act: jax.eval_shape(act, state), f"`{name}`", place)  # type: ignore[misc]
        for name, act in (("step", built.step), ("point", method.point))
    )
    if _forms(state) != _forms(step):
        raise DocumentError("`step` returns another form of state than `init`", path=place, remedy="Make them equal.")
    for name in ("residual", "energy"):
        act = getattr(built, name, None)
        value: Any = _answer(lambda act=act: jax.eval_shape(act, state), f"`{name}`", place) if act else None  # type: ignore[misc]
        if act and (getattr(value, "size", 0) != 1 or jnp.issubdtype(value.dtype, jnp.complexfloating)):
            raise DocumentError(f"`{name}` returns no single real number", path=place, remedy="Return one.")
    parts = point if isinstance(point, Mapping) else {"x": point}
    if not all(_writable(name, one) for name, one in parts.items()):
        raise DocumentError(
            "the state is neither an array of real or complex numbers nor a dict of such by plain names",
            path=place,
            remedy="Add a method `point(state)` that returns what is to be written.",
        )


def _writable(name: Any, value: Any) -> bool:
    return is_name(name) and isinstance(value, jax.ShapeDtypeStruct) and bool(jnp.issubdtype(value.dtype, np.inexact))


def _forms(tree: Any) -> tuple[Any, ...]:
    leaves, form = jax.tree.flatten(tree)
    return form, [(one.shape, one.dtype) for one in leaves]
