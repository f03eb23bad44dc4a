"""``bnn-ref predict``."""

import os

from ..errors import expected
from .evaluate import add_prediction_options, open_run, prediction_options
from .printing import print_notes, say_long
from .reading import add_reading, reading_of

EPILOG = """\
INPUT is a folder of IDX files (its test images), an IDX file of images, an npy file, an npz with
an array x (or x_test), a text table with the run's input columns, or the word digits. FILE ends in
.csv (a line for each row) or .npz (an array for each column); it is replaced if it is there.

Classes: the most probable class, the averaged probability of each, and in nats the total and the
expected entropy and the mutual information. Numbers: mean and scale (standard deviation) of the
predictive distribution, and the aleatoric and epistemic scales that it is made of.
"""


def add_arguments(parser):
    """Add the command's arguments to its parser."""
    parser.epilog = EPILOG
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("input", metavar="INPUT", help="rows to predict, see below")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a .csv or .npz file")
    add_prediction_options(parser)
    add_reading(parser)


def run(args):
    """Predict, write the file, and return the exit code."""
    from ..data import read_inputs
    from ..prediction import predict
    from ..runs.evaluation import prediction_columns, write_columns

    _check_output(args)
    config, checkpoint, encoding = open_run(args.run_folder)
    reading = reading_of(args, args.input, config["settings"], args.run_folder)
    rows, notes = read_inputs(args.input, encoding, checkpoint.dtype, reading)
    print_notes(notes)
    options = prediction_options(args, config["settings"])
    say_long(options["draws"], rows)
    prediction = predict(checkpoint.network, checkpoint.state.parameters, rows, **options)
    write_columns(args.output, prediction_columns(prediction, encoding))
    print(f"{args.output}: {len(rows)} rows, {prediction.draws} draws")
    return 0


def _check_output(args):
    """Refuse, before any work, a name of another kind or one that would replace an input."""
    if os.path.splitext(args.output)[1] not in (".csv", ".npz"):
        raise expected("--output", "a name in .csv or .npz", repr(args.output))
    if os.path.isdir(args.output):
        raise expected("--output", "a file", f"the folder {args.output}")
    if os.path.exists(args.output):
        kept = [args.input, os.path.join(args.run_folder, "checkpoint.npz")]
        for path in kept:
            if os.path.exists(path) and os.path.samefile(path, args.output):
                raise ValueError(f"--output: expected another file than {path}, which is read")
