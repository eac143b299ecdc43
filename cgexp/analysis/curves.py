"""What the figures of an analysis draw: a frozen dataclass for each, and those of a peptide together, as in its file.

The analyses fill them, report/ draws them. ``_sem`` is one standard error; None is what there is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.curves import Curve
from cgexp.store import read_arrays

NAME = "curves"  # of the definition, and so of the file in a run's folder
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pmf(Curve):
    """Potentials of mean force of a toy, kT: exact and of the model at x [n]; of its simulation at bin_x [n_bins].

    conservative: whether the model has an energy; where it has none, its force was integrated.
    """

    x: Array
    exact: Array
    model: Array
    conservative: bool
    bin_x: Array | None = None
    simulation: Array | None = None
    simulation_sem: Array | None = None


@dataclass(frozen=True)
class ForceCurve(Curve):
    """Mean force of a toy, kT/length: exact and of the model at x [n]; forces of the data at data_x [n_dots]."""

    x: Array
    exact: Array
    model: Array
    data_x: Array | None = None
    data: Array | None = None


@dataclass(frozen=True)
class Residuals(Curve):
    """The mean force again, and the model's less the exact one; all [n]."""

    x: Array
    exact: Array
    model: Array
    residual: Array


@dataclass(frozen=True)
class PlaneMaps(Curve):
    """Maps over the plane x [n], y [n], length: the exact energy, the model's error and curl, [n, n], x first.

    energy: kT. error: size of the force's error, kT/length. curl: kT/length^2; curl_limit: its largest size.
    """

    x: Array
    y: Array
    energy: Array
    error: Array
    curl: Array
    curl_limit: float


@dataclass(frozen=True)
class TicaMaps(Curve):
    """Free energies in the plane of the ICs, kT, [n_bins, n_bins], each with its minimum at zero, NaN without a frame.

    difference: ln(p_reference / p_model) of the bins that both visited, p normalised over the map; difference_limit:
    its largest size. edges: [n_bins + 1]. highest: of both maps, kT. model_outside: share of the simulation beyond the
    map; where it is all of it there is no model.
    """

    reference: Array
    reference_name: str
    edges_ic1: Array
    edges_ic2: Array
    highest: float
    model_outside: float | None = None
    model: Array | None = None
    difference: Array | None = None
    difference_limit: float | None = None


class Band(NamedTuple):
    """Values with one standard error, and bounds where one side alone is known (NaN elsewhere); all [n_bins]."""

    values: Array
    sem: Array | None
    above: Array | None = None
    below: Array | None = None


@dataclass(frozen=True)
class FreeEnergy(Curve):
    """Free energies -ln p(bin) along one coordinate x, kT, of the reference and of the simulation, all [n_bins].

    Both are shifted by what brings the reference's minimum to zero, so that the difference is ln(p_reference /
    p_model). NaN in bins that a side has not visited. Where a run has never been, or the error is as large as p, one
    side alone is known: _sem is NaN there, and the bound -ln(p + error) is in _above (else NaN), that of the difference
    in _above or _below. outside: share of the simulation beyond the bins.
    """

    x: Array
    label: str
    unit: str
    reference_name: str
    reference: Array
    reference_sem: Array | None = None
    reference_above: Array | None = None
    model: Array | None = None
    model_sem: Array | None = None
    model_above: Array | None = None
    outside: float = 0.0
    difference: Array | None = None
    difference_sem: Array | None = None
    difference_above: Array | None = None
    difference_below: Array | None = None

    def band(self, name: Literal["reference", "model", "difference"]) -> Band | None:
        """One of the three with all that is known of it; None if there is no simulation."""
        if name == "reference":
            return Band(self.reference, self.reference_sem, self.reference_above)
        if name == "model":
            return None if self.model is None else Band(self.model, self.model_sem, self.model_above)
        if self.difference is None:
            return None
        return Band(self.difference, self.difference_sem, self.difference_above, self.difference_below)


@dataclass(frozen=True)
class Distribution(Curve):
    """Densities of an observable at x, its coordinates pooled, [n_bins]; a side of a single block has no _sem."""

    x: Array
    label: str
    unit: str
    reference_name: str
    reference: Array
    reference_sem: Array | None = None
    model: Array | None = None
    model_sem: Array | None = None


