"""The energy of a flow as MathML, which browsers render without a library; every text of the document is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from flowapi.atoms import ATOMS

FORMULAS: Mapping[str, str] = {
    "quadratic": "½‖{z} − {data}‖²", "weighted": "½‖{factors} ⊙ ({z} − {data})‖²",
    "quadratic_form": "½({z} − {data})ᵀ {matrix} ({z} − {data})", "huber": "Σ h_{delta}({z} − {data})",
    "poisson": "Σ ({z} − {data} log {z})", "kullback_leibler": "KL({data} | {z})",
    "logistic": "Σ log(1 + exp(−{data} ⊙ {z}))", "cross_entropy": "Σ (log Σ exp {z} − {z}_{data})",
    "hinge": "Σ max(0, 1 − {data} ⊙ {z})", "pinball": "Σ ρ_{quantile}({data} − {z})", "linear": "⟨{costs}, {z}⟩",
    "tikhonov": "½‖{z}‖²", "gradient": "½‖∇{z}‖²", "laplacian": "½‖Δ{z} − {data}‖²", "l1": "‖{z} − {data}‖₁",
    "analysis_l1": "‖{z}‖₁", "wavelet_l1": "‖W {z}‖₁", "elastic_net": "({l1} ‖{z}‖₁ + {l2} ½‖{z}‖²)",
    "norm_l21": "‖{z} − {data}‖₂₁", "overlapping_group": "Σ ‖{z}‖₂", "tv": "TV({z})", "tv2": "TV²({z})",
    "nuclear": "‖{z} − {data}‖_*", "dirichlet": "½{z}ᵀ L {z}", "graph_tv": "TV_G({z})",
    "graph_wavelet_l1": "‖W_G {z}‖₁",
    "pde_poisson": "½‖Δ{z} − {data}‖²", "heat": "½‖∂_t {z} − {kappa} Δ{z}‖²", "wave": "½‖∂_t² {z} − {speed}² Δ{z}‖²",
    "divergence": "½‖∇·{z} − {data}‖²", "curl": "½‖∇×{z}‖²", "boundary": "½‖{z} − {data}‖²_∂Ω",
    "box": "ι({lo} ≤ {z} ≤ {hi})", "nonnegative": "ι({z} ≥ {data})", "simplex": "ι({z} ≥ 0, Σ {z} = {total})",
    "l1_ball": "ι(‖{z} − {data}‖₁ ≤ {radius})", "l2_ball": "ι(‖{z} − {data}‖ ≤ {radius})",
    "knapsack": "ι({costs}ᵀ {z} ≤ {budget})", "affine": "ι({matrix} {z} = {data})", "semidefinite": "ι({z} ≽ 0)",
    "cardinality": "ι(‖{z}‖₀ ≤ {count})", "negative_entropy": "Σ {z} log {z}", "relative_entropy": "KL({z} | {data})",
    "log_barrier": "−Σ log {z}", "log_det": "−log det {z}", "consensus": "½‖{z} − {with}‖²",
    "low_rank": "½‖{z} {with}ᵀ − {data}‖²", "bilinear": "⟨{z}, {with}⟩", "orthogonality": "½‖{z}ᵀ{z} − I‖²",
}  # fmt: skip
_NO_DATA = re.compile(r" − \{data\}")
_TOKENS = re.compile(r"\{\w+\}|_\{\w+\}|_[^\W\d_∂]|_∂Ω|_\*|[^\W\d_₀₁₂ᵀ]+|\d+(?:\.\d+)?|[₀₁₂]+|[²ᵀ]|\S")
_RAISED = {"²": "<mn>2</mn>", "ᵀ": "<mo>⊤</mo>"}
_LOWERED = str.maketrans("₀₁₂", "012")
_SPACE = '<mspace width="0.12em"/>'
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def energy(document: Mapping[str, Any]) -> str:
    """E(x) = the sum of all terms, as one MathML element; empty where there are none."""
    terms = [_weighted(term) for term in document.get("terms") or () if isinstance(term, Mapping)]
    variables = document.get("variables")
    names = ", ".join(map(str, variables)) if isinstance(variables, Mapping) else "x"
    if not terms:
        return ""
    head = f"<mi>E</mi><mo>(</mo>{_name(names)}<mo>)</mo><mo>=</mo>"
    return f'<math display="block"><mrow>{head}{"<mo>+</mo>".join(terms)}</mrow></math>'


def params_of(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The named numbers that weights refer to, with their values."""
    params = document.get("params")
    found = params.items() if isinstance(params, Mapping) else ()
    return [(str(name), one.get("value")) for name, one in found if isinstance(one, Mapping)]


