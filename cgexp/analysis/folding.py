"""How much of an ensemble is folded, and whether it is folded with the right hand.

Folded: CA RMSD to the native structure below a limit. Mirrored: the same of the native structure's mirror image, nearer
to it than to the native structure, and with most CA dihedrals of the opposite sign. A network of distances alone cannot
tell the two apart, so that only the prior's dihedrals keep it from folding into the mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import RULE_OF_THREE, UnitMeans, not_below_runs
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.observables import Values, dihedrals
from cgexp.systems.base import System
from cgexp.systems.bond_graph import BondGraph

ABOVE, BELOW = "_above", "_below"  # of metrics of which one side alone is known: more than, less than this
DRAWS = 10  # draws for a mean, which costs nothing, to one for a distance


def folded(ensemble: Ensemble, limit: float) -> NDArray[np.bool_]:
    """Which frames are nearer to the native structure than ``limit``, Å: [n_frames]."""
    return np.asarray(ensemble.observables["rmsd"][:, 0] < limit)


def handedness(ensemble: Ensemble, system: System) -> Values:
    """Mean over the dihedrals of sign(dihedral) sign(native dihedral): [n_frames], 1 as native, -1 mirrored."""
    native = np.sign(dihedrals(system.native()[None], BondGraph.of_trace(system))[0])
    return (np.sign(ensemble.observables["dihedral"]) * native).mean(axis=1)


def mirrored(ensemble: Ensemble, system: System, limit: float) -> NDArray[np.bool_]:
    """Which frames are folded into the mirror image, [n_frames]; ``limit``: of the RMSD, Å."""
    assert ensemble.mirror_rmsd is not None
    nearer = ensemble.mirror_rmsd < np.minimum(limit, ensemble.observables["rmsd"][:, 0])
    return np.asarray(nearer & (handedness(ensemble, system) < 0.0))


def folding_metrics(
    ensemble: Ensemble, system: System, limit: float, n_bootstrap: int, rng: np.random.Generator, suffix: str = ""
) -> dict[str, float]:
    """``folded_fraction``, ``folded_free_energy`` (kT), ``mirror_fraction`` and ``handedness``, with their errors.

    suffix: of the names, before ``_sem``. Errors are not below half the difference of the ensemble's runs; of these
    there is ``<name>_resolution`` (without suffix), their difference. A free energy of which only one side is known is
    ``folded_free_energy_above`` or ``_below``: see ``free_energy_metrics``. None of them without a native structure.
    """
    if not ensemble.has_native:
        return {}
    frames = _of_frames(ensemble, system, limit)
    means = UnitMeans.of(np.stack(list(frames.values()), axis=1), ensemble.block, ensemble.weights)
    of_runs = [
        UnitMeans.of(np.stack(list(_of_frames(run, system, limit).values()), axis=1), run.block, run.weights).mean()
        for run in ensemble.runs()
    ]
    sem = not_below_runs(means.sem(means.draws(DRAWS * n_bootstrap, rng)), of_runs)
    metrics: dict[str, float] = {}
    for i, (name, value) in enumerate(zip(frames, means.mean(), strict=True)):
        error = None if sem is None else float(sem[i])
        metrics |= _with_error(name + suffix, float(value), error)
        if name == "folded_fraction":
            fractions = [float(run[i]) for run in of_runs]
            metrics |= free_energy_metrics(float(value), error, fractions, len(means.totals), suffix)
    for i, name in enumerate(frames):
        if of_runs:
            metrics[f"{name}_resolution"] = float(np.ptp([run[i] for run in of_runs]))
    return metrics


def _of_frames(ensemble: Ensemble, system: System, limit: float) -> dict[str, NDArray[Any]]:
    """What is averaged, of every frame: name -> [n_frames]."""
    values: dict[str, NDArray[Any]] = {"folded_fraction": folded(ensemble, limit)}
    if "dihedral" in ensemble.observables:
        values |= {"mirror_fraction": mirrored(ensemble, system, limit), "handedness": handedness(ensemble, system)}
    return values


def free_energy_metrics(
    fraction: float, error: float | None, of_runs: Sequence[float], n_units: int, suffix: str = ""
) -> dict[str, float]:
    """``folded_free_energy`` with its error, by propagation; and ``folded_free_energy_resolution`` of two runs, kT.

    fraction: folded, with its standard error. of_runs: of each independent run. n_units: independent units of all.
    Where a run (or the whole) has no folded frame, only one side is known: ``folded_free_energy_above`` is the free
    energy at the fraction plus its error, or at 3 / n_units if nothing at all is folded (95 %). Where one has folded
    frames alone, ``folded_free_energy_below`` likewise. Nothing where runs say the opposite of each other.
    """
    name, everything = "folded_free_energy", [fraction, *of_runs]
    never, always = min(everything) <= 0.0, max(everything) >= 1.0
    if never and always:
        return {}
    if never or always:
        seen = fraction if never else 1.0 - fraction  # of the rarer state
        most = seen + (error or 0.0) if seen > 0.0 else RULE_OF_THREE / n_units
        if most >= 1.0:
            return {}  # too few units to say anything
        bound = free_energy_of(most if never else 1.0 - most)
        return {f"{name}{suffix}{ABOVE if never else BELOW}": bound}
    slope = 1.0 / (fraction * (1.0 - fraction))  # draws without a folded frame have no free energy
    metrics = _with_error(name + suffix, free_energy_of(fraction), None if error is None else error * slope)
    if of_runs:
        metrics[f"{name}_resolution"] = float(np.ptp([free_energy_of(value) for value in of_runs]))
    return metrics


def free_energy_of(fraction: float) -> float:
    """Free energy of folding in kT, -ln(p / (1 - p)), for 0 < p < 1: negative where most frames are folded."""
    return -float(np.log(fraction / (1.0 - fraction)))


def _with_error(name: str, value: float, error: float | None) -> dict[str, float]:
    return {name: value} if error is None else {name: value, f"{name}_sem": error}
