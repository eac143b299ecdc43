"""PeptideAnalysis: a simulation of a peptide against reference frames, in collective coordinates and structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cgexp.analysis.bootstrap import bootstrap_sem, stream
from cgexp.analysis.comparison import NAME as SLICED
from cgexp.analysis.comparison import Bins, compare, compare_contacts, contact_curve, exact_distance, sliced_metrics
from cgexp.analysis.convergence import convergence_curve, resolution_metrics, split_half, thinning_bias
from cgexp.analysis.curves import NAME as CURVES
from cgexp.analysis.curves import Convergence, Notes, PeptideCurves
from cgexp.analysis.divergences import N_DRAWS
from cgexp.analysis.ensemble import Ensemble, ReplicaEnsemble, replica_metrics
from cgexp.analysis.equilibrium import Equilibrium, other_force_field
from cgexp.analysis.folding import DRAWS, folded, folding_metrics
from cgexp.analysis.kinetics import Kinetics, KineticSettings, Walkers, kinetics
from cgexp.analysis.landscapes import distributions, free_energy_curve, tica_curve
from cgexp.analysis.result import Analysis, Evaluation, Simulated
from cgexp.analysis.tica import Tica, chosen_pairs, lagged_pairs
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import GridSize, NonNegativeInt, Positive, PositiveInt
from cgexp.remembered import remembered
from cgexp.systems.base import System, system_of
from cgexp.systems.peptide import CONTACT

NO_NATIVE = "no native structure is known: RMSD to it, folded fraction and basins are left out"
REFERENCE_NAME = "data (not an equilibrium reference)"


class PeptideAnalysis(Analysis):
    """Metrics and curves of a peptide against an equilibrium ensemble with its TICA, or against the data set at hand.

    reference: shipped equilibrium ensemble, 'auto': that of this system and temperature if there is one, None: the data
    set at hand, with its weights if it has any; runs/evaluate.py finds it. lag_ps (ps), scaling ('kinetic_map' or
    'none'): of the TICA that is fitted on the data set then; an ensemble brings its own. folded_rmsd: a frame is folded
    below this CA RMSD to the native structure, Å. contact_cutoff: C-alpha beads nearer than this are in contact, Å.
    n_samples: largest number of frames on each side of a comparison.
    n_samples_tica: of the exact W1 in the plane of the ICs, whose cost grows with its square. n_bins, n_bins_tica:
    along one coordinate of a histogram. n_bootstrap: draws for the errors (0: none). mean_force_set: shipped set whose
    mean forces the potential is compared with, 'auto': that of this system and temperature if there is one, None: none;
    runs/evaluate.py does it, since analysis/ may not import data sets. msm: whether a Markov state model of the
    simulation is made; msm_lag: its lag, saved frames; msm_states: its metastable states. seed: of all draws.
    """

    needs_simulation = True

    def __init__(
        self,
        lag_ps: Positive,
        n_dims: Literal[3] = 3,
        scaling: Literal["kinetic_map", "none"] = "kinetic_map",
        folded_rmsd: Positive = 2.0,
        contact_cutoff: Positive = CONTACT,
        n_samples: PositiveInt = 10000,
        n_samples_tica: PositiveInt = 1000,
        n_bins: GridSize = 50,
        n_bins_tica: GridSize = 40,
        n_bootstrap: NonNegativeInt = 20,
        mean_force_set: str | None = "auto",
        reference: str | None = "auto",
        msm: bool = True,
        msm_lag: PositiveInt = 10,
        msm_states: PositiveInt = 2,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.lag_ps = lag_ps
        self.n_dims = n_dims
        self.scaling: Literal["kinetic_map", "none"] = scaling
        if msm_states < 2:
            raise InputError(f"analysis.msm_states={msm_states} divides nothing: expected at least 2, or msm=false")
        self.folded_rmsd = folded_rmsd
        self.contact_cutoff = contact_cutoff
        self.n_samples = n_samples
        self.n_samples_tica = n_samples_tica
        self.n_bins = n_bins
        self.n_bins_tica = n_bins_tica
        self.n_bootstrap = n_bootstrap
        self.mean_force_set = mean_force_set
        self.reference = reference
        self.msm, self.msm_lag, self.msm_states = msm, msm_lag, msm_states
        self.seed = seed

    def check(self, frames: Frames) -> None:
        """Raise InputError if TICA cannot be fitted on the frames with this lag."""
        first, _, lag = lagged_pairs(frames, self.lag_ps)
        n_trace = frames.coords.shape[1] if frames.system_spec is None else len(system_of(frames).trace)
        chosen_pairs(n_trace, len(first), lag)

    def evaluate(
        self,
        system: System,
        potential: nn.Module | None,
        frames: Frames,
        trajectory: Simulated | None,
        burn_in: float,
        equilibrium: Equilibrium | None = None,
    ) -> Evaluation:
        """Compare the simulation with ``equilibrium``, or with ``frames`` if it is None, whatever the ``potential``.

        trajectory: simulation.Trajectory, or None if there is none; without healthy replicas only the reference is
        described. burn_in: fraction of the trajectory that is dropped. Raises InputError if TICA cannot be fitted.
        """
        remark = None if equilibrium is None else other_force_field(frames, equilibrium.frames)
        frames, tica = self._plane(system, frames, equilibrium)

        def measure(
            coords: NDArray[np.floating], block: NDArray[np.integer], weights: NDArray[np.floating] | None = None
        ) -> Ensemble:
            return Ensemble.of(coords, system, tica, self.contact_cutoff, block, weights)

        reference = measure(frames.coords, frames.block, frames.weights)
        if equilibrium is not None:
            reference = replace(reference, run=equilibrium.run)
        replicas = None if trajectory is None else ReplicaEnsemble.of(trajectory, burn_in, measure)
        model = None if replicas is None else replicas.production()
        bins = Bins.over(reference, self.n_bins, self.n_bins_tica)
        metrics = {} if trajectory is None else replica_metrics(trajectory)
        metrics |= self._describe(reference, "_reference", system)
        if model is not None:
            metrics |= self._describe(model, "", system) | self._compare(reference, model, bins)
            if equilibrium is not None:
                metrics |= self._resolve(reference, len(model), bins, equilibrium, system)
        name = REFERENCE_NAME if equilibrium is None else equilibrium.name
        notes = Notes(
            reference=name,
            reference_is_equilibrium=equilibrium is not None,
            n_frames_reference=len(frames),
            tica_lag_ps=tica.lag_ps,
            left_out=None if reference.has_native else NO_NATIVE,
            n_frames_model=None if model is None else len(model),
            other_force_field=remark,
        )
        curves = self._curves(reference, model, bins, system, notes)
        if replicas is not None and model is not None:
            metrics |= split_half(
                replicas, self.n_samples_tica, self.folded_rmsd, self.n_bootstrap, self._stream("split_half")
            )
            resolution = metrics.get(f"{SLICED}_resolution")
            curves = replace(curves, convergence=self._convergence(reference, replicas, name, resolution))
            if self.msm:
                markov = self._kinetics(reference, replicas, equilibrium)
                metrics |= markov.metrics
                curves = replace(curves, msm=markov.curve, notes=replace(notes, msm=markov.note))
        definitions = {"tica": tica.to_arrays(), CURVES: curves.to_arrays()}
        return Evaluation(metrics, curves.by_figure(), definitions, curves.notes)

    def _plane(self, system: System, frames: Frames, equilibrium: Equilibrium | None) -> tuple[Frames, Tica]:
        """The frames of the reference, and the TICA in whose plane they are compared with the simulation."""
        if equilibrium is not None:
            return equilibrium.frames, equilibrium.tica
        other_beads = system.n_beads > len(system.trace)
        return frames, Tica.fit(frames, self.lag_ps, self.scaling, system.trace if other_beads else None)

    def _stream(self, name: str) -> np.random.Generator:
        return stream(self.seed, name)

    def _describe(self, ensemble: Ensemble, suffix: str, system: System) -> dict[str, float]:
        rng = self._stream("folding" + suffix)
        return folding_metrics(ensemble, system, self.folded_rmsd, self.n_bootstrap, rng, suffix)

    def _compare(self, reference: Ensemble, model: Ensemble, bins: Bins) -> dict[str, float]:
        """Distances between the ensembles with their errors, and what thinning adds to w1_tica."""
        rng = self._stream("compare")
        n_units = int(model.block[-1]) + 1
        frames_of = np.arange(len(model)).reshape(n_units, -1)

        def measure(chosen: NDArray[np.intp]) -> dict[str, float]:
            drawn = model.select(frames_of[chosen].ravel())
            return compare(reference, drawn, bins, self.n_samples, self.n_samples_tica, rng)

        metrics = measure(np.arange(n_units))
        n_samples = min(self.n_samples, self.n_samples_tica)
        metrics["w1_tica"] = exact_distance(reference, model, n_samples, self._stream("w1_tica"), N_DRAWS)
        sem = bootstrap_sem(measure, n_units, self.n_bootstrap, rng)
        metrics |= {f"{name}_sem": value for name, value in sem.items()}
        metrics |= sliced_metrics(reference, model, self.n_bootstrap, self._stream("sliced"))
        metrics |= thinning_bias(reference, model, n_samples, self._stream("bias"))
        return metrics | compare_contacts(reference, model, DRAWS * self.n_bootstrap, self._stream("contacts"))

    def _resolve(
        self, reference: Ensemble, n_model: int, bins: Bins, equilibrium: Equilibrium, system: System
    ) -> dict[str, float]:
        """The distances between the reference's own two runs: the same for all simulations with ``n_model`` frames."""
        n_samples = min(self.n_samples, n_model)
        settings = ("n_samples_tica", "n_bins", "n_bins_tica", "n_bootstrap", "folded_rmsd", "contact_cutoff", "seed")
        facts = {name: getattr(self, name) for name in settings} | {
            "reference": equilibrium.content_hash(),
            "n_samples": n_samples,
            "system": [type(system).__name__, system.name, system.units, np.asarray(system.trace).tolist()],
            "bonds": np.asarray(system.bonds).tolist(),
            "native": np.asarray(system.native()).tolist() if reference.has_native else None,
        }
        return remembered("references", facts, lambda: self._resolution(reference, n_samples, bins, equilibrium))

    def _resolution(
        self, reference: Ensemble, n_samples: int, bins: Bins, equilibrium: Equilibrium
    ) -> dict[str, float]:
        rng = np.random.default_rng(self.seed)
        is_folded = folded(reference, self.folded_rmsd) if reference.has_native else None
        metrics = equilibrium.resolution(
            min(self.n_samples_tica, n_samples, len(reference)), self.n_bootstrap, rng, is_folded
        )
        return metrics | resolution_metrics(reference, bins, n_samples, self.n_bootstrap, self._stream("resolution"))

    def _curves(
        self, reference: Ensemble, model: Ensemble | None, bins: Bins, system: System, notes: Notes
    ) -> PeptideCurves:
        n_draws, name, contacts = DRAWS * self.n_bootstrap, notes.reference, None
        if reference.contacts.shape[1]:
            contacts = contact_curve(reference, model, system.labels, self.contact_cutoff, name)
        return PeptideCurves(
            tica=tica_curve(reference, model, bins, name),
            free_energy=free_energy_curve(reference, model, bins, name, n_draws, self._stream("free_energy")),
            distributions=distributions(reference, model, bins, name),
            notes=notes,
            contacts=contacts,
        )

    def _convergence(
        self, reference: Ensemble, replicas: ReplicaEnsemble, name: str, resolution: float | None
    ) -> Convergence | None:
        rng = self._stream("convergence")
        return convergence_curve(reference, replicas, self.folded_rmsd, self.n_bootstrap, rng, name, resolution)

    def _kinetics(self, reference: Ensemble, replicas: ReplicaEnsemble, equilibrium: Equilibrium | None) -> Kinetics:
        settings = KineticSettings(self.msm_lag, self.msm_states, self.folded_rmsd, self.n_bootstrap, self.seed)
        step = None if equilibrium is None else equilibrium.step_ps()
        return kinetics(replicas, settings, None if step is None else Walkers(reference, step))
