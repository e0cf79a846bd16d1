"""What decides the numbers, in one revision and another."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from flowapi.revision import RevisionFile


def diff(one: RevisionFile, other: RevisionFile) -> str:
    """Two revisions as a unified diff of their YAML; empty where they are the same."""
    before, after = (
        yaml.safe_dump(rev.tuple.model_dump(mode="json"), allow_unicode=True).splitlines(keepends=True)
        for rev in (one, other)
    )
    return "".join(difflib.unified_diff(before, after, one.hash, other.hash))