@dataclass(frozen=True)
class ContactMap(Curve):
    """Probabilities of contacts, [n_residues, n_residues], symmetric, NaN for pairs that are too close in the chain.

    labels: of the residues, or of the beads, as ``of`` says. cutoff: of a contact, length.
    """

    reference: Array
    labels: Sequence[str]
    cutoff: float
    reference_name: str
    model: Array | None = None
    difference: Array | None = None
    of: str = "residue (C-alpha)"


@dataclass(frozen=True)
class Convergence(Curve):
    """Sliced W1 to the reference and folded fraction in equal windows of all saved frames, burn-in included.

    start, stop: of each window, in the unit ``time``. w1 (TICA units), folded: its values, [n_windows]; where no
    replica of a window is folded, or all always are, folded_limit is how far from there it may be (95 %), else NaN.
    burn_in: when production begins, None: at once. resolution: distance of the reference's own runs, if it has two.
    What is folded only where there is a native structure.
    """

    start: Array
    stop: Array
    w1: Array
    w1_sem: Array
    reference_name: str
    time: str = "ps"
    burn_in: float | None = None
    resolution: float | None = None
    folded: Array | None = None
    folded_sem: Array | None = None
    folded_limit: Array | None = None
    folded_reference: float | None = None
    folded_reference_sem: float | None = None


@dataclass(frozen=True)
class MarkovCurve(Curve):
    """A Markov state model of a simulation; times in ps of CG dynamics.

    lags [n_lags], timescales [n_lags, n_timescales], and of the reference if it has them; lag: of the model; length: of
    a replica. multiples [n_multiples], predicted and observed [n_multiples, n_sets]: of the Chapman-Kolmogorov test.
    populations: [n_sets]. _low and _high: 16th and 84th percentile of the draws, if there are any. centres
    [n_clusters, 2], cluster_set [n_clusters] (-1: none), cluster_share [n_clusters]. folded: share of each set.
    """

    lags: Array
    timescales: Array
    lag: float
    length: float
    multiples: Array
    predicted: Array
    observed: Array
    populations: Array
    centres: Array
    cluster_set: NDArray[np.intp]
    cluster_share: Array
    timescales_low: Array | None = None
    timescales_high: Array | None = None
    predicted_low: Array | None = None
    predicted_high: Array | None = None
    observed_low: Array | None = None
    observed_high: Array | None = None
    populations_low: Array | None = None
    populations_high: Array | None = None
    folded: Sequence[float] | None = None
    reference_lags: Array | None = None
    reference_timescales: Array | None = None


@dataclass(frozen=True)
class Notes(Curve):
    """Remarks of an analysis for the reader: what the reference is, and what is missing.

    left_out: what the system does not have, so that it was not measured. msm: on the Markov model, or why there is
    none; None if none was asked for. other_force_field: what to tell where the data are in another force field than the
    reference, or may be.
    """

    reference: str
    reference_is_equilibrium: bool
    n_frames_reference: int
    tica_lag_ps: float
    left_out: str | None = None
    n_frames_model: int | None = None
    msm: str | None = None
    other_force_field: str | None = None


@dataclass(frozen=True)
class PeptideCurves(Curve):
    """All that the analysis of a peptide hands to figures, by the figure's name; free energies and densities by theirs.

    ``convergence`` and ``msm`` need a simulation that is long enough, ``contacts`` a chain of several residues.
    """

    tica: TicaMaps
    free_energy: Mapping[str, FreeEnergy]
    distributions: Mapping[str, Distribution]
    notes: Notes
    contacts: ContactMap | None = None
    convergence: Convergence | None = None
    msm: MarkovCurve | None = None

    def by_figure(self) -> dict[str, object]:
        """Name of a figure -> what it draws, as in Evaluation.curves."""
        names = ("tica", "free_energy", "distributions", "contacts", "convergence", "msm")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def read_curves(folder: Path) -> PeptideCurves:
    """The curves of a finished run of a peptide.

    Raises InputError if the folder holds none: the run is not evaluated, is of a toy, or of an older version.
    """
    return PeptideCurves.from_arrays(*read_arrays(Path(folder) / f"{NAME}.npz"))
