"""Pictures of a posterior, one function each (matplotlib, the extra `plot`).

`band` and `functions` for one input, `boundary` for two, `reliability` for held-out rows,
`posterior` for what was learned, `learning` for how. Each takes what a person has in hand: a
fitted estimator of `bnn_ref.sklearn` (alone or last in a pipeline), the result of
`bnn_ref.fit`, or a pair (network, parameters); and returns what matplotlib draws on.
"""

from .classes import boundary, reliability
from .curves import band, functions
from .learned import learning, posterior

__all__ = ["band", "boundary", "functions", "learning", "posterior", "reliability"]
