"""The KL of every prior but the plain Normal, and of point estimates: a run before a step's own.

Twin: `bnn_ref/priors/`. Compiled where a network has such a prior, so that others neither wait for
it nor carry it. It goes over the tensors' weights in tasks, computes sigma once more, and leaves in
work d KL / d mu and d KL / d rho, in the priors' records the KL itself, and for a learned prior the
derivatives by what it learns. `sample` takes the KL over, the update the derivatives.
"""

import numpy as np

from .addresses import fetch_add, memory_at, memory_of, view
from .arrays import fill, put, total, total_magnitude
from .elementary import exp, log, log_gap, mantissa, sigmoid, softplus, softplus_sigmoid
from .entries import entry
from .jit import kernel
from .laplace import laplace, point_laplace
from .likelihoods import HALF_LOG_TAU
from .machine import select, tiny_of, use_whole_vectors
from .philox import ROOM, normals
from .priors import ARRAYS, LAPLACE, MIXTURE, NO_PRIOR
from .records import DRAWN
from .sample import key_of
from .tasks import DONE, come, take, wait

STRETCH = 512  # weights whose KL is added up first
ARRAYS_OF_SCRATCH = 7  # of STRETCH numbers, before normals' ROOM

# where a task's tensor is, and its stretch of weights
TASK = np.dtype([("layer", np.int64), ("bias", np.int64), ("begin", np.int64), ("end", np.int64)])
# what it adds: the KL, the magnitudes of its derivatives, and those by a learned loc and rho
PART = np.dtype(
    {"names": ["kl", "slopes", "loc", "rho"], "formats": [np.float64] * 4, "itemsize": 64}
)


@kernel
def _spread(rho, shift, sigma, slope, kl):
    """Set sigma, d sigma / d rho, and what the KL of a sigma that has underflowed is short of.

    Twin: `layers.sigmas.sigma_for_kl`: such a sigma counts as the smallest normal number.
    """
    use_whole_vectors()
    T = type(sigma[0])
    tiny = tiny_of(sigma[0])
    log_tiny = log(T(tiny))
    for i in range(rho.size):
        soft, by_rho = softplus_sigmoid(rho[i])
        its = shift + soft
        lost = its < tiny
        sigma[i] = select(lost, T(tiny), its)
        slope[i] = select(lost, T(tiny), by_rho)
        kl[i] = select(lost, log_tiny - rho[i], T(0.0))


@kernel
def _arrays(m, s, mu, sigma, slope, kl, kl_mu, kl_rho):
    """Add the KL from Normal priors of arrays m and s to kl, and set its derivatives."""
    use_whole_vectors()
    T = type(mu[0])
    for i in range(mu.size):
        d = (sigma[i] - s[i]) / s[i]
        exponent, m_s = mantissa(s[i])
        kl[i] += T(0.5) * d * d + log_gap(sigma[i], d, exponent, T(1.0) / m_s)
    for i in range(mu.size):
        z = (mu[i] - m[i]) / s[i]
        kl[i] += T(0.5) * z * z
        kl_mu[i] = z / s[i]
    for i in range(mu.size):
        d = (sigma[i] - s[i]) / s[i]
        kl_rho[i] = d * ((s[i] + sigma[i]) / s[i]) / sigma[i] * slope[i]


@kernel
def _densities(constants, locs, scales, w, most, mass, slopes, kl):
    """Add -log p(w) of a mixture to kl, and set slopes to its derivative."""
    use_whole_vectors()
    T = type(w[0])
    fill(most, -np.inf)
    fill(mass, 0.0)
    fill(slopes, 0.0)
    for k in range(constants.size):
        constant, m, s = constants[k], locs[k], scales[k]
        for i in range(w.size):
            z = (w[i] - m) / s
            term = constant - T(0.5) * z * z
            most[i] = select(term > most[i], term, most[i])
    for k in range(constants.size):
        constant, m, s = constants[k], locs[k], scales[k]
        for i in range(w.size):
            z = (w[i] - m) / s
            share = exp(constant - T(0.5) * z * z - most[i])
            mass[i] += share
            slopes[i] += share * (z / s)
    for i in range(w.size):
        kl[i] -= most[i] + log(mass[i])
        slopes[i] /= mass[i]


