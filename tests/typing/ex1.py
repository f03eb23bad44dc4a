from bnn_ref import Categorical, DenseFlipout, Network, draw_noise, fit, loss_and_gradients, predict
from bnn_ref.data import load

data = load("digits")
(x, y), N = (data.train.x[:128], data.train.y[:128]), len(data.train.x)
network = Network([DenseFlipout(64, 128, activation="relu"), DenseFlipout(128, 10)], Categorical())
parameters, noise = network.init(seed=0), draw_noise(network, rows=128, seed=0)
step = loss_and_gradients(network, parameters, x, y, noise, kl_weight=1 / N)
print(f"loss {step.loss:.2f} = nll {step.nll:.2f} + kl {step.kl:.0f} / {N}")
print("gradients:", *(f"{name} {array.shape}" for name, array in step.gradients.items()))
run = fit(network, data, steps=2000, learning_rate=0.01)
found = predict(network, run.parameters, *data.validation, draws=50)
print(f"held out: accuracy {found.accuracy:.2f}, {found.nats:.2f} nats per row")
