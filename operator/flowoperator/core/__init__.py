"""Decisions: pure functions of what was seen."""
