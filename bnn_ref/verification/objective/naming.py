"""The KL weights that people write, by their names."""

from __future__ import annotations

from typing import NamedTuple


class Named(NamedTuple):
    """A KL weight by its name.

    Attributes
    ----------
    key : str
        A short name, "right" where it is 1/N.
    what : str
    """

    key: str
    what: str


def known_weights(
    num_examples: int, batch_size: int, num_weights: int
) -> list[tuple[float, Named]]:
    """Return [(weight, Named)] of weights on a summed KL that people write, the right one first.

    Parameters
    ----------
    num_examples, batch_size, num_weights : int
        N, B, P.
    """
    n, b, p = num_examples, batch_size, num_weights
    return [
        (1 / n, Named("right", "the KL once, divided by N")),
        (0.0, Named("kl-absent", "the KL is not in the loss: the weights are fitted by maximum "
                    "likelihood, and sigma falls")),
        (1.0, Named("kl-undivided", "the KL is not divided by N: it counts N times")),
        (1 / b, Named("kl-by-batch-size", "the KL is divided by the batch size: it counts N/B "
                      "times")),
        (2 / n, Named("kl-twice", "the KL is added twice (Keras adds model.losses by itself)")),
        (1 / n + 1, Named("kl-twice-undivided", "the KL is added twice, once undivided (Keras adds "
                          "model.losses by itself)")),
        (1 / n + 1 / b, Named("kl-twice-batch", "the KL is added twice, once divided by the batch "
                              "size")),
        (1 / n / n, Named("kl-divided-twice", "the KL is divided by N twice")),
        (b / n, Named("kl-by-batches", "the KL is divided by the number of batches, beside a loss "
                      "that is a mean over the batch: it counts B times")),
        (1 / n / p, Named("kl-mean-over-weights", "the KL is averaged over weights, then divided "
                          "by N: it hardly counts")),
        (1 / p, Named("kl-mean-over-weights", "the KL is averaged over weights where it should be "
                      "summed and divided by N")),
        (1 / b / p, Named("kl-mean-over-weights", "the KL is averaged over weights, then divided "
                          "by the batch size")),
    ]  # fmt: skip


def name_weight(weight: float, num_examples: int, batch_size: int, num_weights: int) -> Named:
    """Return the `Named` of a weight on the summed KL.

    A weight between .1/N and 1/N that has no other name is a temperature; one further off is
    "kl-weight".
    """
    for value, named in known_weights(num_examples, batch_size, num_weights):
        if abs(weight - value) <= 1e-4 * value:
            return named
    temperature = weight * num_examples
    if 0.1 <= temperature < 1:
        return Named("tempered", f"the KL is weighed down to the temperature {temperature:.3g}")
    return Named("kl-weight", "the KL has another weight than 1/N")
