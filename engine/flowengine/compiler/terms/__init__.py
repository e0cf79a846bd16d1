"""From a term's keys to its atoms, each with the linear map that it acts on: a builder an atom, a file a family."""

from flowengine.compiler.terms import composed, constraints, coupling, forms, physics, simple
from flowengine.compiler.terms.registry import build_terms

__all__ = ["build_terms", "composed", "constraints", "coupling", "forms", "physics", "simple"]
