"""The perturbation of local reparameterisation under a mistake, and its derivatives.

a = mean + s eps with s = sqrt(x^2 sigma^2 + sigma_b^2); a mistake changes a power, leaves the bias
out, or shares the draw. `variants.py` asks here where a layer's noise is of this kind.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .switches import Variant

# form -> powers of the inputs, of sigma and of the sum; a first power of the inputs is abs(x)
POWERS = {
    "": (2, 2, 0.5),
    "variance": (2, 2, 1.0),
    "sigma": (2, 1, 0.5),
    "added": (1, 1, 1.0),
}


def perturb(t: SimpleNamespace, eps: NDArray[Any], variant: Variant) -> NDArray[Any]:
    """Return the perturbation (B, O); what its derivatives need is left on the trace.

    Parameters
    ----------
    t : SimpleNamespace
        With x, sigma and, of a random bias, bias_sigma.
    eps : array (B, O)
    variant : Variant
    """
    of_x, of_sigma, of_sum = POWERS.get(variant.local, POWERS[""])
    t.local_eps = eps
    t.powers = np.abs(t.x) ** of_x, t.sigma**of_sigma
    t.by_x = of_x * np.abs(t.x) ** (of_x - 1) * np.sign(t.x)
    t.by_sigma = of_sigma * t.sigma ** (of_sigma - 1)
    spread = t.powers[0] @ t.powers[1]
    t.bias_inside = t.layer.bias_is_random and not variant.local.startswith("bias")
    if t.bias_inside:
        spread = spread + t.bias_sigma**of_sigma
        t.by_bias_sigma = of_sigma * t.bias_sigma ** (of_sigma - 1)
    zero = spread == 0
    t.by_spread = np.where(zero, 0, of_sum * np.where(zero, 1, spread) ** (of_sum - 1))
    t.bias_outside = t.layer.bias_is_random and variant.local == "bias_apart"
    scale = spread**of_sum + (t.bias_sigma if t.bias_outside else 0.0)
    return scale * eps


def perturb_backward(
    t: SimpleNamespace, grad_a: NDArray[Any], lost: str = ""
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return the gradients by the inputs (B, I), by sigma (I, O) and by the bias's sigma (O,).

    Parameters
    ----------
    t : SimpleNamespace
        As `perturb` left it.
    grad_a : array (B, O)
    lost : str
        Where eps is left out of the gradients by sigma, `Variant.eps_chain`.
    """
    grad_scale = grad_a * t.local_eps
    grad_x = t.by_x * ((grad_scale * t.by_spread) @ t.powers[1].T)
    of_kernel = grad_a if lost in ("all", "kernel") else grad_scale
    grad_sigma = t.by_sigma * (t.powers[0].T @ (of_kernel * t.by_spread))
    grad_scale = grad_a if lost in ("all", "bias") else grad_scale
    if not t.layer.bias_is_random:
        return grad_x, grad_sigma, None
    if t.bias_inside:
        return grad_x, grad_sigma, t.by_bias_sigma * np.sum(grad_scale * t.by_spread, axis=0)
    whole = np.sum(grad_scale, axis=0)
    return grad_x, grad_sigma, whole if t.bias_outside else np.zeros_like(whole)
