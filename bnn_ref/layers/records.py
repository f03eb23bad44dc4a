"""What a step holds of one layer: its parameters, and the intermediates of its passes."""

from __future__ import annotations

from types import SimpleNamespace


class LayerTrace(SimpleNamespace):
    """One layer's intermediates, in the order in which they are computed.

    Every layer's has ``inputs`` and ``outputs``; the rest is named by the layer, see
    `DenseFlipout.forward`.
    """


class LayerParameters(SimpleNamespace):
    """One layer's parameters, or their gradients: views into the flat vector by their names.

    Attributes
    ----------
    scale_shift : float or None
        c of sigma = c + softplus(rho), settled; None for a layer without a posterior.
    kernel_mu, ... : array or None
        The layer's ``tensors``; None where its options leave one out.
    layers : tuple of LayerParameters
        Only of a layer that has others inside: theirs.
    """
