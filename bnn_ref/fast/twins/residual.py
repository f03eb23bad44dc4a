"""A list of layers as one layer: those inside run as a network's own do, chains as chains."""

from ...noise import NestedNoise, Stream
from ..chain import Key
from ..members import Member
from ..sequence import Sequence
from ..twin import Twin, register_twin


@register_twin("Residual")
class ResidualTwin(Twin):
    """`bnn_ref.layers.Residual` made ready to run; parameters as for `Twin`."""

    def __init__(self, member, site):
        super().__init__(member, site)
        around = Stream(0, "train", member.number)
        members = [
            Member(layer, f"{member.prefix}layers.{j}.", around.inside(j).layer)
            for j, layer in enumerate(member.layer.layers)
        ]
        self._inside, self._drawn = Sequence(members, site), None

    def draw_noise(self, stream, rows):
        """Return the noise of the parts inside; arguments as for `Twin.draw_noise`."""
        return self._inside.draw(_key_of(stream), rows)

    def forward(self, p, noise, h):
        """Return h + f(h), or f(h) where the layer does not add; as `Twin.forward`."""
        given = isinstance(noise, NestedNoise)
        self._drawn = self._inside.given(noise.layers) if given else noise
        outputs = self._inside.forward(p.layers, self._drawn, h)
        return h + outputs if self.layer.add else outputs

    def kl(self, p, noise):
        """Return the sum of the layers' KL; as `Twin.kl`."""
        return self._inside.kl(p.layers, self._drawn).sum()

    def statistics_after(self, p):
        """Return nested name to next value; as `Twin.statistics_after`."""
        statistics = self._inside.statistics_after(p.layers)
        return {name.removeprefix(self.member.prefix): value for name, value in statistics.items()}

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs; as `Twin.backward`."""
        grad = self._inside.backward(grad_outputs, kl_weight, gradients.layers)
        return grad_outputs + grad if self.layer.add and grad is not None else grad

    def draw_outputs(self, p, h, stream, kind):
        """Return one draw of a prediction; as `Twin.draw_outputs`."""
        outputs = self._inside.draw_outputs(p.layers, h, _key_of(stream), kind)
        return h + outputs if self.layer.add else outputs


def _key_of(stream):
    """Return a stream's place in the counter, its layer apart."""
    return Key(stream.seed, stream.step, stream.draw, stream.purpose, stream.first_row)
