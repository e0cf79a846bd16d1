"""Mutants that change nothing which matters, each with the reason."""

EQUIVALENT: dict[str, str] = {}
