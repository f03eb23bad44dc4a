"""Training: steps of a `Trainer` over shuffled epochs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import ArrayLike

from ..border import check_dtype, check_size
from ..defaults import SETTINGS
from ..errors import expected
from ..network import Network
from ..parameters import Parameters
from ..prediction import predict
from ..step.adam import Adam
from .convergence import Convergence, drift
from .examples import Batches, Examples, refuse_small_batches, take_examples, take_held_out
from .guards import warn_of_reach
from .history import History, batch_score
from .schedules import parse_rate, rise_of
from .trainer import Trainer

if TYPE_CHECKING:
    from ..data import Dataset

FLOATS = ("float32", "float64")
MOST_RECORDS = 10_000  # where each would be an epoch's: a history is read whole


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

    def __repr__(self) -> str:
        return f"Fit({self.stopped}: {self.trainer!r}, {self.history!r})"

    @property
    def network(self) -> Network:
        """The network."""
        return self.trainer.network

    @property
    def parameters(self) -> Parameters:
        """The trained `Parameters`."""
        return self.trainer.parameters

    @property
    def convergence(self) -> Convergence:
        """The `Convergence` that the records show: whether training has settled, and a line."""
        trainer = self.trainer
        constant = not trainer.kl_warm_up and not callable(trainer.kl_weight)
        return self.history.convergence(trainer.adam.beta_1, trainer.is_constant and constant)


class _Interrupt:
    """While entered in the main thread, turns Ctrl-C into a flag that is read between steps.

    A second Ctrl-C raises `KeyboardInterrupt` as usual. So do the other signals that have Python's
    handler of Ctrl-C, as the command line gives it to SIGTERM. What is ignored, or has a handler of
    somebody else's, is left alone.
    """

    def __enter__(self):
        self.seen, self.taken = False, []
        if threading.current_thread() is threading.main_thread():
            self.taken = [
                number
                for number in signal.valid_signals()
                if signal.getsignal(number) is signal.default_int_handler
            ]
        for number in self.taken:
            signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

    def __exit__(self, *error):
        for number in self.taken:
            signal.signal(number, signal.default_int_handler)


class _Run(NamedTuple):
    """What `fit` was asked for, checked: what a step, a record and a checkpoint are made of."""

    network: Network
    trainer: Trainer
    history: History
    examples: Examples
    batches: Batches
    per_epoch: int
    validation: tuple[Any, Any] | None
    on_record: Callable[[Trainer, dict[str, Any]], object] | None
    on_checkpoint: Callable[[Trainer, History], object] | None

    def save(self):
        """Have a checkpoint made."""
        if self.on_checkpoint is not None:
            self.on_checkpoint(self.trainer, self.history)

    def take_step(self):
        """Take the next step, and note it in the history."""
        at = self.trainer.state.step
        batch = self.examples.batch(self.batches.of_step(at))
        kl_weight = self.trainer.kl_weight_at(at)
        metrics = self.trainer.step(*batch)
        score = batch_score(self.network.likelihood, metrics.outputs, batch[1])
        self.history.add(metrics, kl_weight, len(batch[1]), score)

    def record(self, step):
        """Close the record of the steps up to this one; return whether its reader says to stop."""
        trainer, metric = self.trainer, self.network.likelihood.metric
        closed = self.history.close(step, -(-step // self.per_epoch), metric)
        closed["drift"] = drift(trainer.state, trainer.adam)
        if self.validation is not None:
            prediction = predict(self.network, trainer.parameters, *self.validation, kind="mean",
                                 draws=1, backend=trainer.backend,
                                 threads=trainer.threads)  # fmt: skip
            closed["validation_nats"] = prediction.nats
            closed[f"validation_{metric}"] = getattr(prediction, metric)
        return self.on_record is not None and bool(self.on_record(trainer, closed))


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
    network: Network,
    data: Dataset | tuple[Any, ArrayLike],
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int = SETTINGS["batch_size"],
    validation: tuple[Any, ArrayLike] | None = None,
    sample_weight: ArrayLike | None = None,
    num_examples: float | None = None,
    report_every: int | None = None,
    on_record: Callable[[Trainer, dict[str, Any]], object] | None = None,
    checkpoint_every: int | None = None,
    on_checkpoint: Callable[[Trainer, History], object] | None = None,
    progress: bool | None = None,
    trainer: Trainer | None = None,
    history: History | None = None,
    **settings: Any,
) -> Fit:
    """Train over shuffled epochs and return a `Fit`.

    The objective is sum_n w_n nll_n + temperature * KL, over N. The order of an epoch is a function
    of (seed, epoch) and a batch one of the step alone, so a run that goes on from a checkpoint
    takes the steps it would have taken. The last batch of an epoch is smaller, never dropped.

    Parameters
    ----------
    network : Network
    data : (x, y), or a `bnn_ref.data.Dataset`
        x : array, data frame, or anything with ``shape`` and row indexing, (N, I); y : array.
    steps, epochs : int, one of the two
        How many steps in all, or how many epochs.
    batch_size : int
        Rows of a batch; with fewer rows than that one batch holds them all.
    validation : (x, y), optional
        Rows held out; N does not count them. Scored at the posterior mean at every record.
    sample_weight : array (N,), optional
        w_n >= 0; a row of weight k counts as k copies of it, and N becomes the weights' sum.
    num_examples : float, optional
        N, where the weights are relative and their sum says nothing.
    report_every : int, optional
        Steps between two records; by default an epoch's where epochs are given (more where that
        would make more than 10,000 records), else a sixtieth of the steps.
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
        Go on from these, up to `steps` in all; the settings are then the trainer's own.
    **settings
        Of the `Trainer`: learning_rate ("cosine" unless given, or an `Adam` is), seed, backend,
        dtype, draws_per_step, kl_weight, temperature, kl_warm_up (half of the steps under a named
        schedule where the likelihood learns or predicts its scale or the network is deep, else
        none: see `schedules.rise_of`), adam, estimator, freeze, threads.

    Returns
    -------
    Fit

    Raises
    ------
    NonFinite
        Where a step's loss or gradient is not finite. Its ``fit`` attribute is the `Fit` with
        the last good state; so is that of the `ValueError` for a row found bad while training.
    ValueError, TypeError
        Where something does not fit; the message names it, with the row's place in the table.
        What is in memory is checked before the first step, other rows batch by batch.

    Warns
    -----
    ObjectiveWarning
        Where the objective is hardly what was meant, see `bnn_ref.training.guards`.
    """
    x, y, held_out = _as_pair(data)
    validation = held_out if validation is None else validation
    batch_size = check_size(batch_size, "batch_size")
    if (steps is None) == (epochs is None):
        raise expected("steps or epochs", "one of the two", "neither" if steps is None else "both")
    if trainer is None:
        dtype = check_dtype(settings.get("dtype", "float32"), FLOATS)
    else:
        dtype = _refuse_unread(network, trainer, settings).dtype
    examples = take_examples(network, x, y, dtype, sample_weight, num_examples)
    if validation is not None:
        validation = take_held_out(network, *validation, dtype)
    per_epoch = -(-len(examples.y) // batch_size)
    steps, report_every = _lengths(steps, epochs, report_every, per_epoch)
    if steps >= per_epoch:
        refuse_small_batches(network, len(examples.y), batch_size)
    warn_of_reach(network, examples.y)
    if trainer is None:
        trainer = _new_trainer(network, examples.num_examples, steps, settings)
    history = History() if history is None else history
    batches = Batches(len(examples.y), batch_size, trainer.seed)
    run = _Run(network, trainer, history, examples, batches, per_epoch, validation, on_record,
               on_checkpoint)  # fmt: skip
    bar = _progress_bar(progress, trainer.state.step, steps)
    if trainer.state.step == 0:
        run.save()
    with _Interrupt() as interrupt:
        try:
            stopped = _take_steps(run, steps, report_every, checkpoint_every, interrupt, bar)
        except ValueError as error:  # a `NonFinite`, or a batch's row that cannot be trained on
            error.fit = Fit(trainer, history, "non-finite")
            run.save()
            raise
        finally:
            if bar is not None:
                bar.close()
    if steps:
        run.save()
    return Fit(trainer, history, stopped)


def _lengths(steps, epochs, report_every, per_epoch):
    """Return how many steps are taken in all, and how many from one record to the next."""
    if steps is None:
        steps = check_size(epochs, "epochs", 0) * per_epoch
        report_every = report_every or max(per_epoch, steps // MOST_RECORDS)
    steps = check_size(steps, "steps", 0)
    return steps, check_size(report_every or max(1, steps // 60), "report_every")


def _take_steps(run, steps, report_every, checkpoint_every, interrupt, bar):
    """Take the steps that are left, and return why they ended, as `Fit.stopped`."""
    stopped = "finished"
    while run.trainer.state.step < steps and stopped == "finished":
        run.take_step()
        step = run.trainer.state.step
        if step % report_every == 0 or step == steps:
            if run.record(step):
                stopped = "callback"
            if bar is not None:
                bar.set_postfix(nll=f"{run.history.records[-1]['nll']:.4f}", refresh=False)
        if bar is not None:
            bar.update()
        if interrupt.seen:
            stopped = "interrupted"
        if checkpoint_every and step % checkpoint_every == 0 and step < steps:
            run.save()
    return stopped


def _refuse_unread(network, trainer, settings):
    """Return the trainer, or raise where a network or settings beside it would not be read."""
    if settings:
        raise expected("settings", "none where a trainer is given, which has its own",
                       ", ".join(sorted(settings)))  # fmt: skip
    if network.to_json(trainer.dtype) != trainer.network.to_json(trainer.dtype):
        raise expected("network", "the trainer's", "another")
    return trainer


def _new_trainer(network, num_examples, steps, settings):
    """Return the `Trainer` of `fit`'s settings, with the schedule that serves most."""
    scheduled = not isinstance(settings.get("adam"), Adam)
    rate = parse_rate(
        settings.get("learning_rate", SETTINGS["learning_rate"] if scheduled else 1e-3)
    )
    settings = {"kl_warm_up": rise_of(rate, network), **settings, "learning_rate": rate}
    return Trainer(network, num_examples, steps=steps, **settings)
