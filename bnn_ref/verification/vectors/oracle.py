"""An oracle: the whole step at 50 digits, no derivative written by hand.

Written from `docs/vectors.md` alone, it shares no code and no formula with `reference.py`: the
loss is evaluated as the specification prints it, in mpmath's arithmetic, and every gradient is a
central difference of that loss, taken with so many digits that 50 are left. The published suite
is computed with it.
"""

from ...errors import missing

try:
    from mpmath import mp, mpf
except ImportError:
    raise missing("the oracle", "mpmath", "all") from None

DIGITS = 50
_WORKING = 3 * DIGITS + 20  # a difference with step h loses the digits of h, its error is h^2
_STEP = DIGITS + 5


def softplus(a):
    """Return log(1 + exp(a))."""
    return mp.log1p(mp.exp(a))


ACTIVATIONS = {
    "linear": lambda a: a,
    "relu": lambda a: a if a > 0 else mpf(0),
    "tanh": mp.tanh,
    "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
    "softplus": softplus,
    "elu": lambda a: a if a > 0 else mp.expm1(a),
    "gelu": lambda a: a * mp.ncdf(a),
}


def _numbers(array):
    """Return an array as nested lists of exact mpf."""
    if array.ndim == 0:
        return mpf(float(array))
    return [_numbers(part) for part in array]


def _layer(description, values, key, h):
    """Return one layer's outputs, rows of a list of lists, for the rows h."""
    shift = mpf(description["scale_shift"])
    mu, rho, eps = (values[key + name] for name in ("kernel_mu", "kernel_rho", "kernel_eps"))
    inputs, units = range(len(mu)), range(description["units"])
    delta = [[(shift + softplus(rho[i][o])) * eps[i][o] for o in units] for i in inputs]
    bias = description["bias"]
    mean = values[key + "bias_mu"] if bias != "none" else [mpf(0)] * len(units)
    draw = [mpf(0)] * len(units)
    if bias in ("normal", "normal_flipped"):
        scale = [shift + softplus(rho) for rho in values[key + "bias_rho"]]
        draw = [s * e for s, e in zip(scale, values[key + "bias_eps"], strict=True)]
    activation = ACTIVATIONS[description["activation"]]
    rows = []
    for x, s, t in zip(h, values[key + "sign_input"], values[key + "sign_output"], strict=True):
        row = []
        for o in units:
            mean_part = mp.fsum(x[i] * mu[i][o] for i in inputs)
            noise_part = mp.fsum(x[i] * s[i] * delta[i][o] for i in inputs) * t[o]
            flip = t[o] if bias == "normal_flipped" else 1
            row.append(activation(mean_part + noise_part + mean[o] + draw[o] * flip))
        rows.append(row)
    return rows


def _nll(likelihood, outputs, y):
    """Return the mean over the batch of -log p(y | outputs), summed over output dimensions."""
    total = mpf(0)
    for z, target in zip(outputs, y, strict=True):
        if likelihood["type"] == "categorical":
            total += mp.log(mp.fsum(mp.exp(value) for value in z)) - z[int(target)]
        elif likelihood["type"] == "bernoulli":
            total += mp.fsum(softplus(v) - t * v for v, t in zip(z, target, strict=True))
        else:
            s = mpf(likelihood["scale"])
            for value, t in zip(z, target, strict=True):
                total += ((t - value) / s) ** 2 / 2 + mp.log(s) + mp.log(2 * mp.pi) / 2
    return total / len(outputs)


def _kl(description, values, key):
    """Return a layer's KL: log(s/sigma) + (sigma^2 + (mu - m)^2)/(2 s^2) - 1/2, summed."""
    shift, total = mpf(description["scale_shift"]), mpf(0)
    for part, prior in (("kernel", "kernel_prior"), ("bias", "bias_prior")):
        if description[prior] is None:
            continue
        m, s = mpf(description[prior]["loc"]), mpf(description[prior]["scale"])
        mu, rho = values[f"{key}{part}_mu"], values[f"{key}{part}_rho"]
        if part == "bias":
            mu, rho = [mu], [rho]
        for mu_row, rho_row in zip(mu, rho, strict=True):
            for one_mu, one_rho in zip(mu_row, rho_row, strict=True):
                sigma = shift + softplus(one_rho)
                total += mp.log(s / sigma) + (sigma**2 + (one_mu - m) ** 2) / (2 * s**2) - 0.5
    return total


def step(meta, values):
    """Return (outputs, nll, kl of each layer, loss) of one step, all mpf.

    Parameters
    ----------
    meta : dict
        Of a test vector.
    values : dict of str to nested lists of mpf
        Its inputs, parameters and noise.
    """
    h, kls = values["x"], []
    for k, description in enumerate(meta["layers"]):
        h = _layer(description, values, f"layers.{k}.", h)
        kls.append(_kl(description, values, f"layers.{k}."))
    nll = _nll(meta["likelihood"], h, values["y"])
    return h, nll, kls, nll + mpf(meta["kl_weight"]) * mp.fsum(kls)


def answer(meta, arrays):
    """Return every result of a test vector as nested lists of mpf, by their names in the file.

    Parameters
    ----------
    meta : dict
    arrays : dict of str to array
        Inputs, parameters and noise; their binary values are taken exactly.

    Notes
    -----
    A ReLU unit with a pre-activation of exactly 0 would get the mean of its two slopes; the suite
    has none.
    """
    with mp.workdps(_WORKING):
        values = {name: _numbers(array) for name, array in arrays.items()}
        outputs, nll, kls, loss = step(meta, values)
        results = {"outputs": outputs, "nll": nll, "kl": mp.fsum(kls), "loss": loss}
        results |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
        for name, value in values.items():
            if name == "x" or name.endswith(("_mu", "_rho")):
                results[f"grad.{name}"] = _gradient(meta, values, value)
    return results


def _gradient(meta, values, part):
    """Return the loss's central difference by every entry of one of the values' nested lists."""
    if isinstance(part[0], list):
        return [_gradient(meta, values, row) for row in part]
    gradient, h = [], mpf(10) ** -_STEP
    for i, kept in enumerate(part):
        part[i] = kept + h
        above = step(meta, values)[3]
        part[i] = kept - h
        below = step(meta, values)[3]
        part[i] = kept
        gradient.append((above - below) / (2 * h))
    return gradient
