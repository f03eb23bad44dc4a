"""What every prior owns, and the list of them.

A prior is a frozen description of p(w), the same for every weight of a tensor or an array of its
shape. Its posterior is Normal, with mean mu and standard deviation sigma. Everything is
elementwise; sums are the layer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..border import check_choice
from ..errors import expected
from ..registry import Registry

PRIORS: Registry[type[Prior]] = Registry("prior type")
register = PRIORS.register_class


class KLParts(NamedTuple):
    """A KL divergence split into the four terms of the printed formula, each summed, in nats.

    Attributes
    ----------
    squared_mean : float
        (mu - m)^2 / (2 s^2), the "L2 norm" people expect the KL to be.
    variance : float
        sigma^2 / (2 s^2).
    log : float
        -log(sigma / s).
    constant : float
        -1/2 a weight; of a prior whose KL has no such split all of it, and -log p of a point
        estimate that has a prior. The four add up to the KL.
    """

    squared_mean: float
    variance: float
    log: float
    constant: float


class Prior:
    """A prior: a frozen dataclass that answers what is asked here.

    Each has ``kl(mu, sigma)``, elementwise and in nats; ``kl_gradient(mu, sigma)``, its
    derivatives by mu and sigma; and ``describe()``, a few letters for people. One that may stand on
    a point estimate has ``penalty(mu)``, -log p(mu) with its constant, and
    ``penalty_gradient(mu)``.

    Attributes
    ----------
    type : str
        Its name in `PRIORS`, in JSON, and among the compiled kernels.
    has_kl : bool
        False where the KL is 0 whatever the posterior is.
    is_sampled : bool
        True where the KL has no closed form and is that of the draw a prior is bound to.
    factor : float
        What its KL is multiplied by, see `ScaledPrior`.
    """

    type: ClassVar[str] = ""
    has_kl: ClassVar[bool] = True
    is_sampled: ClassVar[bool] = False
    factor: ClassVar[float] = 1.0
    kl: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    kl_gradient: Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
    penalty: Callable[[NDArray[Any]], NDArray[Any]]
    penalty_gradient: Callable[[NDArray[Any]], NDArray[Any]]
    describe: Callable[[], str]

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape of what the prior learns with the weights; nothing unless it says so."""
        return {}

    @property
    def initial(self) -> dict[str, float]:
        """Name to number: the initial values of `parameter_shapes`."""
        return {}

    def check_shape(self, shape: tuple[int, ...], thing: str) -> None:
        """Raise a `ValueError` where the prior's arrays do not fit a tensor of that shape.

        The message calls it by the name of the thing.
        """

    def _check_single(self, thing: str) -> None:
        """Raise where loc or scale is an array: what `check_shape` is for a prior of numbers."""
        for name in ("loc", "scale"):
            if np.ndim(getattr(self, name)):
                raise expected(f"{thing}.{name}", "a number", "an array")

    def bind(
        self, eps: NDArray[Any] | None = None, own: Mapping[str, NDArray[Any]] | None = None
    ) -> Prior:
        """Return the prior as one step sees it: with its draw, and with what it has learned.

        Parameters
        ----------
        eps : array or None
            The standard normals behind the weights' draw, where there is one draw.
        own : mapping of str to array, optional
            The values of `parameter_shapes`.
        """
        return self

    def kl_gradient_own(self, mu: NDArray[Any], sigma: NDArray[Any]) -> dict[str, Any]:
        """Return name to derivative of the summed KL by what a bound prior has learned.

        Arguments as for `NormalPrior.kl`.
        """
        return {}

    def kl_parts(self, mu: NDArray[Any], sigma: NDArray[Any]) -> KLParts:
        """Return the summed KL as `KLParts`, all of it in ``constant`` where there is no split.

        Arguments as for `NormalPrior.kl`.
        """
        return KLParts(0.0, 0.0, 0.0, float(np.sum(self.kl(mu, sigma), dtype=np.float64)))

    def to_json(self) -> dict[str, Any]:
        """Return the description of `docs/vectors.md`: the type, and every field by its name."""
        return {"type": self.type, **{key.name: getattr(self, key.name) for key in fields(self)}}

    @classmethod
    def from_json(cls, description: dict[str, Any]) -> Prior:
        """Return the prior of what `to_json` wrote, the type apart.

        Parameters
        ----------
        description : dict
        """
        return cls(**description)


def make_prior(prior: Prior | Sequence[Any] | dict[str, Any], thing: str = "kernel_prior") -> Prior:
    """Return a prior from one, from a pair (loc, scale) or from what `to_json` wrote.

    Parameters
    ----------
    prior : Prior, pair or dict
        A pair, and a dict without a type, mean a Normal prior.
    thing : str
        What the message calls it.

    Raises
    ------
    ValueError
        For another form, or numbers that the prior refuses.
    """
    if isinstance(prior, Prior):
        return prior
    wanted = "a pair (loc, scale) of numbers, or a prior"
    try:
        pair = prior if isinstance(prior, dict) else zip(("loc", "scale"), prior, strict=True)
        options = dict(pair)
    except (TypeError, ValueError):
        raise expected(thing, wanted, repr(prior)) from None
    kind = PRIORS.find(options.pop("type", "normal"))
    try:
        return kind.from_json(options)
    except TypeError:
        raise expected(thing, wanted, repr(prior)) from None
    except ValueError as error:
        raise ValueError(f"{thing}.{error}") from None


def prior_names() -> list[str]:
    """Return the types of prior that a name alone can ask for: every option has a default."""
    return [
        name
        for name, owner in PRIORS.items()
        if all(field.default is not MISSING for field in fields(owner))
    ]


def prior_named(text: str, scale: float = 1.0, thing: str = "prior") -> Prior:
    """Return a prior by its name, as a command or an estimator is given it.

    Parameters
    ----------
    text : str
        A type of `PRIORS`, with options as the class takes them: "laplace", "laplace:loc=0.1",
        "mixture:scales=1/0.002:weights=0.3/0.7" (numbers of a list with a / between them).
    scale : float
        The prior's ``scale``, where it has one and the text does not give it.
    thing : str
        What the message calls it.

    Raises
    ------
    ValueError
        For an unknown name or option, a value that the prior refuses, or a scale given to a prior
        that has none or beside one in the text.
    """
    name, *options = text.split(":")
    owner = PRIORS[check_choice(name, thing, prior_names())]
    taken = {field.name: isinstance(field.default, tuple) for field in fields(owner)}
    given = dict(option.partition("=")[::2] for option in options)
    if len(given) < len(options):
        raise expected(f"{thing} {name}", "each option once", ":".join(options))
    for option in given:
        if option not in taken:
            wanted = "options " + (", ".join(taken) or "none")
            raise expected(f"{thing} {name}", wanted, repr(option))
    values = {option: _value(words.split("/"), taken[option]) for option, words in given.items()}
    if "scale" in given and scale != 1:
        raise expected(f"{thing}_scale", f"none beside {text}, which gives one", scale)
    if "scale" in taken:
        values.setdefault("scale", scale)
    elif scale != 1:
        raise expected(f"{thing}_scale", f"none for the prior {name}, which has no scale", scale)
    return make_prior({"type": name, **values}, thing)


def _value(words, several=False):
    """Return the number or text that one word is, or the list of them where there are several."""
    if several or len(words) > 1:
        return [_value([word]) for word in words]
    try:
        return float(words[0])
    except ValueError:
        return words[0]
