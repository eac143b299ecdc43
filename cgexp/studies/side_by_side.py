"""Runs of several arms of a study beside the reference they share: what an experiment's figures draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.curves import PeptideCurves, read_curves
from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures
from cgexp.errors import InputError
from cgexp.report.side_by_side_figures import Landscapes, Lines
from cgexp.runs.load import Run
from cgexp.store import read_arrays
from cgexp.studies.results import Results
from cgexp.systems.peptide import BASINS

Array = NDArray[np.float64]


def landscapes(results: Results, arms: Sequence[str]) -> Landscapes:
    """Free energies in the plane of the ICs, of the reference and pooled over the runs of each arm.

    Raises InputError if a run has no curves.
    """
    curves = {arm: [_curves(run).tica for run in results.runs(arm)] for arm in arms}
    first = curves[arms[0]][0]
    maps = {first.reference_name: first.reference}
    for arm, of_runs in curves.items():
        visited = np.mean([_probability(curve.model) for curve in of_runs if curve.model is not None], axis=0)
        maps[results.arm(arm).label] = _free_energy(visited / visited.max())
    return Landscapes(first.edges_ic1, first.edges_ic2, maps, max(float(np.nanmax(values)) for values in maps.values()))


def lines(results: Results, arms: Sequence[str], names: Sequence[str]) -> dict[str, Lines]:
    """Free energies along single coordinates, kT, by name: of the reference, and the mean over the runs of each arm.

    names: 'ic1', 'ic2', 'rmsd', 'end_to_end'. The error is the standard deviation over runs, of the reference its
    standard error. All are shifted by what brings the reference's minimum to zero; NaN where no frame is, and where one
    side alone of the reference's is known.
    """
    curves = {arm: [_curves(run).free_energy for run in results.runs(arm)] for arm in arms}
    drawn = {}
    for name in names:
        first = curves[arms[0]][0][name]
        reference = first.reference
        if first.reference_above is not None:
            reference = np.where(np.isnan(first.reference_above), reference, np.nan)
        sem = np.zeros_like(first.x) if first.reference_sem is None else first.reference_sem
        by_label = {first.reference_name: (reference, sem)}
        for arm, of_runs in curves.items():
            p = np.array([np.exp(-np.nan_to_num(_of_model(curve[name].model), nan=np.inf)) for curve in of_runs])
            energy, spread = _free_energy(p.mean(axis=0)), p.std(axis=0, ddof=1) if len(p) > 1 else 0.0 * p[0]
            by_label[results.arm(arm).label] = (energy, spread / np.where(p.any(axis=0), p.mean(axis=0), np.nan))
        drawn[name] = Lines(first.x, first.label, first.unit, by_label)
    return drawn


def densities(results: Results, arms: Sequence[str], names: Sequence[str]) -> dict[str, Lines]:
    """Densities of observables, as ``lines`` has free energies; the error of the reference is NaN in older runs."""
    curves = {arm: [_curves(run).distributions for run in results.runs(arm)] for arm in arms}
    drawn = {}
    for name in names:
        first = curves[arms[0]][0][name]
        sem = np.full_like(first.x, np.nan) if first.reference_sem is None else first.reference_sem
        by_label = {first.reference_name: (first.reference, sem)}
        for arm, of_runs in curves.items():
            density = np.array([_of_model(curve[name].model) for curve in of_runs])
            spread = density.std(axis=0, ddof=1) if len(density) > 1 else np.zeros_like(density[0])
            by_label[results.arm(arm).label] = (density.mean(axis=0), spread)
        drawn[name] = Lines(first.x, first.label, first.unit, by_label)
    return drawn


def _of_model(values: Array | None) -> Array:
    if values is None:
        raise InputError("a run has no simulation to draw: expected runs of which at least one replica survived")
    return values


def basin_shares(results: Results, arms: Sequence[str]) -> dict[str, Array]:
    """Share of every basin: 'reference' and arms -> [n_runs, n_basins], in the order of systems.peptide.BASINS."""
    kept = {arm: [_structures(run) for run in results.runs(arm)] for arm in arms}
    shares = {REFERENCE: np.array([_shares(kept[arms[0]][0], REFERENCE)])}
    return shares | {arm: np.array([_shares(one, SIMULATION) for one in found]) for arm, found in kept.items()}


def medoids(results: Results, arms: Sequence[str]) -> tuple[Array, dict[str, dict[str, tuple[Array, float]]]]:
    """The native structure, and the medoid of every basin of the reference and of the first run of each arm.

    Returns [n_residues, 3] and label -> basin -> (C-alpha coordinates [n_residues, 3] superposed on it, share), Å.
    Raises InputError if the native structure is not known.
    """
    kept = {arm: _structures(results.runs(arm)[0]) for arm in arms}
    native = kept[arms[0]].native
    if native is None:
        raise InputError(f"no native structure is known of {kept[arms[0]].sequence}, which basins are told by")
    found = {REFERENCE: _medoids(kept[arms[0]], REFERENCE)}
    return native, found | {results.arm(arm).label: _medoids(one, SIMULATION) for arm, one in kept.items()}


def held_out(results: Results, arm: str) -> dict[str, Array]:
    """Variant of a cross-validation -> its loss on held-out frames less the chosen variant's, [n_folds].

    The chosen one has the least mean loss. Fold by fold, since folds differ more than models do.
    """
    losses = {name: results.values(f"{arm}/{name}", "loss_validation") for name in results.variants(arm)}
    best = min(losses.values(), key=lambda loss: float(loss.mean()))
    return {name: loss - best for name, loss in losses.items()}


def _curves(run: Run) -> PeptideCurves:
    return read_curves(run.folder.path)


def _structures(run: Run) -> Structures:
    return Structures.from_arrays(*read_arrays(run.folder.structures))


def _shares(structures: Structures, ensemble: str) -> Array:
    found = structures.ensembles[ensemble][0] if ensemble in structures.ensembles else ()
    shares = {one.basin: one.share for one in found}
    return np.array([shares.get(basin, 0.0) for basin in BASINS])


def _medoids(structures: Structures, ensemble: str) -> dict[str, tuple[Array, float]]:
    if ensemble not in structures.ensembles:
        return {}
    found, coords = structures.ensembles[ensemble]
    return {one.basin: (ca, one.share) for one, ca in zip(found, coords, strict=True)}


def _probability(energy: Array) -> Array:
    """Probabilities of bins, of sum 1, from a free energy with NaN where no frame is."""
    p = np.exp(-np.nan_to_num(energy, nan=np.inf))
    return np.asarray(p / p.sum())


def _free_energy(p: Array) -> Array:
    return -np.log(np.where(p > 0, p, np.nan))