def _weighted(term: Mapping[str, Any]) -> str:
    weight = term.get("weight", 1)
    return ("" if weight == 1 else f"{_name(weight)}<mo>·</mo>") + f"<mrow>{_formula(term)}</mrow>"


def _formula(term: Mapping[str, Any]) -> str:
    template = FORMULAS.get(str(term.get("atom")), "{atom}({z})")
    if "data" not in term:
        template = _NO_DATA.sub("", template).replace("{data}", "0")
    if term.get("atom") == "box":
        template = "".join(("ι(", "{lo} ≤ " if "lo" in term else "", "{z}", " ≤ {hi}" if "hi" in term else "", ")"))
    parts: list[str] = []
    for match in _TOKENS.finditer(template):
        _put(parts, match.group(), term)
    return "".join(parts)


def _put(parts: list[str], word: str, term: Mapping[str, Any]) -> None:
    """One word of a template after those before it: raised and lowered ones belong to the last."""
    if word in _RAISED:
        parts.append(f"<msup>{parts.pop()}{_RAISED[word]}</msup>")
    elif word[0] in "₀₁₂":
        digits = "".join(f"<mn>{one}</mn>" for one in word.translate(_LOWERED))
        parts.append(f"<msub>{parts.pop()}<mrow>{digits}</mrow></msub>")
    elif word[0] == "_" and len(word) > 1:
        lowered = _filled(word[2:-1], term) if word[1] == "{" else f"<mi>{escape(word[1:])}</mi>"
        parts.append(f"<msub>{parts.pop()}{lowered}</msub>")
    elif word[0] == "{":
        parts.append(_filled(word[1:-1], term))
    elif word in ("log", "exp", "max", "det", "TV", "KL"):
        parts.append(f'<mi mathvariant="normal">{word}</mi>')
    elif word[0].isdigit() or word == "½":
        parts.append(f"<mn>{word}</mn>")
    else:
        parts.append(f"<mi>{word}</mi>" if word[0].isalpha() else f"<mo>{word}</mo>")


def _filled(key: str, term: Mapping[str, Any]) -> str:
    if key == "z":
        return _argument(term.get("arg"))
    if key == "with":
        return _argument(term.get("with"))
    model = ATOMS.get(str(term.get("atom")))
    usual = model.model_fields[key].default if model and key in model.model_fields else key
    return _name(term.get(key, usual if isinstance(usual, int | float) else key))


def _argument(arg: object) -> str:
    match arg:
        case str():
            return f"<mrow>{_SPACE.join(_name(word) for word in arg.split())}</mrow>"
        case list() | tuple():
            parts = [_summand(one) for one in arg if isinstance(one, Mapping)]
            return f"<mrow><mo>(</mo>{'<mo>+</mo>'.join(parts)}<mo>)</mo></mrow>" if len(parts) > 1 else "".join(parts)
        case _:
            return "<mi>x</mi>"


def _summand(one: Mapping[str, Any]) -> str:
    scale = one.get("scale", 1)
    words = _argument(" ".join(str(one[key]) for key in ("op", "var") if one.get(key)))
    return words if scale == 1 else f"{_name(scale)}<mo>·</mo>{words}"


def _name(value: object) -> str:
    text = str(value)
    return f"<mn>{escape(text)}</mn>" if _NUMBER.fullmatch(text) else f"<mi>{escape(text)}</mi>"
