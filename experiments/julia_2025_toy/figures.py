"""Numbers and figures of the Julia report's toy: its own figures from our runs, and the anatomy of its failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.report.style import COLOURS, axis_label, panels, styled
from cgexp.runs.results import Results

from . import broadcast, ripple

X_LABEL, FORCE_LABEL = axis_label("x", "length"), axis_label("force", "kT/length")
PMF_LABEL = axis_label("PMF", "kT, mean over the grid 0")
LOSS_LABEL = axis_label("mean squared force error", "(kT/length)²")
N_BATCHES, N_DRAWS = 20, 2000
REPORTED = (121.0, 123.0)  # the report's Fig. 4
STEPS = {
    "broadcast": "(a) broadcast",
    "relu": "(b) shape cured",
    "silu": "(c) smooth (SiLU)",
    "fourier": "(d) + Fourier features",
    "tuned": "(e) as toy_julia ships",
}
KINDS = ("energy", "direct")
FUTURE = {
    "energy_silu": "as (c)",
    "pretrained": "pretrained on forces",
    "smooth": "2nd derivatives smoothed",
    "energy_fourier": "as (d)",
    "pretrained_fourier": "pretrained on forces ",
    "smooth_fourier": "2nd derivatives smoothed ",
}
PLANE = {"plane_direct": "direct", "plane_conserving": "direct,\nloops penalised", "plane_energy": "energy"}

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
            _histories(results, "direct_relu_long", "loss_train"), forces["direct_relu_long"]
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
            {label: results.values(arm, "force_rmse_relative") for arm, label in FUTURE.items()},
            {
                label: (results.values(arm, "force_rmse_relative"), results.values(arm, "loop_work_rms"))
                for arm, label in PLANE.items()
            },
        ),
    }


@styled
def failure_figure(sums: Values, variance: Values, forces: Values) -> Figure:
    """The report's Figs. 4 and 5: the loss that does not fall, and what is learnt.

    sums [n_seeds, n_epochs]; variance [n_seeds] of the labels; forces [n_seeds, n_grid] of the models.
    """
    figure, (left, middle, right) = panels(1, 3)
    left.axhspan(*REPORTED, color=COLOURS["data"], alpha=0.4, lw=0, label="the report's plateau")
    for i, (row, level) in enumerate(zip(sums, N_BATCHES * variance, strict=True)):
        left.plot(np.arange(1, len(row) + 1), row, color=COLOURS["energy"], lw=0.8, label=_once("ours, five seeds", i))
        left.axhline(level, color=COLOURS["exact"], lw=0.7, ls=":", label=_once("20 × label variance, each seed", i))
    left.set_xlabel("epoch")
    left.set_ylabel(axis_label("loss summed over 20 batches", "(kT/length)²"))
    left.set_ylim(110.0, 150.0)
    left.legend()
    _force_panel(middle, {"energy model, broadcast loss": ("energy", forces)})
    _pmf_panel(right, {"energy model, broadcast loss": ("energy", forces)})
    return figure


@styled
def control_figure(losses: Values, forces: Values) -> Figure:
    """The report's Figs. 6 to 8, its control: losses [n_seeds, n_epochs], forces [n_seeds, n_grid]."""
    figure, (left, middle, right) = panels(1, 3)
    for i, row in enumerate(losses):
        left.plot(
            np.arange(1, len(row) + 1), row, color=COLOURS["direct"], lw=0.7, label=_once("training, five seeds", i)
        )
    left.set_yscale("log")
    left.set_xlabel("epoch")
    left.set_ylabel(LOSS_LABEL)
    left.legend()
    _force_panel(middle, {"direct force, ReLU": ("direct", forces)})
    _pmf_panel(right, {"direct force, ReLU, integrated": ("direct", forces)})
    return figure


