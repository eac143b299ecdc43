"""The top of a run's page: a paragraph of what was done, and its metrics as tables, those that matter most first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cgexp.analysis.curves import Notes
from cgexp.frames import Frames
from cgexp.report.findings import not_converged
from cgexp.report.html import Cell, Table
from cgexp.report.table import BOUNDS, RESOLUTION, SEM, unit_of, with_error, without_bound

if TYPE_CHECKING:
    from cgexp.simulation.simulation import Simulation

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
    "contact_rmse": "error of the probabilities of contacts",
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


Metrics = Mapping[str, float]


@dataclass(frozen=True)
class RunFacts:
    """What a run was made of, as far as its page tells it.

    data: name of the data set; basin: the one that its frames are restricted to, or None. network: name of its class.
    averaged: the runs whose networks it is the mean of. prior_terms: their names. fitted_on: the data set of the prior,
    None: the run's own. start_from: where the weights began, or None. simulation: None if there was none. debug: 'none'
    but for a rehearsal.
    """

    data: str
    network: str
    prior_terms: Sequence[str]
    simulation: Simulation | None
    basin: str | None = None
    fitted_on: str | None = None
    start_from: str | None = None
    averaged: Sequence[str] = ()
    debug: str = "none"


def summary(
    run: RunFacts, metrics: Metrics, frames: Frames, notes: Notes | None, n_frames_prior: int | None = None
) -> list[str]:
    """Sentences about a run.

    notes: the remarks of its analysis, None if it has none. n_frames_prior: of the set that prior.fitted_on
    names; None if it names none.
    """
    done = [_training(run, metrics, frames, n_frames_prior), _simulation(run.simulation, metrics, frames)]
    return [*done, *_comparison(metrics, frames, notes), *left_out(notes), *no_markov_model(metrics, notes)]


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def left_out(notes: Notes | None) -> list[str]:
    """A sentence on what the system does not have, so that it was not measured; none where nothing is missing."""
    return [] if notes is None or notes.left_out is None else [_sentence(notes.left_out)]


def no_markov_model(metrics: Metrics, notes: Notes | None) -> list[str]:
    """A sentence on why there is no Markov model of the simulation; none if there is one, or none was asked for."""
    if notes is None or notes.msm is None or "msm_ck_error" in metrics:
        return []
    return [_sentence(notes.msm)]


def warnings(run: RunFacts, metrics: Metrics, notes: Notes | None, force_map: str = "") -> list[str]:
    """What a reader must not overlook. force_map: what is known of the data's, in words (Recipe.verdict)."""
    found = not_converged(metrics)
    if force_map.startswith("not verifiable"):
        found.append(
            f"Whether the force map of the data is biased could not be told ({force_map.partition(': ')[2]}): if it "
            "is, the model has learned another ensemble."
        )
    if run.debug != "none":
        found.append(f"This run is a rehearsal (debug={run.debug}): its numbers mean nothing.")
    if notes is not None and not notes.reference_is_equilibrium:
        found.append(
            "The reference is not an equilibrium ensemble: nearness to it is not nearness to equilibrium, and no "
            "population may be read from it."
        )
    if notes is not None and notes.other_force_field:
        found.append(_sentence(notes.other_force_field))
    failed = metrics.get("replicas_failed", 0.0)
    if failed and run.simulation is not None:
        found.append(
            f"{failed:,.0f} of {run.simulation.n_walkers:,} replicas failed; what is left out of the comparison may be "
            "what the model gets wrong."
        )
    return found


