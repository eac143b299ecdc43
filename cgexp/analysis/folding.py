"""How much of an ensemble is folded, and whether it is folded with the right hand.

Folded: CA RMSD to the native structure below a limit. Mirrored: the same of the native structure's mirror image, nearer
to it than to the native structure, and with most CA dihedrals of the opposite sign. A network of distances alone cannot
tell the two apart, so that only the prior's dihedrals keep it from folding into the mirror image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.observables import Values, dihedrals
from cgexp.systems.peptide import Peptide

DRAWS = 10  # draws for a mean, which costs nothing, to one for a distance


def folded(ensemble: Ensemble, limit: float) -> NDArray[np.bool_]:
    """Which frames are nearer to the native structure than ``limit``, Å: [n_frames]."""
    return np.asarray(ensemble.observables["rmsd"][:, 0] < limit)


def handedness(ensemble: Ensemble, system: Peptide) -> Values:
    """Mean over the CA dihedrals of sign(dihedral) sign(native dihedral): [n_frames], 1 as native, -1 mirrored."""
    native = np.sign(dihedrals(system.native()[None])[0])
    return (np.sign(ensemble.observables["dihedral"]) * native).mean(axis=1)


def mirrored(ensemble: Ensemble, system: Peptide, limit: float) -> NDArray[np.bool_]:
    """Which frames are folded into the mirror image, [n_frames]; ``limit``: of the RMSD, Å."""
    nearer = ensemble.mirror_rmsd < np.minimum(limit, ensemble.observables["rmsd"][:, 0])
    return np.asarray(nearer & (handedness(ensemble, system) < 0.0))


def folding_metrics(
    ensemble: Ensemble, system: Peptide, limit: float, n_bootstrap: int, rng: np.random.Generator, suffix: str = ""
) -> dict[str, float]:
    """``folded_fraction``, ``folded_free_energy`` (kT), ``mirror_fraction`` and ``handedness``, with their errors.

    suffix: of the names, before ``_sem``.
    """
    values: dict[str, NDArray[Any]] = {"folded_fraction": folded(ensemble, limit)}
    if len(system.sequence) > 3:  # else no dihedral
        values |= {
            "mirror_fraction": mirrored(ensemble, system, limit),
            "handedness": handedness(ensemble, system),
        }
    means = UnitMeans.of(np.stack(list(values.values()), axis=1), ensemble.block, ensemble.weights)
    sem = means.sem(means.draws(DRAWS * n_bootstrap, rng))
    metrics: dict[str, float] = {}
    for i, (name, value) in enumerate(zip(values, means.mean(), strict=True)):
        error = None if sem is None else float(sem[i])
        metrics |= _with_error(name + suffix, float(value), error)
        if name == "folded_fraction" and 0.0 < value < 1.0:
            slope = 1.0 / (value * (1.0 - value))  # the error by propagation: draws without a folded frame have none
            energy = free_energy_of(float(value))
            metrics |= _with_error("folded_free_energy" + suffix, energy, None if error is None else error * slope)
    return metrics


def free_energy_of(fraction: float) -> float:
    """Free energy of folding in kT, -ln(p / (1 - p)), for 0 < p < 1: negative where most frames are folded."""
    return -float(np.log(fraction / (1.0 - fraction)))


def _with_error(name: str, value: float, error: float | None) -> dict[str, float]:
    return {name: value} if error is None else {name: value, f"{name}_sem": error}
