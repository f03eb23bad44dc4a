"""The likelihoods, a file each, and the one list of them."""

from ..errors import expected
from .bernoulli import Bernoulli
from .categorical import Categorical
from .normal import Normal

__all__ = ["LIKELIHOODS", "Bernoulli", "Categorical", "Normal", "likelihood_from_json"]

LIKELIHOODS = {"categorical": Categorical, "bernoulli": Bernoulli, "normal": Normal}


def likelihood_from_json(description):
    """Return the likelihood that `to_json` described.

    Parameters
    ----------
    description : dict

    Raises
    ------
    ValueError
        For an unknown type, or keys that the type does not have.
    """
    if not isinstance(description, dict) or description.get("type") not in LIKELIHOODS:
        raise expected("likelihood", f"an object whose type is one of {', '.join(LIKELIHOODS)}",
                       repr(description))  # fmt: skip
    options = {key: value for key, value in description.items() if key != "type"}
    kind = LIKELIHOODS[description["type"]]
    known = {"scale", "learn_scale"} if kind is Normal else set()
    if not set(options) <= known:
        raise expected(f"likelihood {description['type']}", f"keys {sorted(known | {'type'})}",
                       sorted(description))  # fmt: skip
    return kind(**options)
