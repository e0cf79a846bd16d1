"""The Moreau–Yosida regularised unadjusted Langevin algorithm: `ula` where terms have a prox but no gradient.

Such a term h enters by the gradient of its Moreau envelope, (z − prox_{λh}(z))/λ at z = Wx, with λ = `smoothing`: the
distribution is that of the smoothed energy, which tends to exp(−E/T) as λ → 0.
Source: Durmus, Moulines and Pereyra, SIAM Journal on Imaging Sciences 11, 2018.
"""

from __future__ import annotations

from flowapi.frozen import frozen
from flowengine.methods.ula import Ula


@frozen
class Myula(Ula):
    """The kernel `myula`; `hypers.smoothing` is λ."""

    name: str = "myula"