@kernel
def _drawn(mu, sigma, eps, w, kl):
    """Set w = mu + sigma eps, and add log q(w) to kl."""
    use_whole_vectors()
    T = type(mu[0])
    for i in range(mu.size):
        w[i] = mu[i] + sigma[i] * eps[i]
        kl[i] += T(-0.5) * eps[i] * eps[i] - log(sigma[i]) - T(HALF_LOG_TAU)


@kernel
def _through_draw(by_w, eps, sigma, slope, kl_mu, kl_rho):
    """Set the derivatives of log q(w) - log p(w) by mu and by rho at eps held fixed."""
    use_whole_vectors()
    T = type(by_w[0])
    for i in range(by_w.size):
        kl_mu[i] = by_w[i]
        kl_rho[i] = (by_w[i] * eps[i] - T(1.0) / sigma[i]) * slope[i]


@kernel
def _by_learned(m, s, mu, sigma, by_loc, by_scale):
    """Set by_loc = -z/s and by_scale = ((s - sigma)/s (s + sigma)/s - z^2)/s, z = (mu - m)/s."""
    use_whole_vectors()
    for i in range(mu.size):
        z = (mu[i] - m) / s
        by_loc[i] = -z / s
        by_scale[i] = (((s - sigma[i]) / s) * ((s + sigma[i]) / s) - z * z) / s


@kernel
def _point_normal(m, s, mu, kl, kl_mu):
    """Set kl to -log p(mu) of Normal priors of arrays m and s, and kl_mu to its derivative."""
    use_whole_vectors()
    T = type(mu[0])
    for i in range(mu.size):
        z = (mu[i] - m[i]) / s[i]
        kl[i] = T(0.5) * z * z + (log(s[i]) + T(HALF_LOG_TAU))
        kl_mu[i] = z / s[i]


@kernel
def _times(a, factor):
    """Multiply a by a factor."""
    use_whole_vectors()
    for i in range(a.size):
        a[i] *= type(a[0])(factor)


@kernel
def _stretch(tensor, start, n, shift, key, drawn, parameters, work, scratch, part):
    """Do a stretch of up to STRETCH weights of a tensor, and add to the task's part."""
    prior = tensor.prior
    mu = view(parameters, tensor.mu + start, n)
    kl_mu = view(work, tensor.kl_mu + start, n)
    kl_rho = view(work, tensor.kl_rho + start, n)
    kl = view(scratch, 0, n)
    sigma, slope = view(scratch, 1 * STRETCH, n), view(scratch, 2 * STRETCH, n)
    a, b = view(scratch, 3 * STRETCH, n), view(scratch, 4 * STRETCH, n)
    c, eps = view(scratch, 5 * STRETCH, n), view(scratch, 6 * STRETCH, n)
    code, size, T = prior.code, prior.count, type(kl[0])
    locs = view(work, prior.values + start, n)
    scales = view(work, prior.values + size + start, n)
    fill(kl, 0.0)
    if prior.is_point == 0 and code != NO_PRIOR:
        _spread(view(parameters, tensor.rho + start, n), T(shift), sigma, slope, kl)
    if code == NO_PRIOR:
        fill(kl_mu, 0.0)
        fill(kl_rho, 0.0)
    elif code == LAPLACE:
        loc, scale = prior.normal.loc, prior.normal.scale
        if prior.is_point == 1:
            point_laplace(loc, scale, mu, kl, kl_mu)
        else:
            laplace(loc, scale, mu, sigma, slope, kl, kl_mu, kl_rho)
    elif code == ARRAYS:
        if prior.is_point == 1:
            _point_normal(locs, scales, mu, kl, kl_mu)
        else:
            _arrays(locs, scales, mu, sigma, slope, kl, kl_mu, kl_rho)
    elif code == MIXTURE:
        constants = view(work, prior.values, size)
        means = view(work, prior.values + size, size)
        deviations = view(work, prior.values + 2 * size, size)
        if prior.is_point == 1:
            _densities(constants, means, deviations, mu, a, b, kl_mu, kl)
        else:
            if drawn:
                normals(eps, start, view(scratch, ARRAYS_OF_SCRATCH * STRETCH, ROOM), key)
            else:
                put(view(work, tensor.delta + start, n), eps, False)
            w = view(work, tensor.kl_mu + start, n)  # until the derivative takes its place
            _drawn(mu, sigma, eps, w, kl)
            _densities(constants, means, deviations, w, a, b, c, kl)
            _through_draw(c, eps, sigma, slope, kl_mu, kl_rho)
    else:
        loc, scale = T(prior.normal.loc), T(prior.normal.scale)
        if prior.loc >= 0:
            loc = view(parameters, prior.loc, 1)[0]
        if prior.rho >= 0:
            scale = softplus(view(parameters, prior.rho, 1)[0])
        fill(a, loc)
        fill(b, scale)
        _arrays(a, b, mu, sigma, slope, kl, kl_mu, kl_rho)
        _by_learned(loc, scale, mu, sigma, a, b)
        part.loc += prior.factor * total(a)
        part.rho += prior.factor * total(b)
    if prior.factor != 1.0:
        _times(kl_mu, prior.factor)
        if prior.is_point == 0:
            _times(kl_rho, prior.factor)
    part.kl += prior.factor * total(kl)
    part.slopes += total_magnitude(kl_mu)
    if prior.is_point == 0:
        part.slopes += total_magnitude(kl_rho)


