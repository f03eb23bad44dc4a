"""The end of a gradient, for layers of every kind: the KL's share is added, then it is used up.

Twins: `FlipoutLayer` and `PointLayer` in bnn_ref/layers/, in `posterior.py` and `point.py`.
"""

from .adam import use_up
from .addresses import view
from .jit import kernel
from .machine import multiply_add, use_whole_vectors
from .priors import add_kl_mu


@kernel
def _through_rho(g, factor, kl_rho, kl_weight):
    """Turn g from the nll's gradient by delta into the loss's by rho."""
    use_whole_vectors()
    weight = type(g[0])(kl_weight)
    for i in range(g.size):
        g[i] = multiply_add(g[i], factor[i], weight * kl_rho[i])


@kernel
def add_scaled(a, b, weight):
    """Add weight * b to a."""
    use_whole_vectors()
    weight = type(a[0])(weight)
    for i in range(a.size):
        a[i] = multiply_add(weight, b[i], a[i])


@kernel
def update_tensor(tensor, start, by_mu, by_delta, run, memory):
    """Finish the gradients of some weights of a tensor, from `start` on, and use them up."""
    n = by_mu.size
    if tensor.kl_mu >= 0:
        add_scaled(by_mu, view(memory.work, tensor.kl_mu + start, n), run.kl_weight)
    else:
        mu = view(memory.parameters, tensor.mu + start, n)
        add_kl_mu(tensor.prior, mu, by_mu, run.kl_weight)
    _through_rho(by_delta, view(memory.work, tensor.factor + start, n),
                 view(memory.work, tensor.kl_rho + start, n), run.kl_weight)  # fmt: skip
    use_up(by_mu, tensor.mu + start, run, memory)
    use_up(by_delta, tensor.rho + start, run, memory)


@kernel
def update_point(tensor, start, by_mu, run, memory):
    """Finish the gradient of some point estimates of a tensor, and use it up."""
    if tensor.kl_mu >= 0:
        add_scaled(by_mu, view(memory.work, tensor.kl_mu + start, by_mu.size), run.kl_weight)
    use_up(by_mu, tensor.mu + start, run, memory)
