"""The numbers of a regression's report, from the run's raw draws and SciPy's Normal."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from bnn_ref import reference
from bnn_ref.report import regression, spreads, summary


def plot(report, name):
    return next(plot for plot in report.plots if plot.name == name)


@pytest.fixture(scope="module")
def evidence(line_report):
    return line_report.evidence


@pytest.fixture(scope="module")
def mixture(evidence):
    """(means (S, N), scale, targets (N,)) of the held-out rows in the table's own unit."""
    o = evidence.opened
    x = np.asarray(evidence.x[:])
    z = np.array([reference.draw_outputs(o.network, o.parameters, x, 0, s)[:, 0] for s in range(5)],
                 np.float64)  # fmt: skip
    scale = np.logaddexp(0, float(o.parameters.scale_rho[0]))
    loc, unit = o.dataset.encoding.y_loc[0], o.dataset.encoding.y_scale[0]
    return z * unit + loc, scale * unit, evidence.y[:, 0] * unit + loc


def test_the_band_is_the_mixtures_two_standard_deviations(line_report, mixture):
    z, s, y = mixture
    total = np.sqrt(s**2 + z.var(axis=0))
    inside = np.mean(np.abs(y - z.mean(axis=0)) <= 2 * total)
    assert 900 < y.mean() < 1100  # the unit is the table's
    words = plot(line_report, "regression-band")
    assert words.caption.startswith(f"{100 * inside:.0f} % of the {len(y)} held-out rows")
    shown = re.search(r"standard deviation ([\d.]+), of which epistemic ([\d.]+)\.", words.alt)
    wanted = [np.median(total), np.median(z.std(axis=0))]
    np.testing.assert_allclose([float(g) for g in shown.groups()], wanted, rtol=0.006)


def test_the_band_goes_on_where_the_data_end(line_report, evidence):
    from bnn_ref.plot.theme import PRINT

    axes = plot(line_report, "regression-band").draw(PRINT).axes[0]
    lines = {line.get_label(): line.get_data() for line in axes.get_lines()}
    heat = evidence.opened.dataset.train.x.values[:, 0]
    across, mean = lines["predicted mean"]
    assert across[0] < heat.min() - 10
    assert across[-1] > heat.max() + 10
    assert set(lines) == {"predicted mean", "training rows", "held-out rows"}
    np.testing.assert_allclose(lines["training rows"][0], heat)
    x = (across - heat.mean()) / heat.std()
    wanted = evidence.predict(x[:, None].astype(np.float32), draws=5).mean[:, 0]
    y = evidence.opened.dataset.encoding
    np.testing.assert_allclose(mean, wanted * y.y_scale[0] + y.y_loc[0], rtol=1e-5)
    assert axes.get_xlabel() == "heat"
    assert axes.get_ylabel() == "yield, target unit"


def test_coverage_by_inverting_the_mixture(evidence, mixture):
    """The central interval's ends are found by root finding on the mixture's distribution."""
    z, s, y = mixture
    share = regression.coverage(evidence)
    for level, found in list(zip(regression.LEVELS, share, strict=True))[::6]:
        inside = 0
        for draws, target in zip(z.T, y, strict=True):
            ends = [
                brentq(lambda t, p=p, d=draws: norm.cdf((t - d) / s).mean() - p, -1e4, 1e4)
                for p in ((1 - level) / 2, (1 + level) / 2)
            ]
            inside += ends[0] <= target <= ends[1]
        assert found == inside / len(y), level


def test_the_calibration_error_is_the_mean_distance(line_report, evidence):
    gaps = np.abs(regression.coverage(evidence) - np.linspace(0.05, 0.95, 19))
    assert (
        f"Calibration error {gaps.mean():.4f},"
        in plot(line_report, "calibration-reliability").caption
    )


def test_spread_parts_add_up_as_variances(line_report, evidence, mixture):
    z, s, _ = mixture
    found = spreads.parts(evidence, evidence.prediction)
    assert found["aleatoric"] == pytest.approx(s, rel=1e-6)
    assert found["epistemic"] == pytest.approx(np.sqrt(z.var(axis=0).mean()), rel=1e-6)
    assert found["total"] ** 2 == pytest.approx(found["aleatoric"] ** 2 + found["epistemic"] ** 2)
    assert "held-out rows: total" in plot(line_report, "uncertainty-parts").alt


def test_rmse_at_the_top_is_in_the_tables_unit(evidence, mixture):
    z, _, y = mixture
    rmse = np.sqrt(np.mean((z.mean(axis=0) - y) ** 2))
    top = {what: value for value, what, _ in summary.scores(evidence)}
    assert top["held-out RMSE, target unit"] == f"{rmse:.4g}"
    assert not any("calibration" in what for what in top)


def test_the_most_surprising_row(line_report, mixture):
    z, s, y = mixture
    density = norm.pdf((y - z) / s).mean(axis=0)
    row = density.argmin()
    words = plot(line_report, "predictions-wrong").alt
    assert f": row {row}: observed {y[row]:.4g}, mean {z[:, row].mean():.4g};" in words
