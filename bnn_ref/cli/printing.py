"""What the programs print about a run."""

import shlex
import sys

from ..backends import name_of
from ..errors import one_line

MANY = 500_000  # rows times draws from which a prediction may take a minute


def temperature_words(trainer):
    """Return what the KL's weight is, in words."""
    if trainer.kl_weight is not None:
        return f"KL weight {trainer.kl_weight:g}, temperature {trainer.final_temperature:.4g}"
    words = f"KL weight {trainer.temperature:g}/N"
    if trainer.kl_warm_up:
        words += f", rising over the first {trainer.kl_warm_up:.0%} of the steps"
    if trainer.temperature < 1:
        words += " (a cold posterior, not Bayes': narrower than data and prior call for)"
    return words


def print_end(trained):
    """Say whether training has settled, and whether anything was learned."""
    from ..training import prior_line

    if not trained.history.records:
        return
    line = prior_line(trained.parameters, trained.history.records[-1]["kl"])
    for said in filter(None, (line, trained.convergence.line)):
        print(said)


def print_next(folder):
    """Say what to type next."""
    if folder:
        quoted = shlex.quote(str(folder))
        print(f"next: bnn-ref report {quoted}, or bnn-ref predict {quoted} --help")
    else:
        print("next: the same with --out RUN keeps the run; bnn-ref report RUN explains it")


def say_long(draws, *parts):
    """Say on standard error what is predicted, where so much of it keeps one waiting."""
    rows = sum(len(part) for part in parts)
    if rows * draws >= MANY:
        print(f"bnn-ref: predicting {rows:,} rows, {draws} draws", file=sys.stderr, flush=True)


def say_long_scores(draws, dataset):
    """As `say_long`, of the held-out and test rows of a data set."""
    say_long(draws, *(part.x for part in (dataset.validation, dataset.test) if part is not None))


def say_part(words):
    """Say on standard error, where that is a terminal, which part of long work begins."""
    if sys.stderr.isatty():
        print(f"bnn-ref: {words}", file=sys.stderr, flush=True)


def print_notes(notes):
    """Print what was read and how it was taken; names come from files, so they are escaped."""
    for note in notes:
        print(one_line(note))


class Printer:
    """Prints what training does: its start, and some twenty of the history's records.

    Attributes
    ----------
    failed : OSError or None
        Where nothing can be printed any longer; training then ends as by Ctrl-C.
    """

    def __init__(self, dataset, trainer, steps):
        self.every, self.next, self.last = max(1, steps // 20), 0, steps
        self.dataset, self.encoding = dataset, dataset.encoding
        self.explained = trainer.kl_weight is None
        self.default_weight = 1 / trainer.num_examples
        self.failed = None

    def _print(self, line):
        if self.failed is None:
            try:
                print(line, flush=True)
            except OSError as error:
                self.failed = error

    def start(self, trainer):
        """Print what is about to be trained on what."""
        dataset = self.dataset
        parts = {"training": dataset.train, "held-out": dataset.validation, "test": dataset.test}
        rows = ", ".join(f"{len(part.x)} {name}" for name, part in parts.items() if part)
        self._print(f"data: {one_line(dataset.source)}, {rows} rows of {dataset.inputs} inputs")
        for note in dataset.notes:
            self._print(one_line(note))
        self._print(str(trainer.network))
        where = "" if trainer.state.step == 0 else f" from step {trainer.state.step}"
        self._print(f"back end: {name_of(trainer.backend)}, {trainer.dtype}")
        self._print(f"learning rate {trainer.learning_rate}, {temperature_words(trainer)}")
        self._print(f"training to step {self.last}{where}")

    def __call__(self, trainer, record):
        """Print one record, if it is time; return whether training should end.

        Held-out scores are those of the posterior mean.
        """
        if record["step"] < self.next and record["step"] != self.last:
            return self.failed is not None
        self.next = record["step"] + self.every
        line = "step {step:>6}  loss {loss:.4f}  nll {nll:.4f}  kl {kl:.1f}".format(**record)
        for name in ("accuracy", "rmse"):
            if name in record:
                line += f"  {name} {self._own_units(name, record[name]):.4f}"
            if f"validation_{name}" in record:
                held = self._own_units(name, record[f"validation_{name}"])
                nats = self.encoding.decode_nats(record["validation_nats"])
                line += f"  held-out at the posterior mean: nats {nats:.4f} {name} {held:.4f}"
        self._print(line)
        if not self.explained:
            self.explained = True
            given = trainer.kl_weight
            weight = record["kl_weight"] if callable(given) else given
            self._print(
                f"  kl_weight {weight:g}: weighted KL {weight * record['kl']:.6g} nats; "
                f"1/N = {self.default_weight:g} would make it "
                f"{self.default_weight * record['kl']:.6g}"
            )
        return self.failed is not None

    def _own_units(self, name, value):
        """Return an RMSE in the target's own units where there is one output; else the value."""
        scale = self.encoding.y_scale
        return value * scale[0] if name == "rmse" and scale and len(scale) == 1 else value


def print_scores(results, dataset):
    """Print held-out and test scores, those that apply."""
    parts = {"heldout": ("held-out", dataset.validation), "test": ("test", dataset.test)}
    for key, (name, part) in parts.items():
        if part is None:
            continue
        words = [f"{name:<9}nats {results[f'{key}_nats']:.4f}"]
        for score in ("accuracy", "rmse", "calibration_error"):
            if results[f"{key}_{score}"] is not None:
                words.append(f"{score.replace('_', ' ')} {results[f'{key}_{score}']:.4f}")
        print("  ".join(words), f" ({len(part.x)} rows, {results['draws']} draws)")
    sys.stdout.flush()
