"""The compiler's choice in sentences."""

from __future__ import annotations

from flowengine.compiler.build import CompiledFlow


def explain(compiled: CompiledFlow) -> list[str]:
    """What runs and why: one line for the variable, one a term, and the method's own reasons."""
    problem = compiled.problem
    shape = "×".join(str(n) for n in problem.shape) or "scalar"
    lines = [f"minimise over {problem.variable} ({shape}, {problem.dtype})"]
    for spec, role in zip(compiled.document.terms, compiled.roles, strict=True):
        lines.append(f"{role.term.path} ({spec.atom}) is {role.role.value}: {role.reason}")
    return [*lines, *compiled.choice.reasons]
