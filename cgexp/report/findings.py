"""What is significantly wrong with a simulation, the worst first; and whether it has converged at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cgexp.analysis.observables import QUANTITIES
from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures
from cgexp.report.table import RESOLUTION, SEM, shown, unit_of, with_error

Metrics = Mapping[str, float]

N_SEM = 2.0  # standard errors beyond which a difference counts
N_SHOWN = 5  # findings that a summary names
# distances of which each says something of its own, with what they are of
DISTANCES = {
    **{f"w1_{name}": quantity.label for name, quantity in QUANTITIES.items()},
    "w1_tica": "plane of the first two ICs",
    "contact_rmse": "probabilities of contacts",
}
SHARES = {
    "folded_fraction": "folded fraction",
    "mirror_fraction": "share of mirror images",
    "handedness": "handedness",
}


@dataclass(frozen=True)
class Finding:
    """A number that is farther from the reference than its own runs and all errors explain.

    ratio: distance over resolution, both with the errors that make it smallest. words: the number beside what it is
    compared with.
    """

    ratio: float
    words: str


def findings(metrics: Metrics, units: str, structures: Structures | None = None) -> list[Finding]:
    """What is significantly wrong, ranked by distance over resolution; empty where nothing has a resolution.

    A distance counts where it exceeds its resolution by more than N_SEM standard errors of both, a share where it
    differs from the reference's by more than the difference of the runs and N_SEM errors of its own; that of a basin
    where it differs by N_SEM of both errors, of which the reference's is not below half the difference of its runs.
    """
    found = [*_distances(metrics, units), *_shares(metrics)]
    if structures is not None and any(name.endswith(RESOLUTION) for name in metrics):
        found += _basins(structures)
    return sorted(found, key=lambda finding: -finding.ratio)


def in_words(metrics: Metrics, units: str, structures: Structures | None = None) -> list[str]:
    """The findings as sentences; none for a run that is not compared with an equilibrium ensemble of two runs."""
    if "w1_tica_resolution" not in metrics:
        return []
    found, sentences = findings(metrics, units, structures), []
    if found:
        rest = f"; and {len(found) - N_SHOWN} more" if len(found) > N_SHOWN else ""
        sentences.append(f"Significantly wrong, the worst first: {'; '.join(f.words for f in found[:N_SHOWN])}{rest}.")
    else:
        sentences.append(
            "Nothing that was compared is significantly wrong: within two standard errors no number is farther from "
            "the reference than its two runs are from each other."
        )
    if "resolution_relative" in metrics:
        sentences.append(
            f"The two runs of the reference are {shown(metrics, 'resolution_relative')} of the distance between folded "
            "and unfolded apart, and smaller errors than that cannot be seen in the plane of the ICs."
        )
    return sentences


def not_converged(metrics: Metrics) -> list[str]:
    """A sentence if the halves of the production differ by more than chance; else none."""
    signs = []
    name = "w1_tica_split_half"
    null, spread = metrics.get(f"{name}_null"), metrics.get(f"{name}_null{SEM}", math.inf)
    if null is not None and metrics[name] > null + N_SEM * spread:
        signs.append(
            f"its halves are {with_error(metrics[name])} TICA units apart, where a stationary one has "
            f"{with_error(null, spread)}"
        )
    drift, error = metrics.get("folded_fraction_drift", 0.0), metrics.get(f"folded_fraction_drift{SEM}", math.inf)
    if abs(drift) > N_SEM * error:
        way = "rises" if drift > 0 else "falls"
        signs.append(f"the folded fraction {way} by {with_error(abs(drift), error)} from the first half to the second")
    if not signs:
        return []
    return [
        f"The simulation has not converged: {' and '.join(signs)}. What is said of it is of this stretch of time, and "
        "its errors do not cover that."
    ]


def _distances(metrics: Metrics, units: str) -> Iterator[Finding]:
    for name, label in DISTANCES.items():
        if name not in metrics or name + RESOLUTION not in metrics:
            continue
        value, resolution = metrics[name], metrics[name + RESOLUTION]
        sem, apart = metrics.get(name + SEM, 0.0), metrics.get(name + RESOLUTION + SEM, 0.0)
        if value - resolution > N_SEM * math.hypot(sem, apart):
            unit = unit_of(name, units)
            measure = "RMSE" if name == "contact_rmse" else "W1"
            yield Finding(
                max(value - sem, 0.0) / max(resolution + apart, 1e-12),
                f"{label} ({measure} {shown(metrics, name)}{f' {unit}' if unit else ''}, resolution "
                f"{shown(metrics, name + RESOLUTION)})",
            )


def _shares(metrics: Metrics) -> Iterator[Finding]:
    for name, label in SHARES.items():
        if not {name, f"{name}_reference", name + RESOLUTION} <= metrics.keys():
            continue
        difference, resolution = abs(metrics[name] - metrics[f"{name}_reference"]), metrics[name + RESOLUTION]
        sem = metrics.get(name + SEM, 0.0)
        if difference - resolution > N_SEM * sem:
            yield Finding(
                max(difference - sem, 0.0) / max(resolution, metrics.get(f"{name}_reference{SEM}", 0.0), 1e-3),
                f"{label} ({shown(metrics, name)}, reference {shown(metrics, f'{name}_reference')})",
            )


def _basins(structures: Structures) -> Iterator[Finding]:
    """Shares of the basins; the folded one is the folded fraction."""
    sides = {name: {one.basin: one for one in kept} for name, (kept, _) in structures.ensembles.items()}
    if sides.keys() != {REFERENCE, SIMULATION}:
        return
    for basin, expected in sides[REFERENCE].items():
        found = sides[SIMULATION].get(basin)
        share, sem = (0.0, 0.0) if found is None else (found.share, found.share_sem or 0.0)
        apart = expected.share_sem or 0.0
        difference = abs(share - expected.share)
        if basin != "folded" and difference > N_SEM * math.hypot(sem, apart):
            yield Finding(
                max(difference - sem, 0.0) / max(2.0 * apart, 1e-3),
                f"share of the {basin} basin ({with_error(share, sem)}, reference {with_error(expected.share, apart)})",
            )
