"""Conv1DFlipout: a convolution of signals, which are images with one row."""

from .base import register
from .conv_flipout import Conv2DFlipout


@register
class Conv1DFlipout(Conv2DFlipout):
    """A convolution of signals (T, C) with a kernel (k, C, F): `Conv2DFlipout` with one dimension.

    Parameters
    ----------
    filters, padding, activation, kernel_prior, bias, bias_prior, scale_shift, initializer, \
initial_sigma
        As for `Conv2DFlipout`.
    kernel_size, strides : int
        k, and how far apart places are.
    input_shape : (int, int), optional
        (T, C).
    """

    type = "Conv1DFlipout"
    dims = 1
