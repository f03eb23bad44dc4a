"""TensorFlow Probability as in `tfp.py`, the step compiled by XLA (``jit_compile=True``)."""

from . import tfp


class Contender(tfp.Contender):
    jit_compile = True
