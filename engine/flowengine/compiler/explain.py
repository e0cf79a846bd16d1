"""The compiler's choice in sentences."""

from __future__ import annotations

from flowapi.model import join
from flowengine.compiler.build import CompiledFlow
from flowengine.methods import External, Sampler


def explain(compiled: CompiledFlow) -> list[str]:
    """What runs and why: one line for the variable, one a term, and the method's own reasons."""
    problem = compiled.problem
    if isinstance(compiled.choice.method, External):
        return list(compiled.choice.reasons)
    variables = ", ".join(
        f"{one.name} ({'×'.join(str(n) for n in one.shape) or 'scalar'}, {problem.dtype})" for one in problem.unknowns
    )
    lines = [f"minimise over {variables}"]
    if isinstance(compiled.choice.method, Sampler):
        lines = [f"sample {variables} in {compiled.choice.method.chains} chains"]
    at = compiled.roles[0].term.path.rsplit("[", 1)[0] if compiled.roles else ""
    atoms = {join(at, index): spec.atom for index, spec in enumerate(compiled.document.terms)}
    lines += [f"{one.term.path} ({atoms[one.term.path]}) is {one.role.value}: {one.reason}" for one in compiled.roles]
    return [*lines, *compiled.choice.reasons]