@kernel
def _start(layers):
    """Set what is to be found to 0."""
    for k in range(layers.size):
        layers[k].kernel.prior.kl = 0.0
        layers[k].kernel.prior.slopes = 0.0
        layers[k].bias.prior.kl = 0.0
        layers[k].bias.prior.slopes = 0.0


@kernel
def _add_part(prior, part, parameters, work):
    """Add a task's part to what is found; the derivatives by what is learned to their places."""
    T = type(view(work, 0, 1)[0])
    prior.kl += part.kl
    prior.slopes += part.slopes
    if prior.own >= 0:
        own = view(work, prior.own, 2)
        place = 0
        if prior.loc >= 0:
            own[0] += T(part.loc)
            place = 1
        if prior.rho >= 0:
            own[place] += T(part.rho * np.float64(sigmoid(view(parameters, prior.rho, 1)[0])))
        prior.slopes += abs(part.loc) + abs(part.rho)


@entry
def other_kl(tasks, parts, layers, settings, control, scratch, thread):
    """Take part in a run over the tensors that have such a prior.

    Parameters
    ----------
    tasks, parts : records TASK and PART (n,)
        A tensor's stretches one after the other.
    layers, settings : LAYER (L,) and RUN (1,) records
    control, scratch, thread
        As for `run`.
    """
    if not come(control, thread):
        return
    this, zero = settings[0], scratch[0]
    parameters, work = memory_at(this.parameters, zero), memory_at(this.work, zero)
    mine = memory_of(scratch)
    count = tasks.size
    while True:
        j = take(control, 0, count, thread)
        if j < 0:
            break
        task, part = tasks[j], parts[j]
        layer = layers[task.layer]
        tensor = layer.bias if task.bias == 1 else layer.kernel
        part.kl = part.slopes = part.loc = part.rho = 0.0
        key = key_of(this, tensor.stream)
        for s in range(task.begin, task.end, STRETCH):
            n = min(STRETCH, task.end - s)
            _stretch(tensor, s, n, layer.scale_shift, key, this.eps == DRAWN, parameters, work,
                     mine, part)  # fmt: skip
        fetch_add(control, DONE, 1)
    wait(control, DONE, count, -1)
    if thread == 0:
        _start(layers)
        for j in range(count):
            layer = layers[tasks[j].layer]
            tensor = layer.bias if tasks[j].bias == 1 else layer.kernel
            if tasks[j].begin == 0 and tensor.prior.own >= 0:
                fill(view(work, tensor.prior.own, 2), 0.0)
            _add_part(tensor.prior, parts[j], parameters, work)
