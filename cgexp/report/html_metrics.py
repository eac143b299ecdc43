"""The metrics of a run as tables of a page: the few that matter most with what they mean, and all of them."""

from __future__ import annotations

from collections.abc import Mapping

from cgexp.report.html import Cell, Table
from cgexp.report.table import BOUNDS, RESOLUTION, SEM, unit_of, with_error, without_bound

# The numbers to look at first, in this order, and how to read them; docs/metrics.md has the formulas.
KEY = {
    "force_rmse_relative": "error of the mean force: 0 is exact, 1 no better than a constant",
    "loss_excess_relative": "force error beyond the noise floor, relative to it: 0 is the best that any model can do",
    "pmf_rmse_integration": "error of the model's potential of mean force",
    "pmf_rmse_simulation": "the same from a histogram of its simulation",
    "leak_rate": "how often replicas leave the known region",
    "curl_rms_relative": "how far the force is from being the gradient of an energy",
    "loop_work_rms": "work around closed loops, 0 for the gradient of an energy",
    "w1_tica": "distance to the reference in the plane of the first two ICs (Wasserstein-1)",
    "js_tica": "divergence from the reference in that plane (Jensen-Shannon, 0 to 0.69)",
    "w1_rmsd": "distance between the distributions of the RMSD to the native structure",
    "contact_rmse": "error of the probabilities of contacts between residues",
    "folded_fraction": "share of the simulation within analysis.folded_rmsd of the native structure",
    "folded_fraction_reference": "the same of the reference",
    "folded_fraction_drift": "how much more of the simulation's second half is folded than of its first",
    "resolution_relative": "how far the reference's two runs are apart, in distances of folded from unfolded",
    "mean_force_rmse": "error of the force against mean forces of all-atom simulations, their noise taken off",
    "mean_force_rmse_prior_only": "the same of the prior alone",
    "mean_force_rmse_zero_force": "the same of no force at all",
    "loss_validation": "mean squared force error on frames that were not trained on; noise is most of it",
    "loss_prior_only": "the same of the prior alone",
    "loss_noise_floor": "the smallest loss that any model can have",
    "replicas_failed": "replicas that the health check froze",
    "train_seconds": "time of the training",
}


def key_table(metrics: Mapping[str, float], units: str) -> Table:
    """The metrics of KEY that a run has: value ± standard error, unit, resolution if any has one, how to read it."""
    names = [name for name in KEY if name in metrics]
    with_resolution = any(name + RESOLUTION in metrics for name in names)
    rows = []
    for name in names:
        resolution = [_value(metrics, name + RESOLUTION, "number resolution")] if with_resolution else []
        unit = Cell(unit_of(name, units), kind="unit")
        rows.append([Cell(name, kind="code"), _value(metrics, name), unit, *resolution, Cell(KEY[name], kind="words")])
    heads = ("metric", "value", "unit", *(["resolution"] if with_resolution else []), "how to read it")
    caption = "The numbers to look at first, ± one standard error"
    if with_resolution:
        caption += "; resolution: of the two independent runs of the reference from each other"
    return Table("key", caption, heads, rows)


def metrics_table(metrics: Mapping[str, float], units: str) -> Table:
    """Every metric, its standard error beside it."""
    rows = []
    for name in sorted(metrics):
        if not (name.endswith(SEM) and name.removesuffix(SEM) in metrics):
            error = number(metrics[name + SEM]) if name + SEM in metrics else Cell("")
            sign = next((f"{sign} " for ending, sign in BOUNDS.items() if name.endswith(ending)), "")
            value = Cell(f"{sign}{metrics[name]:.4g}", metrics[name], kind="number")
            rows.append([Cell(without_bound(name), kind="code"), value, error, Cell(unit_of(name, units), kind="unit")])
    return Table("metrics", "All metrics", ("metric", "value", "standard error", "unit"), rows, has_filter=True)


def number(value: float) -> Cell:
    """A cell with four significant digits."""
    return Cell(f"{value:.4g}", value, kind="number")


def _value(metrics: Mapping[str, float], name: str, kind: str = "number") -> Cell:
    if name not in metrics:
        return Cell("")
    return Cell(with_error(metrics[name], metrics.get(name + SEM)), metrics[name], kind=kind)
