"""Numbers and figures of the Julia report's toy: its own figures from our runs, and the anatomy of its failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.studies.results import Results

from . import broadcast, ripple
from .drawing import (
    FUTURE,
    KINDS,
    N_BATCHES,
    PLANE,
    REPORTED,
    STEPS,
    anatomy_figure,
    control_figure,
    failure_figure,
    future_work_figure,
    plateau_figure,
    quality_figure,
    spectral_bias_figure,
)

N_DRAWS = 2000

Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """What the table and expected.yaml need besides the metrics of the runs."""
    found: dict[str, Sequence[float]] = {}
    failed = _broadcast(results)
    draws = N_BATCHES * _label_variances(results)
    found["label_variance.plateau_predicted"] = [float(draws.mean())]
    found["label_variance.plateau_spread"] = [float(draws.std())]
    found["label_variance.report_in_spreads"] = [(np.mean(REPORTED) - draws.mean()) / draws.std()]
    exact, deviation = ripple.exact_force(), ripple.exact_force().std()
    for kind in KINDS:
        level, forces = broadcast.plateau(failed[f"sums_{kind}"]), failed[f"force_{kind}"]
        found[f"broadcast_{kind}.plateau"] = list(level)
        found[f"broadcast_{kind}.plateau_over_variance"] = list(level / (N_BATCHES * failed["variance"]))
        found[f"broadcast_{kind}.force_rmse_relative"] = [_rmse(f, exact) / deviation for f in forces]
        found[f"broadcast_{kind}.force_rmse_inside"] = [ripple.error_inside(force) for force in forces]
        found[f"broadcast_{kind}.ripple_learnt"] = [ripple.ripple_learnt(force) for force in forces]
        found[f"broadcast_{kind}.pmf_rmse_integration"] = [_rmse(ripple.pmf_of(f), ripple.exact_pmf()) for f in forces]
    for arm, forces in _forces(results).items():
        found[f"{arm}.ripple_learnt"] = [ripple.ripple_learnt(force) for force in forces]
        found[f"{arm}.force_rmse_inside"] = [ripple.error_inside(force) for force in forces]
    known = {**results.numbers(), **found}
    for metric in ("force_rmse_relative", "force_rmse_inside", "pmf_rmse_integration"):
        for name in ("relu", "tanh", "tanh_scaled", "silu", "fourier", "tuned"):
            energy, direct = known[f"energy_{name}.{metric}"], known[f"direct_{name.removesuffix('_scaled')}.{metric}"]
            found[f"energy_over_direct_{name}.{metric}"] = [e / d for e, d in zip(energy, direct, strict=True)]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """All figures by name."""
    failed, forces = _broadcast(results), _forces(results)
    draws = N_BATCHES * _label_variances(results)
    steps = {
        f"{kind}_{step}": failed[f"force_{kind}"] if step == "broadcast" else forces[f"{kind}_{step}"]
        for step in STEPS
        for kind in KINDS
    }
    shares = {
        arm: np.array([ripple.ripple_learnt_by_wave_number(f)[1] for f in forces[arm]])
        for arm in ("direct_relu", "direct_relu_long", "energy_silu", "direct_silu", "energy_fourier", "energy_tuned")
    }
    errors = {
        arm: [_rmse(f, ripple.exact_force()) / ripple.exact_force().std() for f in fs] for arm, fs in steps.items()
    }
    return {
        "report_figures_4_and_5": failure_figure(failed["sums_energy"], failed["variance"], failed["force_energy"]),
        "report_figures_6_to_8": control_figure(
            _histories(results, "direct_relu_long", "loss_train_running"), forces["direct_relu_long"]
        ),
        "report_figure_9": quality_figure(
            {
                "direct, ReLU, 1,000 epochs": _quality(results, "direct_relu_long", forces),
                "energy, as toy_julia ships": _quality(results, "energy_tuned", forces),
            }
        ),
        "anatomy": anatomy_figure(steps, errors),
        "plateau": plateau_figure(draws, broadcast.plateau(failed["sums_energy"]), N_BATCHES * failed["variance"]),
        "spectral_bias": spectral_bias_figure(ripple.ripple_learnt_by_wave_number(ripple.exact_force())[0], shares),
        "future_work": future_work_figure(
            {arm: results.values(arm, "force_rmse_relative") for arm in FUTURE},
            {arm: (results.values(arm, "force_rmse_relative"), results.values(arm, "loop_work_rms")) for arm in PLANE},
        ),
    }


def _rmse(a: Values, b: Values) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def _broadcast(results: Results) -> dict[str, Values]:
    def make() -> dict[str, Values]:
        frames = [run.frames for run in results.runs("energy_relu")]
        data = [(f.coords[:, 0, 0].astype(np.float64), f.forces[:, 0, 0].astype(np.float64)) for f in frames]
        return broadcast.runs(data, results.seeds)

    return results.cached("broadcast", make, broadcast)


def _label_variances(results: Results) -> Values:
    return results.cached("variance", lambda: {"variance": broadcast.label_variances(5000, N_DRAWS)}, broadcast)[
        "variance"
    ]


def _forces(results: Results) -> dict[str, Values]:
    """Forces on the grid of every arm in one dimension: arm -> [n_seeds, n_grid]."""
    arms = [arm.name for arm in results.study.arms if not arm.computed and not arm.name.startswith("plane")]

    def make() -> dict[str, Values]:
        return {arm: np.stack([ripple.model_force(run) for run in results.runs(arm)]) for arm in arms}

    return results.cached("forces", make, ripple)


def _histories(results: Results, arm: str, column: str) -> Values:
    return np.stack([run.history[column] for run in results.runs(arm)])


def _quality(results: Results, arm: str, forces: Mapping[str, Values]) -> dict[str, Any]:
    history = results.runs(arm)[0].history
    return {
        "epoch": history["epoch"] + 1,
        "train": history["loss_train_running"],
        "validation": history["loss_validation"],
        "colour": arm.split("_")[0],
        "force": forces[arm][0],
    }
