"""How a dense layer of PyTorch is read: declared once for each kind, a person's own among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

FORMS = ("softplus", "exp", "exp_half", "sigma")  # what sigma is of the layer's second parameter


class LayerHook(NamedTuple):
    """How a kind of dense layer is read.

    Attributes
    ----------
    kind : class
        Of the layers, a subclass of `torch.nn.Module`.
    tensors : callable, (layer) -> mapping
        "kernel" and, where it is random, "bias" to (mu, spread), the parameters themselves; a
        deterministic bias to (mu, None).
    prior : callable, (layer, "kernel" or "bias") -> (loc, scale), or a prior's description
        As in `docs/vectors.md`.
    kl : callable, (layer) -> tensor
        The layer's KL summed over its weights, after the call.
    sigma : str
        "softplus": sigma = shift + softplus(spread); "exp": exp(spread); "exp_half":
        exp(spread / 2); "sigma": the spread itself.
    transposed : bool
        True where the kernel lies (outputs, inputs), as PyTorch's.
    flipped : bool
        True where the bias's draw takes the output signs.
    shift : float
    noise : callable, (draws, arrays) -> mapping, optional
        From what the layer drew, [(kind, array)], and {"inputs", "outputs", "kernel", "bias"} to
        kernel_eps (in the layer's layout), bias_eps, sign_input, sign_output. Unless given: normal
        draws by their shapes; signs from draws of the inputs' and the outputs' shape, by whatever
        gives -1 and +1; +1 where there are none.
    """

    kind: type
    tensors: Callable[[Any], Mapping[str, tuple[Any, Any]]]
    prior: Callable[[Any, str], Any]
    kl: Callable[[Any], Any]
    sigma: str = "softplus"
    transposed: bool = True
    flipped: bool = False
    shift: float = 0.0
    noise: Callable[..., Mapping[str, Any]] | None = None