@styled
def quality_figure(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The report's Fig. 9, a row for each model: losses, predicted against true force, residuals.

    rows: title -> epoch, train, validation [n_epochs], colour, force [n_grid].
    """
    figure, axes = panels(len(rows), 3)
    exact = ripple.exact_force()
    for i, (title, row) in enumerate(rows.items()):
        left, middle, right = axes[3 * i : 3 * i + 3]
        left.plot(row["epoch"], row["train"], color=COLOURS["train"], lw=1.0, label="training")
        left.plot(row["epoch"], row["validation"], color=COLOURS["validation"], lw=1.0, label="validation")
        left.set_yscale("log")
        left.set_xlabel("epoch")
        left.set_ylabel(LOSS_LABEL)
        left.legend()
        left.set_title(title)
        middle.axline((0.0, 0.0), slope=1.0, color=COLOURS["exact"], lw=1.0, label="exact")
        middle.plot(exact, row["force"], ".", ms=3, color=COLOURS[row["colour"]], label="model, grid points")
        middle.set_xlabel(axis_label("exact force", "kT/length"))
        middle.set_ylabel(axis_label("predicted force", "kT/length"))
        middle.legend()
        right.axhline(0.0, color=COLOURS["exact"], lw=1.0, label="exact")
        right.plot(ripple.GRID, row["force"] - exact, color=COLOURS[row["colour"]], lw=0.8, label="model")
        right.set_xlabel(X_LABEL)
        right.set_ylabel(axis_label("predicted - exact force", "kT/length"))
        right.legend()
    return figure


@styled
def anatomy_figure(steps: Mapping[str, Values], errors: Mapping[str, Sequence[float]]) -> Figure:
    """The anatomy of the failure: forces after each cure, all of them and a close look, and the errors.

    steps: ``<kind>_<step>`` -> forces [n_seeds, n_grid]; errors: the same -> relative force error of each seed.
    """
    n = len(STEPS)
    figure = Figure(figsize=(3.0 * n, 9.0), layout="constrained")
    grid = figure.add_gridspec(3, n, height_ratios=(1.0, 1.0, 1.15))
    for column, (step, title) in enumerate(STEPS.items()):
        for row, limits in enumerate(((-5.0, 5.0), (3.0, 5.0))):
            axes = figure.add_subplot(grid[row, column])
            low, high = limits
            inside = (low <= ripple.GRID) & (high >= ripple.GRID)
            x = ripple.GRID[inside]
            axes.plot(
                x, ripple.exact_force()[inside], color=COLOURS["exact"], lw=(1.0, 2.6)[row], alpha=0.55, label="exact"
            )
            for kind in KINDS:
                force = steps[f"{kind}_{step}"][0][inside]
                axes.plot(x, force, color=COLOURS[kind], lw=1.0, ls="--" if kind == "direct" else "-", label=kind)
            axes.set_xlim(*limits)
            axes.set_ylim((-9.0, 9.0) if row == 0 else (-8.5, 3.0))
            axes.set_xlabel(X_LABEL)
            if column == 0:
                axes.set_ylabel(FORCE_LABEL)
            if row == 0:
                axes.set_title(title)
            if row == 0 and column == 0:
                axes.legend()
    axes = figure.add_subplot(grid[2, :])
    for shift, kind in zip((-0.12, 0.12), KINDS, strict=True):
        _dots(axes, [errors[f"{kind}_{step}"] for step in STEPS], COLOURS[kind], shift, f"{kind}, five seeds")
    axes.set_xticks(range(n), STEPS.values())
    axes.axhline(1.0, color=COLOURS["zero_force"], ls=":", lw=1.0, label="a constant force")
    axes.set_yscale("log")
    axes.set_ylabel("force error / standard\ndeviation of the exact force")
    axes.legend(loc="lower left")
    return figure


@styled
def plateau_figure(draws: Values, found: Values, variance: Values) -> Figure:
    """Where the failing loss must get stuck: 20 x label variance over draws of the data [n_draws].

    found [n_seeds]: our plateaus; variance [n_seeds]: 20 x label variance of the same seeds.
    """
    figure, (left, right) = panels(1, 2)
    left.hist(
        draws, bins=40, density=True, color=COLOURS["data"], label="20 × label variance,\n2,000 draws of 5,000 points"
    )
    left.axvspan(*REPORTED, color=COLOURS["simulation"], alpha=0.35, lw=0, label="the report's plateau")
    left.plot(found, np.full(len(found), 0.004), "|", ms=14, mew=1.5, color=COLOURS["energy"], label="ours, five seeds")
    left.set_xlabel(axis_label("loss summed over 20 batches", "(kT/length)²"))
    left.set_ylabel(axis_label("probability density", "(length/kT)²"))
    left.set_ylim(0.0, 0.24)
    left.legend(loc="upper left")
    right.axline((variance.mean(), variance.mean()), slope=1.0, color=COLOURS["exact"], lw=1.0, label="equal")
    right.plot(variance, found, "o", ms=5, color=COLOURS["energy"], label="plateau of the energy model")
    right.set_xlabel(axis_label("20 × label variance of the seed's data", "(kT/length)²"))
    right.set_ylabel(axis_label("plateau of its loss", "(kT/length)²"))
    right.legend()
    return figure


@styled
def spectral_bias_figure(wave_number: Values, shares: Mapping[str, Values]) -> Figure:
    """How much of the ripple each model has, against its local wave number [n]: shares arm -> [n_seeds, n]."""
    figure, (axes,) = panels(1, 1)
    figure.set_size_inches(6.4, 3.8)
    looks = {
        "direct_relu": ("direct", ":", "direct, ReLU, 200 epochs"),
        "direct_relu_long": ("direct", "-.", "direct, ReLU, 1,000 epochs"),
        "direct_silu": ("direct", "--", "direct, SiLU"),
        "energy_silu": ("energy", "--", "energy, SiLU"),
        "energy_fourier": ("energy", "-.", "energy, + Fourier features"),
        "energy_tuned": ("energy", "-", "energy, as toy_julia ships"),
    }
    axes.axhline(1.0, color=COLOURS["exact"], lw=1.0, label="exact")
    for arm, (colour, dashes, label) in looks.items():
        mean, spread = shares[arm].mean(axis=0), shares[arm].std(axis=0, ddof=1)
        axes.plot(wave_number, mean, dashes, color=COLOURS[colour], label=label)
        axes.fill_between(wave_number, mean - spread, mean + spread, color=COLOURS[colour], alpha=0.15, lw=0)
    axes.set_xlabel(axis_label("local wave number of the ripple", "rad/length"))
    axes.set_ylabel("share of the ripple learnt")
    axes.set_ylim(-0.3, 1.25)
    figure.legend(loc="outside right upper")
    return figure


@styled
def future_work_figure(proposals: Mapping[str, Values], plane: Mapping[str, tuple[Values, Values]]) -> Figure:
    """What the report proposes: force errors with and without, and a direct model in the plane.

    proposals: label -> relative force error [n_seeds]. plane: label -> relative force errors, work around loops (kT).
    """
    figure, (left, middle, right) = panels(1, 3)
    figure.set_figheight(4.4)
    _dots(left, list(proposals.values()), COLOURS["energy"], 0.0, "energy model, each seed")
    left.axvline(2.5, color=COLOURS["data"], lw=0.8)
    left.set_xticks(range(len(proposals)), proposals, rotation=35, ha="right")
    left.legend(loc="center left")
    kinds = ["energy" if label == "energy" else "direct" for label in plane]
    for i, (error, work) in enumerate(plane.values()):
        for axes, values in ((middle, error), (right, work)):
            _dots(axes, [values], COLOURS[kinds[i]], i, "")
    for axes, label in ((left, "1D"), (middle, "in the plane")):
        axes.set_yscale("log")
        axes.set_ylabel(f"relative force error, {label}")
    right.set_yscale("log")
    right.set_ylabel(axis_label("rms work around a loop of side 1", "kT"))
    for axes in (middle, right):
        axes.set_xticks(range(len(plane)), plane)
        axes.set_xlim(-0.6, len(plane) - 0.4)
    return figure


def _force_panel(axes: Axes, models: Mapping[str, tuple[str, Values]]) -> None:
    axes.plot(ripple.GRID, ripple.exact_force(), color=COLOURS["exact"], lw=1.0, label="exact")
    for label, (colour, forces) in models.items():
        for i, force in enumerate(forces):
            axes.plot(ripple.GRID, force, color=COLOURS[colour], lw=0.8, alpha=0.8, label=_once(label, i))
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(FORCE_LABEL)
    axes.legend()


def _pmf_panel(axes: Axes, models: Mapping[str, tuple[str, Values]]) -> None:
    axes.plot(ripple.GRID, ripple.exact_pmf(), color=COLOURS["exact"], lw=1.0, label="exact")
    for label, (colour, forces) in models.items():
        for i, force in enumerate(forces):
            axes.plot(
                ripple.GRID, ripple.pmf_of(force), color=COLOURS[colour], lw=0.8, alpha=0.8, label=_once(label, i)
            )
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(PMF_LABEL)
    axes.legend()


def _dots(axes: Axes, groups: Sequence[Sequence[float] | Values], colour: str, shift: float, label: str) -> None:
    """Every value a dot, with a bar at the mean of each group."""
    for i, values in enumerate(groups):
        axes.plot(np.full(len(values), i + shift), values, "o", ms=4, mfc="none", color=colour, label=_once(label, i))
        axes.plot([i + shift - 0.09, i + shift + 0.09], [np.mean(values)] * 2, color=colour, lw=2.0)


def _once(label: str, index: int) -> str | None:
    return label if index == 0 and label else None


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
        "train": history["loss_train"],
        "validation": history["loss_validation"],
        "colour": arm.split("_")[0],
        "force": forces[arm][0],
    }
