"""PeptideAnalysis: a simulation of a peptide against reference frames, in collective coordinates and structure."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cgexp.analysis.bootstrap import bootstrap_sem, independent_units, mean_and_sem
from cgexp.analysis.comparison import Bins, Ensemble, compare
from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.free_energy import free_energy_map
from cgexp.analysis.health import replica_metrics
from cgexp.analysis.observables import QUANTITIES
from cgexp.analysis.result import Analysis, Evaluation
from cgexp.analysis.tica import Tica, lagged_pairs
from cgexp.frames import Frames
from cgexp.signatures import NonNegativeInt, Positive, PositiveInt
from cgexp.systems.peptide import Peptide

FOLDED_DRAWS = 10  # draws for a mean, which costs nothing, to one for a distance
REFERENCE_NAME = "data (not an equilibrium reference)"


class PeptideAnalysis(Analysis):
    """Metrics and curves of a peptide against an equilibrium ensemble with its TICA, or against the data set at hand.

    reference: shipped equilibrium ensemble, 'auto': that of this system and temperature if there is one, None: the data
    set at hand, with its weights if it has any; runs/reference.py finds it. lag_ps (ps), scaling ('kinetic_map' or
    'none'): of the TICA that is fitted on the data set then; an ensemble brings its own. folded_rmsd: a frame is folded
    below this CA RMSD to the native structure, Å. n_samples: largest number of frames on each side of a comparison.
    n_samples_tica: of the exact W1 in the plane of the ICs, whose cost grows with its square. n_bins, n_bins_tica:
    along one coordinate of a histogram. n_bootstrap: draws for the errors (0: none). mean_force_set: shipped set whose
    mean forces the potential is compared with, 'auto': that of this system and temperature if there is one, None: none;
    runs/mean_force.py does it, since data sets are made on a floor above. seed: of thinning and of these draws.
    """

    needs_simulation = True

    def __init__(
        self,
        lag_ps: Positive,
        n_dims: Literal[3] = 3,
        scaling: Literal["kinetic_map", "none"] = "kinetic_map",
        folded_rmsd: Positive = 2.0,
        n_samples: PositiveInt = 10000,
        n_samples_tica: PositiveInt = 1000,
        n_bins: PositiveInt = 50,
        n_bins_tica: PositiveInt = 40,
        n_bootstrap: NonNegativeInt = 20,
        mean_force_set: str | None = "auto",
        reference: str | None = "auto",
        seed: NonNegativeInt = 0,
    ) -> None:
        self.lag_ps = lag_ps
        self.n_dims = n_dims
        self.scaling: Literal["kinetic_map", "none"] = scaling
        self.folded_rmsd = folded_rmsd
        self.n_samples = n_samples
        self.n_samples_tica = n_samples_tica
        self.n_bins = n_bins
        self.n_bins_tica = n_bins_tica
        self.n_bootstrap = n_bootstrap
        self.mean_force_set = mean_force_set
        self.reference = reference
        self.seed = seed

    def check(self, frames: Frames) -> None:
        """Raise InputError if TICA cannot be fitted on the frames with this lag."""
        lagged_pairs(frames, self.lag_ps)

    def evaluate(
        self,
        system: Peptide,
        potential: nn.Module | None,
        frames: Frames,
        trajectory: Any,
        burn_in: float,
        equilibrium: Equilibrium | None = None,
    ) -> Evaluation:
        """Compare the simulation with ``equilibrium``, or with ``frames`` if it is None, whatever the ``potential``.

        trajectory: simulation.Trajectory, or None if there is none; without healthy replicas only the reference is
        described. burn_in: fraction of the trajectory that is dropped. Raises InputError if TICA cannot be fitted.
        """
        rng = np.random.default_rng(self.seed)
        if equilibrium is None:
            other_beads = system.n_beads > len(system.ca)
            tica = Tica.fit(frames, self.lag_ps, self.scaling, system.ca if other_beads else None)
        else:
            frames, tica = equilibrium.frames, equilibrium.tica
        name = REFERENCE_NAME if equilibrium is None else equilibrium.name
        reference = Ensemble.of(frames.coords, system, tica, frames.weights)
        metrics = self._folded("folded_fraction_reference", reference, frames.block, rng)
        notes = {
            "reference": name,
            "reference_is_equilibrium": equilibrium is not None,
            "n_frames_reference": len(frames),
            "tica_lag_ps": tica.lag_ps,
        }
        model, units = None, np.zeros(0, dtype=np.intp)
        if trajectory is not None:
            metrics |= replica_metrics(trajectory)
            coords = independent_units(trajectory.production(burn_in))
            if coords.size:
                model, units = self._measure(coords, system, tica)
                notes["n_frames_model"] = len(model)
        bins = Bins.over(reference, self.n_bins, self.n_bins_tica)
        if model is not None:
            metrics |= self._folded("folded_fraction", model, units, rng)
            metrics |= self._compare(reference, model, units, bins, rng)
            if equilibrium is not None:
                n_samples = min(self.n_samples_tica, self.n_samples, len(reference), len(model))
                metrics |= equilibrium.resolution(n_samples, self.n_bootstrap, np.random.default_rng(self.seed))
        curves = {
            "tica": _tica_curve(reference, model, bins, name),
            "distributions": _distributions(reference, model, units, bins, name),
            "notes": notes,
        }
        return Evaluation(metrics, curves, {"tica": tica.to_arrays()})

    @staticmethod
    def _measure(coords: NDArray[np.floating], system: Peptide, tica: Tica) -> tuple[Ensemble, NDArray[np.intp]]:
        """Ensemble of coords [n_frames, n_units, b, d], unit after unit, and the unit of each of its frames."""
        n_frames, n_units = coords.shape[:2]
        flat = np.moveaxis(coords, 1, 0).reshape(-1, *coords.shape[2:])
        return Ensemble.of(flat, system, tica), np.repeat(np.arange(n_units), n_frames)

    def _folded(
        self, name: str, ensemble: Ensemble, block: NDArray[np.integer], rng: np.random.Generator
    ) -> dict[str, float]:
        folded = ensemble.observables["rmsd"][:, 0] < self.folded_rmsd
        mean, sem = mean_and_sem(folded, block, FOLDED_DRAWS * self.n_bootstrap, rng, ensemble.weights)
        return {name: mean} if sem is None else {name: mean, f"{name}_sem": sem}

    def _compare(
        self,
        reference: Ensemble,
        model: Ensemble,
        units: NDArray[np.intp],
        bins: Bins,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        n_units = int(units[-1]) + 1
        frames_of = np.arange(len(model)).reshape(n_units, -1)

        def measure(chosen: NDArray[np.intp]) -> dict[str, float]:
            drawn = model.select(frames_of[chosen].ravel())
            return compare(reference, drawn, bins, self.n_samples, self.n_samples_tica, rng)

        metrics = measure(np.arange(n_units))
        sem = bootstrap_sem(measure, n_units, self.n_bootstrap, rng)
        return metrics | {f"{name}_sem": value for name, value in sem.items()}


def _tica_curve(reference: Ensemble, model: Ensemble | None, bins: Bins, name: str) -> dict[str, Any]:
    curve: dict[str, Any] = {
        "reference": free_energy_map(reference.tica, bins.tica, reference.weights),
        "reference_name": name,
        "edges_ic1": bins.tica[0],
        "edges_ic2": bins.tica[1],
    }
    curve["highest"] = float(np.nanmax(curve["reference"]))
    if model is not None:
        inside = np.all([(e[0] <= ic) & (ic <= e[-1]) for ic, e in zip(model.tica.T, bins.tica, strict=True)], axis=0)
        curve["model_outside"] = float(np.mean(~inside))
        if inside.any():
            curve["model"] = free_energy_map(model.tica, bins.tica)
            curve["highest"] = max(curve["highest"], float(np.nanmax(curve["model"])))
    return curve


def _distributions(
    reference: Ensemble, model: Ensemble | None, units: NDArray[np.intp], bins: Bins, reference_name: str
) -> dict[str, dict[str, Any]]:
    """Densities of every observable, its coordinates pooled; the model's with its error over units."""
    curves: dict[str, dict[str, Any]] = {}
    for name, quantity in QUANTITIES.items():
        edges = bins.observables[name]
        curve: dict[str, Any] = {"x": 0.5 * (edges[1:] + edges[:-1]), "label": quantity.label, "unit": quantity.unit}
        curve["reference_name"] = reference_name
        curve["reference"] = _density(reference.observables[name], edges, reference.weights)
        if model is not None:
            values = model.observables[name].reshape(int(units[-1]) + 1, -1)
            densities = np.array([_density(unit, edges) for unit in values])
            curve["model"] = densities.mean(axis=0)
            if len(densities) > 1:
                curve["model_sem"] = densities.std(axis=0, ddof=1) / np.sqrt(len(densities))
        curves[name] = curve
    return curves


def _density(
    values: NDArray[np.float64], edges: NDArray[np.float64], weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    if weights is not None:
        weights = np.repeat(weights, values.shape[1])
    counts, _ = np.histogram(values.ravel(), edges, weights=weights)
    total = values.size if weights is None else weights.sum()
    return counts / (total * np.diff(edges))
