"""Training: steps of a `Trainer` over shuffled epochs."""

import signal
import sys
import threading
from typing import NamedTuple

import numpy as np

from ..border import check_size
from ..border.rows import check_rows, take
from ..errors import NonFinite, expected
from ..noise import permutation
from ..prediction import predict
from .history import History, batch_score
from .trainer import Trainer


class Fit(NamedTuple):
    """What `fit` returns.

    Attributes
    ----------
    trainer : Trainer
    history : History
    stopped : str
        "finished", "callback" (it returned True) or "interrupted" (Ctrl-C).
    """

    trainer: Trainer
    history: History
    stopped: str

    @property
    def network(self):
        """The network."""
        return self.trainer.network

    @property
    def parameters(self):
        """The trained `Parameters`."""
        return self.trainer.parameters


class _Interrupt:
    """While entered in the main thread, turns Ctrl-C into a flag that is read between steps.

    A second Ctrl-C raises `KeyboardInterrupt` as usual.
    """

    def __enter__(self):
        self.seen = False
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number, frame):
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

    def __exit__(self, *error):
        if self.main:
            signal.signal(signal.SIGINT, self.before)


def _progress_bar(progress, start, total):
    """Return a tqdm bar on standard error, or None where none is wanted or tqdm is absent."""
    if progress is False or (progress is None and not sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, initial=start, unit="step", mininterval=0.5, leave=False)


def _as_pair(data):
    """Return (x, y, validation or None) of a pair of arrays or of a `Dataset`."""
    if hasattr(data, "train"):
        return data.train.x, data.train.y, data.validation
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise expected("data", "a pair (x, y) or a data set", type(data).__name__)
    return (*data, None)


def fit(
    network,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size=128,
    validation=None,
    sample_weight=None,
    report_every=None,
    on_record=None,
    checkpoint_every=None,
    on_checkpoint=None,
    progress=None,
    trainer=None,
    history=None,
    **settings,
):
    """Train over shuffled epochs and return a `Fit`.

    The order of an epoch is a function of (seed, epoch) and a batch one of the step alone, so a
    run that goes on from a checkpoint takes the steps it would have taken. The last batch of an
    epoch is smaller, never dropped.

    Parameters
    ----------
    network : Network
    data : (x, y), or a `bnn_ref.data.Dataset`
        x : array, or anything with ``shape`` and row indexing, (N, I); y : array.
    steps, epochs : int, one of the two
        How many steps in all, or how many epochs.
    batch_size : int
        Rows of a batch; with fewer rows than that one batch holds them all.
    validation : (x, y), optional
        Rows held out; N does not count them. Scored at the posterior mean at every record.
    sample_weight : array (N,), optional
        w_n >= 0; N becomes their sum.
    report_every : int, optional
        Steps between two records; by default an epoch's where epochs are given, else a sixtieth
        of the steps.
    on_record : function(trainer, record), optional
        Called at every record; training stops where it returns True.
    checkpoint_every : int, optional
        Steps between two calls of `on_checkpoint`.
    on_checkpoint : function(trainer, history), optional
        Called before the first step, every `checkpoint_every` steps, and at the end, whether
        that was reached, interrupted, or a value was not finite.
    progress : bool, optional
        A progress bar (tqdm, where installed); by default where standard error is a terminal.
    trainer, history : optional
        Go on from these, up to `steps` in all.
    **settings
        Of the `Trainer`: learning_rate, seed, backend, dtype, draws_per_step, kl_weight, adam,
        estimator, threads.

    Returns
    -------
    Fit

    Raises
    ------
    NonFinite
        Where a step's loss or gradient is not finite. Its ``fit`` attribute is the `Fit` with
        the last good state.
    ValueError, TypeError
        Where something does not fit; the message names it.
    """
    x, y, held_out = _as_pair(data)
    validation = held_out if validation is None else validation
    x, y = check_rows(x), np.asarray(y)
    rows = x.shape[0]
    if rows == 0:
        raise expected("x", "at least one row to train on", "none")
    if len(y) != rows:
        raise expected("y", f"{rows} rows, as x", len(y))
    batch_size = check_size(batch_size, "batch_size")
    per_epoch = -(-rows // batch_size)
    if (steps is None) == (epochs is None):
        raise expected("steps or epochs", "one of the two", "neither" if steps is None else "both")
    if steps is None:
        steps = check_size(epochs, "epochs", 0) * per_epoch
        report_every = report_every or per_epoch
    steps = check_size(steps, "steps", 0)
    report_every = check_size(report_every or max(1, steps // 60), "report_every")
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight, np.float64)
        if sample_weight.shape != (rows,):
            raise expected("sample_weight", f"shape {(rows,)}", sample_weight.shape)
    if trainer is None:
        num_examples = rows if sample_weight is None else float(sample_weight.sum())
        trainer = Trainer(network, num_examples, **settings)
    history = History() if history is None else history

    metric = network.likelihood.metric
    epoch, order = -1, None
    bar = _progress_bar(progress, trainer.state.step, steps)
    stopped = "finished"

    def save():
        if on_checkpoint is not None:
            on_checkpoint(trainer, history)

    def record(step):
        one = history.close(step, -(-step // per_epoch), metric)
        if validation is not None:
            found = predict(network, trainer.parameters, *validation, kind="mean", draws=1,
                            backend=trainer.backend, threads=trainer.threads)  # fmt: skip
            one["validation_nats"] = found.nats
            one[f"validation_{metric}"] = getattr(found, metric)
        return on_record is not None and bool(on_record(trainer, one))

    if trainer.state.step == 0:
        save()
    with _Interrupt() as interrupt:
        try:
            while trainer.state.step < steps and stopped == "finished":
                at = trainer.state.step
                if at // per_epoch != epoch:
                    epoch = at // per_epoch
                    order = permutation(rows, trainer.seed, "shuffle", step=epoch)
                index = order[at % per_epoch * batch_size :][:batch_size]
                batch_y = y[index]
                weight = None if sample_weight is None else sample_weight[index]
                kl_weight = trainer.kl_weight_at(at)
                metrics = trainer.step(take(x, index), batch_y, weight)
                score = batch_score(network.likelihood, metrics.outputs, batch_y)
                history.add(metrics, kl_weight, len(index), score)
                step = trainer.state.step
                if step % report_every == 0 or step == steps:
                    if record(step):
                        stopped = "callback"
                    if bar is not None:
                        bar.set_postfix(nll=f"{history.records[-1]['nll']:.4f}", refresh=False)
                if bar is not None:
                    bar.update()
                if interrupt.seen:
                    stopped = "interrupted"
                if checkpoint_every and step % checkpoint_every == 0 and step < steps:
                    save()
        except NonFinite as error:
            error.fit = Fit(trainer, history, "non-finite")
            save()
            raise
        finally:
            if bar is not None:
                bar.close()
    if steps:
        save()
    return Fit(trainer, history, stopped)
