"""Tell what noise a black-box layer draws, from its outputs alone.

For layers that draw their own random numbers and let nobody replay them. The verdict is a set of
exact tests whose errors add up to a stated probability; where it is against the layer, `causes.py`
names the estimator found or the fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import ArrayLike

from ...border import check_choice, check_number, check_size
from .causes import find_causes
from .hypotheses import HYPOTHESES, make_view
from .probes import ask, make_layer

if TYPE_CHECKING:
    from .hypotheses import Test

NAMES = {
    "flipout": "Flipout",
    "shared": "plain reparameterisation (one weight draw shared by the batch)",
    "independent": "independent or local noise (the two cannot be told apart in one layer)",
    "frozen": "noise that is not drawn anew",
    "none": "no noise",
    "unknown": "noise that could not be looked at",
}


class LayerReport(NamedTuple):
    """What `check_layer` found; ``str`` of it is for people and for assertion messages.

    Attributes
    ----------
    expect : str, "flipout", "shared" or "independent"
    agrees : bool, whether no test contradicts what was expected
    kind : str, what the noise was found to be: one of the three, "frozen", "none" or "unknown"
    faults : tuple of str, what is wrong with it, empty for a sound estimator
    tests : tuple of (name, p), smallest p first; below ``level`` it contradicts ``expect``
    level : float, error_probability over the number of tests
    draws : int
    """

    expect: str
    agrees: bool
    kind: str
    faults: tuple[str, ...]
    tests: tuple[Test, ...]
    level: float
    draws: int

    @property
    def found(self) -> str:
        """The finding in words: the faults, or the name of the estimator."""
        return "; ".join(self.faults) or NAMES[self.kind]

    def __str__(self) -> str:
        verdict = "agrees" if self.agrees else "DISAGREES"
        lines = [
            f"expected {NAMES[self.expect]}, found {self.found}: {verdict} "
            f"({self.draws} calls, {len(self.tests)} tests, each at {self.level:.2g})"
        ]
        lines += [f"  {test.name}: p = {test.p:.3g}" for test in self.tests if test.p <= self.level]
        return "\n".join(lines)


def check_layer(
    call: Callable[[Any], Any],
    kernel_mu: ArrayLike,
    kernel_sigma: ArrayLike,
    x: ArrayLike,
    *,
    bias_mu: ArrayLike | None = None,
    bias_sigma: ArrayLike | None = None,
    bias: str = "deterministic",
    expect: str = "flipout",
    draws: int = 2000,
    error_probability: float = 1e-3,
) -> LayerReport:
    """Return a `LayerReport`: whether a layer's noise is what it should be, else what it is.

    Parameters
    ----------
    call : callable
        Maps inputs (rows, I) to pre-activations (rows, O), drawing its own noise anew each time.
    kernel_mu, kernel_sigma : array or tensor (I, O), posterior means and standard deviations
    x : array or tensor (B, I), float32 or float64
        Rows to ask for beside the probe rows. ``call`` is given this dtype, and a tensor of PyTorch
        where this is one.
    bias_mu, bias_sigma : array or tensor (O,), or None
    bias : {"none", "deterministic", "normal", "normal_flipped"}, as in docs/vectors.md
    expect : {"flipout", "shared", "independent"}
        "shared" is the plain reparameterisation, "independent" a draw for every example (of the
        weights, or locally of the outputs).
    draws : int, at least 100, calls
    error_probability : float in (0, 1)
        An upper bound on the probability that a layer that is what was expected is contradicted.

    Returns
    -------
    LayerReport

    Raises
    ------
    ValueError
        For an unknown bias or estimator, arrays that do not fit or are not finite, outputs of
        another shape, or noise below the rounding of the outputs' dtype.

    Notes
    -----
    Signs of one side cannot be seen where that side has one unit: a layer of one input and no
    input signs is Flipout, in law.

    At the default draws and error probability, signs that are +1 with probability .6 instead of .5
    are seen in 199 of 200 layers of 7 inputs (2 of 100 at .58) and in 68 of 100 of 5 outputs (100
    of 100 at .62); with 3 units a side, at .66. Beside a flipped bias they are not looked for.

    Source: Wen et al. (2018), equations 3 and 4; the tests are derived in `hypotheses.py`.
    """
    check_choice(expect, "expect", HYPOTHESES)
    check_size(draws, "draws", 100)
    check_number(error_probability, "error_probability", "(0, 1)")
    layer = make_layer(kernel_mu, kernel_sigma, bias_mu, bias_sigma, bias)
    answers = ask(call, layer, x, draws, expect)
    tests = HYPOTHESES[expect](answers, make_view(answers, layer), layer)
    tests = tuple(sorted(tests, key=lambda test: test.p))
    level = error_probability / len(tests)
    agrees = tests[0].p > level
    kind, faults = (expect, ()) if agrees else find_causes(answers, layer)
    if not agrees and kind == expect and not faults:
        faults = (f"unknown: contradicted by the test of {tests[0].name} (p = {tests[0].p:.2g})",)
    return LayerReport(expect, agrees, kind, faults, tests, level, draws)
