"""Scores and predictions in the units of the data: what the programs report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..prediction import predict
from ..storage.archive import write_archive
from ..storage.jsonfile import plain
from ..storage.wholefile import whole_file
from .schema import SCORES

if TYPE_CHECKING:
    from ..data import Examples
    from ..data.dataset import Dataset
    from ..data.encoding import Encoding
    from ..network import Network
    from ..parameters import Parameters
    from ..prediction.prediction import Prediction


def score(
    network: Network,
    parameters: Parameters,
    examples: Examples | None,
    encoding: Encoding,
    **options: Any,
) -> dict[str, float | None]:
    """Return nats, accuracy, rmse and calibration error of some examples as a dict.

    Parameters
    ----------
    network, parameters
    examples : Examples or None
    encoding : Encoding
        Gives density and RMSE of a scaled target in the target's own units.
    **options
        Of `bnn_ref.predict`: draws, seed, kind, backend, threads.

    Returns
    -------
    dict of the four, each a float, or None where it does not apply. nats: mean log-probability
    (log-density) of the target under the averaged prediction. rmse: over all outputs.
    """
    scores = dict.fromkeys(SCORES)
    if examples is None:
        return scores
    prediction = predict(network, parameters, *examples, **options)
    scores["nats"] = float(encoding.decode_nats(prediction.nats))
    if prediction.mean is None:
        scores["accuracy"] = prediction.accuracy
        scores["calibration_error"] = prediction.calibration_error
    else:
        wrong = encoding.decode_scale(prediction.mean - prediction.targets)
        scores["rmse"] = float(np.sqrt(np.mean(wrong * wrong)))
    return scores


def score_parts(
    network: Network, parameters: Parameters, dataset: Dataset, **options: Any
) -> dict[str, float | None]:
    """Return the scores of held-out and test rows: heldout_nats, test_nats and so on.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    dataset : Dataset
    **options
        As for `bnn_ref.prediction.predict`.
    """
    parts = {"heldout": dataset.validation, "test": dataset.test}
    scores = {
        part: score(network, parameters, examples, dataset.encoding, **options)
        for part, examples in parts.items()
    }
    return {f"{part}_{name}": scores[part][name] for name in SCORES for part in parts}


def prediction_columns(prediction: Prediction, encoding: Encoding) -> dict[str, NDArray[Any]]:
    """Return name to array of what is told about each row, in the data's own units.

    Classes: ``class`` (its name), ``probability_NAME`` of each, the entropies and the mutual
    information in nats. Numbers: ``mean`` and ``scale`` (the predictive standard deviation) with
    the ``aleatoric_scale`` and ``epistemic_scale`` it is made of. Several outputs are numbered.

    Parameters
    ----------
    prediction : Prediction
    encoding : Encoding
        Of the data that were predicted.
    """
    outputs = prediction.epistemic.shape[1]
    numbered = [""] if outputs == 1 else [f"_{k}" for k in range(outputs)]
    if prediction.mean is not None:
        scales = {"scale": prediction.variance, "aleatoric_scale": prediction.aleatoric}
        scales["epistemic_scale"] = prediction.epistemic
        tables = {"mean": encoding.decode_mean(prediction.mean)}
        tables |= {name: encoding.decode_scale(np.sqrt(v)) for name, v in scales.items()}
        return {
            name + end: table[:, k]
            for name, table in tables.items()
            for k, end in enumerate(numbered)
        }
    p = prediction.probabilities
    if not encoding.targets.exclusive:
        classes = np.array([0, 1] if encoding.classes is None else encoding.classes)
        chosen = classes[prediction.classes]
        columns = {f"class{end}": chosen[:, k] for k, end in enumerate(numbered)}
        columns |= {f"probability{end}": p[:, k] for k, end in enumerate(numbered)}
    else:
        classes = np.array(range(outputs) if encoding.classes is None else encoding.classes)
        columns = {"class": classes[prediction.classes]}
        columns |= {f"probability_{name}": p[:, k] for k, name in enumerate(classes)}
    for name in ("total_entropy", "expected_entropy", "mutual_information"):
        columns[name] = getattr(prediction, name)
    return columns


def one_line_json(values: Mapping[str, Any]) -> str:
    """Return a dict as JSON on one line; what is not finite becomes null.

    Parameters
    ----------
    values : dict of str to number, str, bool or None
    """
    return json.dumps(plain(values), allow_nan=False)


def write_columns(path: str | PathLike[str], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns to a .csv file (numbers with every digit) or an .npz file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Ends in .csv or .npz.
    columns : dict of str to array (N,)

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    if str(path).endswith(".npz"):
        write_archive(path, columns)
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    with whole_file(path) as file:
        file.write(text.getvalue().encode())
