"""Record calls of TFP's or Bayesian-Torch's own layers: `python record_frameworks.py NAME FOLDER`.

The models are as a person would write them, with the libraries' own random numbers. The files in
`tests/frozen` were made by this program; their `source` tells by which versions.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from bnn_ref.likelihoods import Bernoulli, Categorical, Normal
from bnn_ref.verification import record


def batch(rows=5, inputs=4, outputs=3):
    """Return inputs and targets of each likelihood."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(rows, inputs)), rng.normal(size=(rows, outputs))
    return x, {"categorical": np.argmax(y, axis=1), "bernoulli": (y > 0) * 1.0, "normal": y}


def tfp_models():
    """Yield (name, model, options of `record`, targets) for models of TFP's layers."""
    from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras, tfp

    tf.random.set_seed(1)
    flipout, shared = tfp.layers.DenseFlipout, tfp.layers.DenseReparameterization
    field = tfp.layers.default_mean_field_normal_fn

    def prior(dtype, shape, name, trainable, add_variable):
        normal = tfp.distributions.Normal(tf.fill(shape, tf.cast(0.25, dtype)), tf.cast(2, dtype))
        return tfp.distributions.Independent(normal, len(shape))

    for dtype in ("float64", "float32"):
        tf_keras.backend.set_floatx(dtype)
        model = tf_keras.Sequential([flipout(6, activation="relu"), flipout(3)])
        yield f"default-{dtype}", model, {"kl_weight": 1 / 60000}, "categorical"
        options = {"bias_posterior_fn": field(), "bias_prior_fn": prior, "kernel_prior_fn": prior}
        layers = [flipout(5, activation=tf.nn.tanh, **options), flipout(3, **options)]
        options = {"likelihood": Bernoulli(), "kl_weight": 0.1}
        yield f"random-bias-{dtype}", layers, options, "bernoulli"
    tf_keras.backend.set_floatx("float64")
    model = tf_keras.Sequential(
        [flipout(4, activation="elu", bias_posterior_fn=None),
         flipout(4), tf_keras.layers.Activation("softplus"), flipout(3)]
    )  # fmt: skip
    yield "without-bias-float64", model, {"likelihood": Normal(0.5), "kl_weight": 1.0}, "normal"
    model = tf_keras.Sequential(
        [shared(4, activation="sigmoid", bias_posterior_fn=field(), bias_prior_fn=prior), shared(3)]
    )
    yield "reparameterization-float64", model, {}, "categorical"

    def own_nll(outputs, y):
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return loss(y, outputs)

    yield "own-nll-float64", flipout(3), {"nll": own_nll}, "categorical"


def bayesian_torch_models():
    """Yield (name, model, options of `record`, targets) for models of Bayesian-Torch's layers."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bayesian_torch.layers import LinearFlipout, LinearReparameterization
        from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn
    torch.manual_seed(1)

    class Model(torch.nn.Module):
        def __init__(self, layer, activation, **options):
            super().__init__()
            self.first, self.second = layer(4, 6, **options), layer(6, 3, **options)
            self.activation = activation

        def forward(self, x):
            h, kl = self.first(x)
            out, more = self.second(self.activation(h))
            return out, kl + more

    wide = {"prior_mean": 0.25, "prior_variance": 2.0}
    for dtype in (torch.float64, torch.float32):
        name = str(dtype).removeprefix("torch.")
        model = Model(LinearFlipout, torch.relu).to(dtype)
        yield f"default-{name}", model, {"kl_weight": 1 / 60000}, "categorical"
        model = Model(LinearFlipout, torch.tanh, posterior_rho_init=-1.0, **wide).to(dtype)
        options = {"likelihood": Bernoulli(), "kl_weight": 0.1}
        yield f"wide-prior-{name}", model, options, "bernoulli"
    model = Model(LinearFlipout, torch.nn.functional.elu, bias=False).double()
    yield "without-bias-float64", model, {"likelihood": Normal(0.5), "kl_weight": 1.0}, "normal"
    model = Model(LinearReparameterization, torch.sigmoid).double()
    yield "reparameterization-float64", model, {}, "categorical"
    plain = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.GELU(), torch.nn.Linear(5, 3)
    ).double()
    dnn_to_bnn(plain, {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0,
                       "posterior_rho_init": -2.0, "type": "Flipout",
                       "moped_enable": False})  # fmt: skip
    plain = plain.double()
    cross = torch.nn.CrossEntropyLoss()
    yield "converted-float64", plain, {"nll": lambda outputs, y: cross(outputs, y)}, "categorical"


MODELS = {"tfp": tfp_models, "bayesian-torch": bayesian_torch_models}


def main(name, folder):
    """Record every model of a framework."""
    x, targets = batch()
    for case, model, options, y in MODELS[name]():
        options = {"likelihood": Categorical(), "kl_weight": 0.01, **options}
        record(model, x, targets[y], path=Path(folder) / f"{name}-{case}.npz", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
