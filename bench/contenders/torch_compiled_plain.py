"""PyTorch with forward, noise and backward compiled by Inductor (torch.compile), fused Adam."""

import torch

from . import torch_eager


class Contender(torch_eager.Contender):
    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        torch._dynamo.config.cache_size_limit = 100  # each problem is compiled for its own shapes

    def open(self, problem):
        super().open(problem)
        self.fresh_loss = torch.compile(super().fresh_loss, dynamic=False)
        self.draw_probabilities = torch.compile(torch_eager.draw_probabilities, dynamic=False)
