"""The numbers of the experiment that are no metric of a single run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.studies.results import Results
from cgexp.systems.cgnet_toy import CGnetToy

from . import local_average
from .curves import Curves, Exact, Values, X, excess_loss, force_error, leak_bound, model_curves
from .decomposition import Parts, decompose
from .leaks import Simulated, simulated
from .slopes import Slope, fit_slope

MODELS = ("feature_regression", "cgnet", "cgnet_regularised")
ESTIMATORS = (*MODELS, "local_average")
LABELS = {
    "feature_regression": "feature regression",
    "cgnet": "plain CGnet",
    "cgnet_regularised": "regularised CGnet",
    "local_average": "local averages",
}
SIZES = np.array([100, 300, 1_000, 3_000, 10_000, 30_000, 100_000])  # frames
FEW = 300  # frames, where leaks are simulated as well
SLOPES_FROM = 1_000  # frames: below, curves have not become power laws


class Numbers(NamedTuple):
    """All that the figures draw.

    forces: estimator -> [n_sizes, n_seeds, n_x], kT/length. excess, error: estimator -> [n_sizes, n_seeds]. bounds:
    arm -> [n_runs], 1/time, and that of the exact PMF. slopes: (estimator, 'excess' or 'force') -> power law.
    """

    exact: Exact
    curves: dict[str, Curves]
    simulated: dict[str, Simulated]
    forces: dict[str, Values]
    excess: dict[str, Values]
    error: dict[str, Values]
    bounds: dict[str, Values]
    exact_bound: float
    slopes: dict[tuple[str, str], Slope]
    parts: dict[str, list[Parts]]


def arm_of(model: str, n_frames: int) -> str:
    """The arm of a model with that many frames."""
    return model if n_frames == SIZES[-1] else f"{model}_learning/{n_frames}"


def all_numbers(results: Results) -> Numbers:
    """Everything, from the runs or from what ``results.cached`` has kept."""
    exact, curves = Exact.of(CGnetToy()), model_curves(results)
    forces = {model: np.array([curves[arm_of(model, n)].force for n in SIZES]) for model in MODELS}
    forces["local_average"] = _local_averages(results)
    excess = {name: excess_loss(force, exact) for name, force in forces.items()}
    error = {name: force_error(force, exact) for name, force in forces.items()}
    late = SIZES >= SLOPES_FROM
    slopes = {
        (name, kind): fit_slope(SIZES[late], values[name][late])
        for name in ESTIMATORS
        for kind, values in (("excess", excess), ("force", error))
    }
    bounds = {name: np.array([leak_bound(X, energy) for energy in c.energy]) for name, c in curves.items()}
    parts = {name: [decompose(force, exact) for force in forces[name]] for name in ESTIMATORS}
    arms = tuple(arm_of(model, n) for model in MODELS for n in (FEW, SIZES[-1]))
    exact_bound = leak_bound(X, exact.pmf)
    return Numbers(exact, curves, simulated(results, arms), forces, excess, error, bounds, exact_bound, slopes, parts)


def by_name(found: Numbers) -> dict[str, list[float]]:
    """Name -> values, as they go into numbers.json, the table and the bounds of expected.yaml."""
    named = {f"{arm}.leak_bound": list(values) for arm, values in found.bounds.items()}
    named["exact.leak_bound"] = [found.exact_bound]
    for n, excess, error in zip(SIZES, found.excess["local_average"], found.error["local_average"], strict=True):
        named[f"local_average_learning/{n}.loss_excess_relative"] = list(excess)
        named[f"local_average_learning/{n}.force_rmse_relative"] = list(error)
    for (name, kind), slope in found.slopes.items():
        named[f"slope.{name}.{kind}"] = [slope.slope]
        named[f"slope.{name}.{kind}_sem"] = [slope.slope_sem]
    for name, parts in found.parts.items():
        for n, part in zip(SIZES, parts, strict=True):
            named |= {f"decomposition.{name}/{n}.{key}": [value] for key, value in part._asdict().items()}
    for arm in ("house", *MODELS):
        center = excess_loss(found.curves[arm].force, found.exact, CGnetToy.evaluation_range)
        named[f"{arm}.loss_excess_center"] = list(center)
    for arm, runs in found.simulated.items():
        named[f"{arm}.leak_limit"] = [3.0 / (len(runs.inside) * runs.replica_time)]  # 95 %, if no replica has leaked
    return named


def _local_averages(results: Results) -> Values:
    """Forces of the local average on ``X`` from the data of the plain CGnet: [n_sizes, n_seeds, n_x]."""

    def make() -> dict[str, Values]:
        forces = []
        for n in SIZES:
            data = [run.frames for run in results.runs(arm_of("cgnet", n))]
            fits = [
                _fit(frames.coords[:, 0, 0], frames.forces[:, 0, 0]) for frames in data if frames.forces is not None
            ]
            forces.append([fit.force(X) for fit in fits])
        return {"force": np.array(forces)}

    return results.cached("local_average", make)["force"]


def _fit(x: NDArray[np.floating], force: NDArray[np.floating]) -> local_average.LocalAverage:
    return local_average.fit(np.asarray(x, dtype=np.float64), np.asarray(force, dtype=np.float64))
