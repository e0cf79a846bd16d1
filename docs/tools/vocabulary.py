"""The pages of atoms and operators: formula, keys and a flow that runs, from the models of the flow document."""

from collections.abc import Mapping

import formulas
from tables import code, page, table

from flowapi import catalogue
from flowapi.atoms import ATOMS

FAMILIES = {
    "data": "Data and likelihoods",
    "structure": "Sparsity, jumps, groups, rank and graphs",
    "physics": "Smoothness and differential equations",
    "constraints": "Constraints",
    "coupling": "Terms that couple two arguments",
}
NOTATION = (
    "In the formulas λ is the term's `weight` (1 if left out), z its argument `arg`, b its `data` (0 if left out), and "
    "ι{…} a constraint: 0 where it holds, +∞ elsewhere. `cflow atoms NAME` prints the same. Every example runs as it "
    "stands: save it as a file and give it to `cflow run`."
)


def atoms_page() -> str:
    """Every atom, by family."""
    found = catalogue.atoms()
    sections = []
    for module, title in FAMILIES.items():
        names = [name for name in found if ATOMS[name].__module__.endswith(f".{module}")]
        sections.append(f"## {title}\n\n" + "\n\n".join(_entry(found[name], formulas.ATOMS[name]) for name in names))
    index = "\n".join(f"- {title}: {_links(module, found)}" for module, title in FAMILIES.items())
    return page("Atoms", f"An atom is a kind of term of the energy. {NOTATION}", index, *sections)


def operators_page() -> str:
    """Every operator."""
    found = catalogue.operators()
    lead = (
        "An operator is a linear map W that stands before a variable in a term's argument: `arg: D x`. "
        "`cflow operators NAME` prints what is said here; every example runs as it stands."
    )
    more = "Sinograms of other packages, their angles and centres: [Tomography](../how-to/tomography.md)."
    sections = [_entry(entry, formulas.OPERATORS[name]) for name, entry in found.items()]
    return page("Operators", lead, more, *(one.replace("### ", "## ", 1) for one in sections))


def _links(module: str, found: Mapping[str, catalogue.Entry]) -> str:
    return ", ".join(f"[`{name}`](#{name})" for name in found if ATOMS[name].__module__.endswith(f".{module}"))


def _entry(entry: catalogue.Entry, formula: str) -> str:
    keys = table(["key", "meaning"], [(code(key), meaning) for key, meaning in entry.keys.items()])
    example = catalogue.as_yaml(entry.example).rstrip()
    formula = f"$$\n{formula}\n$$"
    parts = [f"### {entry.name}", formula, entry.formula, *([keys] if entry.keys else []), f"```yaml\n{example}\n```"]
    return "\n\n".join(parts)
