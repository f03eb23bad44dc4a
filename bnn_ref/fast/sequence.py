"""Layers of any kind, one after the other: chains of Flipout layers, and twins for the rest."""

from itertools import groupby

import numpy as np

from ..noise import check_estimator
from .chain import Chain
from .members import is_compiled
from .streams import CompiledStream
from .twin import TWINS, Twin

CHAINED = ("flipout", "shared", "local")  # estimators of `kernels/dense_flipout.py`


class Part:
    """A stretch of a sequence: a chain, or one layer with its twin.

    Attributes
    ----------
    begin, end : int
        Its layers' stretch of the sequence.
    chain : Chain or None
    twin : Twin or None
    """

    def __init__(self, begin, end, chain=None, twin=None):
        self.begin, self.end, self.chain, self.twin = begin, end, chain, twin


class Sequence:
    """Layers of any kind, made ready to run.

    Parameters
    ----------
    members : list of Member
    site : Site
        Of the whole sequence: whether the gradient by the first layer's inputs is asked for.
    likelihood : Likelihood, optional
        A compiled one.

    Attributes
    ----------
    parts : list of Part
    has_likelihood : bool
        True where the last part is a chain that takes the likelihood along.
    is_one_run : bool
        True where that is all.
    is_one_step : bool
        True where that run can vouch for its gradients, and use them up.
    """

    def __init__(self, members, site, likelihood=None):
        self.members, self.dtype = members, site.crew.dtype
        chained = check_estimator(site.estimator) in CHAINED
        kinds = [chained and is_compiled(m.layer, site.rows > 0, site.estimator) for m in members]
        self.parts, begin = [], 0
        for is_chain, group in groupby(kinds):
            count = len(list(group))
            for end in [begin + count] if is_chain else range(begin + 1, begin + count + 1):
                self.parts.append(self._part(begin, end, is_chain, site, likelihood))
                begin = end
        self.has_likelihood = likelihood is not None and self.parts[-1].chain is not None
        self.is_one_run = self.has_likelihood and len(self.parts) == 1
        self.is_one_step = self.is_one_run and site.estimator != "local"

    def _part(self, begin, end, is_chain, site, likelihood):
        site = site._replace(by_inputs=site.by_inputs or begin > 0)
        if is_chain:
            its = likelihood if end == len(self.members) else None
            return Part(begin, end, chain=Chain(self.members[begin:end], site, its))
        member = self.members[begin]
        twin = TWINS.get(member.layer.type, Twin)
        return Part(begin, end, twin=twin(member, site))

    def stream(self, k, key):
        """Return the stream of layer k's noise."""
        return CompiledStream(key.seed, key.purpose, self.members[k].number, key.step, key.draw,
                              self.dtype, key.first_row)  # fmt: skip

    def draw(self, key, rows):
        """Return the noise of every part: what its forward pass takes.

        Parameters
        ----------
        key : Key
        rows : int
        """
        return [
            key if part.chain else part.twin.draw_noise(self.stream(part.begin, key), rows)
            for part in self.parts
        ]

    def given(self, layers):
        """Return the noise of every part, from that of every layer."""
        return [
            layers[part.begin : part.end] if part.chain else layers[part.begin]
            for part in self.parts
        ]

    def forward(self, p, noise, h, last=None):
        """Return the outputs (B, O) of the parts.

        Parameters
        ----------
        p : sequence of LayerParameters, one a layer
        noise : what `draw` or `given` returns
        h : array (B, I)
        last : int, optional
            The part to stop before; all of them unless given.
        """
        for part, n in zip(self.parts[:last], noise[:last], strict=True):
            if part.chain:
                h = part.chain.forward(p[part.begin : part.end], n, h)
            else:
                h = np.ascontiguousarray(part.twin.forward(p[part.begin], n, h), self.dtype)
        return h

    def kl(self, p, noise):
        """Return each layer's KL, float64 (L,), after the way forward."""
        found = [
            part.chain.kl() if part.chain else [part.twin.kl(p[part.begin], n)]
            for part, n in zip(self.parts, noise, strict=True)
        ]
        return np.concatenate(found)

    def statistics_after(self, p):
        """Return full name to next value of every running statistic, after the way forward."""
        return {
            f"{self.members[part.begin].prefix}{name}": value
            for part in self.parts
            if part.twin
            for name, value in part.twin.statistics_after(p[part.begin]).items()
        }

    def backward(self, grad_h, kl_weight, gradients, last=None):
        """Return the gradient by the inputs, or None; arguments as for `Twin.backward`."""
        for part in reversed(self.parts[:last]):
            grad_h = np.ascontiguousarray(grad_h, self.dtype)
            if part.chain:
                grad_h = part.chain.backward(grad_h, kl_weight, gradients[part.begin : part.end])
            else:
                grad_h = part.twin.backward(grad_h, kl_weight, gradients[part.begin])
        return grad_h

    def draw_outputs(self, p, h, key, kind, again=False):
        """Return the outputs (rows, O) of one draw of a prediction; `again` as for the back end."""
        for part in self.parts:
            if part.chain:
                same = again and part.begin == 0  # other inputs have noise in them
                h = part.chain.draw_outputs(p[part.begin : part.end], h, key, kind, again, same)
            else:
                stream = self.stream(part.begin, key)
                h = part.twin.draw_outputs(p[part.begin], h, stream, kind)
                h = np.ascontiguousarray(h, self.dtype)
        return h