def _training(run: RunFacts, metrics: Metrics, frames: Frames, n_frames_prior: int | None) -> str:
    terms = _listed([name.replace("_", " ") for name in run.prior_terms])
    n_beads = frames.coords.shape[1]
    beads = f"{n_beads} bead" if n_beads == 1 else f"{n_beads} beads"
    warmth = f"kT = {frames.temperature:g}" if frames.units == "reduced" else f"{frames.temperature:g} K"
    chosen = 0 if frames.chosen is None else int(frames.chosen.sum())
    data = (
        f"{len(frames):,} frames of {f'the {run.basin} basin of ' if run.basin else ''}{run.data} "
        f"({frames.source}; {beads}, {warmth}, force map {frames.force_map.replace('_', ' ')})"
        f"{f', of which {chosen:,} were chosen and are no sample of the ensemble' if chosen else ''}"
    )
    fitted = None if n_frames_prior is None else f"fitted to {n_frames_prior:,} frames of {run.fitted_on}"
    if run.averaged:
        return (
            f"The potential is the mean of the networks of {len(run.averaged)} runs ({', '.join(run.averaged)}), "
            f"{metrics['n_parameters']:,.0f} parameters in all, {_on_top(terms, fitted)}; nothing was trained. The "
            f"data set of the run is {data}."
        )
    if not metrics.get("epochs"):
        text = f"The potential is a prior of {terms or 'nothing'} alone, {fitted or f'fitted to {data}'}; nothing was "
        return text + ("trained." if fitted is None else f"trained. The data set of the run is {data}.")
    size = f"{metrics['n_parameters']:,.0f} parameters"
    trained = f"{run.network} with {size}, {_on_top(terms, fitted)}, was trained by force matching on {data}."
    return f"{trained} {_epochs(run.start_from, metrics)}"


def _on_top(terms: str, fitted: str | None) -> str:
    return f"on top of a prior of {terms}{f' {fitted}' if fitted else ''}" if terms else "without a prior"


def _epochs(start: str | None, metrics: Metrics) -> str:
    begun = f", which began with the weights of {start}," if start else ""
    return (
        f"Of {metrics['epochs']:,.0f} epochs{begun} the weights of epoch {metrics['checkpoint_epoch']:,.0f}, counted "
        "from 0, are kept."
    )


def _simulation(settings: Simulation | None, metrics: Metrics, frames: Frames) -> str:
    unit = "time units" if frames.units == "reduced" else frames.unit_system.time
    if settings is None:
        return "It was not simulated."
    failed = metrics.get("replicas_failed", 0.0)
    fate = f"{failed:,.0f} of them failed" if failed else "none of them failed"
    length = settings.n_steps * settings.dt
    steps = f"({settings.n_steps:,} steps of {settings.dt:g} {unit})"
    tempering = settings.tempering
    if tempering is None or tempering.n_rungs == 1:
        return f"{settings.n_replicas:,} replicas of it were simulated for {length:,.6g} {unit} each {steps}; {fate}."
    ends = f"{settings.temperature:g} to {tempering.highest:g}"
    ladder = f"kT = {ends}" if frames.units == "reduced" else f"{ends} K"
    return (
        f"{settings.n_walkers:,} replicas of it were simulated by parallel tempering for {length:,.6g} {unit} each "
        f"{steps}, in {settings.n_replicas:,} ladders of {tempering.n_rungs:,} temperatures ({ladder}), of which "
        f"the lowest alone is kept and analysed; {fate}."
    )


def _comparison(metrics: Metrics, frames: Frames, notes: Notes | None) -> list[str]:
    if notes is None:
        return ["It is compared with the exact answer, found by quadrature."] if frames.units == "reduced" else []
    n_frames = f"{notes.n_frames_reference:,} frames"
    if not notes.reference_is_equilibrium:
        return [f"The comparison is with the {n_frames} of the data set, which are not an equilibrium ensemble."]
    text = f"The reference is {notes.reference}, a weighted equilibrium ensemble of {n_frames}."
    if not {"w1_tica", "w1_tica_resolution"} <= metrics.keys():
        return [text]
    distance, apart = _measured(metrics, "w1_tica"), _measured(metrics, "w1_tica_resolution")
    error = math.hypot(*(metrics.get(name + SEM, 0.0) for name in ("w1_tica", "w1_tica_resolution")))
    verdict = f"The two independent runs of the reference are {apart} apart."
    if metrics["w1_tica"] - metrics["w1_tica_resolution"] <= error:
        verdict = (
            "That is no farther, within the errors, than the two independent runs of the reference are from each "
            f"other ({apart}), so this number cannot show an error of the model."
        )
    return [text, f"In the plane of its first two ICs the simulation is {distance} away (Wasserstein-1).", verdict]


def _measured(metrics: Metrics, name: str) -> str:
    return with_error(metrics[name], metrics.get(name + SEM))


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
