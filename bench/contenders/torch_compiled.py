"""PyTorch compiled, at its best: random numbers from eager's generator, signs through a table."""

import torch
import torch._inductor.config

from . import torch_compiled_plain, torch_signs


class Contender(torch_compiled_plain.Contender):
    signs = staticmethod(torch_signs.signs)

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        torch._inductor.config.fallback_random = True  # Inductor's own draws each number anew
