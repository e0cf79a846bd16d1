"""Kubernetes' quantities: `500m`, `1.5Gi`, `2e9`, exactly, rounded up to a billionth as the apiserver does."""

import math
import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainValidator, StringConstraints, WithJsonSchema

from flowapi.forms import FORMS, QUANTITY, SIZE
from flowapi.model import DocumentFinding
from flowapi.numbers import LARGEST_EXACT_INTEGER

LONGEST = 32
BOUND = 2**63 - 1  # the apiserver takes whatever is larger for this number
_NANO = 10**9
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def amount(value: str | int) -> Fraction | None:
    """The number behind a quantity; None for a text that is none."""
    text = str(value)
    if re.fullmatch(QUANTITY.strip("^$"), text) is None or len(text) > LONGEST:
        return None
    number = re.match(r"[0-9.]+", text)
    digits = number[0] if number else ""
    suffix = text[len(digits) :]
    if suffix in _BINARY:
        exact = Fraction(digits) * 2 ** _BINARY[suffix]
    else:
        power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
        exact = Fraction(digits) * Fraction(10) ** power
    return Fraction(math.ceil(exact * _NANO), _NANO)


def _is_quantity(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        quoted = f'Quote it: "{value}".' if isinstance(value, float) else FORMS[QUANTITY].remedy
        raise DocumentFinding("a quantity must be a text or a whole number", remedy=quoted)
    found = amount(value)
    if found is None:
        raise DocumentFinding(f"`{str(value)[:60]}` is no {FORMS[QUANTITY].wanted}", remedy=FORMS[QUANTITY].remedy)
    if found >= BOUND or (isinstance(value, int) and value > LARGEST_EXACT_INTEGER):
        raise DocumentFinding(f"{value} is more than any node has", remedy=FORMS[QUANTITY].remedy)
    return value


Size = Annotated[str, StringConstraints(pattern=SIZE, max_length=LONGEST)]
Quantity = Annotated[
    str | int,
    PlainValidator(_is_quantity),
    WithJsonSchema({
        "x-kubernetes-int-or-string": True,
        "maxLength": LONGEST,
        "maximum": LARGEST_EXACT_INTEGER,
        "x-kubernetes-validations": [
            {
                "rule": f"string(self).matches(r'{QUANTITY}')",
                "message": f"this is no {FORMS[QUANTITY].wanted}. {FORMS[QUANTITY].remedy}",
            },
            {
                "rule": f"!isQuantity(string(self)) || quantity(string(self)).isLessThan(quantity('{BOUND}'))",
                "message": "this is more than any node has.",
            },
        ],
    }),
]  # fmt: skip
