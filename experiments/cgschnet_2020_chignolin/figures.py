"""Figures and numbers of the experiment, from the curves and structures that its runs keep."""

from __future__ import annotations

from cgexp.report.side_by_side_figures import (
    cross_validation_figure,
    landscapes_figure,
    lines_figure,
    points_figure,
    structures_figure,
)
from cgexp.studies.results import Drawn, Results
from cgexp.studies.side_by_side import basin_shares, densities, held_out, landscapes, lines, medoids
from cgexp.systems.peptide import BASINS

MODELS = ("prior", "cgnet", "cgschnet", "relative_entropy")
FROM_FOLDED = {
    "cgnet": "cgnet_folded_starts",
    "cgschnet": "folded_starts",
    "relative_entropy": "relative_entropy_folded_starts",
}
SIMULATED = (*MODELS, *FROM_FOLDED.values())
TUNED = {"blocks": "blocks x features"}
DISTANCES = {
    "tica": "plane of the ICs", "rmsd": "RMSD", "end_to_end": "end to end", "rg": "radius of gyration",
    "angle": "angles", "dihedral": "dihedrals",
}  # fmt: skip
ALONG, POOLED = ("ic1", "ic2"), ("rmsd", "end_to_end", "rg")
BANDS = "bands: standard deviation over runs; of the reference, standard error"


def numbers(results: Results) -> dict[str, list[float]]:
    """What expected.yaml bounds beside the metrics of the runs."""
    found: dict[str, list[float]] = {}
    prior = float(results.values("prior", "w1_tica").mean())
    for arm in SIMULATED:
        w1 = results.values(arm, "w1_tica")
        found[f"{arm}.w1_tica_over_prior"] = list(w1 / prior)
        found[f"{arm}.w1_tica_over_resolution"] = list(w1 / results.values(arm, "w1_tica_resolution"))
        of_folded = results.values(arm, "folded_free_energy") - results.values(arm, "folded_free_energy_reference")
        found[f"{arm}.folded_free_energy_error"] = list(of_folded)
    for unfolded, folded in FROM_FOLDED.items():
        differences = results.values(folded, "folded_fraction") - results.values(unfolded, "folded_fraction")
        found[f"{unfolded}.folded_fraction_by_start"] = list(differences)
    for arm, shares in basin_shares(results, SIMULATED).items():
        found |= {f"{arm}.share_{basin}": list(shares[:, i]) for i, basin in enumerate(BASINS)}
    for arm in TUNED:
        found |= {f"{arm}/{name}.loss_above_best": list(loss) for name, loss in held_out(results, arm).items()}
    return found


def figures(results: Results) -> Drawn:
    """Name -> figure, or what draws it from the folders of the runs."""
    return {
        "ensembles": points_figure(_over_resolution(results), "W1 / distance of the reference's runs", "", ONE),
        "free_energy_landscapes": lambda: landscapes_figure(landscapes(results, MODELS)),
        "free_energies": lambda: lines_figure(lines(results, MODELS, ALONG), "free energy", "kT", BANDS),
        "distributions": lambda: lines_figure(densities(results, MODELS, POOLED), "density", "", BANDS),
        "structures": lambda: structures_figure(*medoids(results, MODELS)),
        "mean_forces": points_figure(_mean_forces(results), "RMSE against mean forces", "kcal/mol/Å"),
        "cross_validation": cross_validation_figure(
            {name: held_out(results, arm) for arm, name in TUNED.items()}, "(kcal/mol/Å)²"
        ),
    }


ONE = ("the reference's own two runs", 1.0)


def _over_resolution(results: Results) -> dict[str, dict[str, list[float]]]:
    """Observable -> label of an arm -> its W1 to the reference over that of the reference's runs, of each run."""
    return {
        name: {
            results.arm(arm).label: list(
                results.values(arm, f"w1_{distance}") / results.values(arm, f"w1_{distance}_resolution")
            )
            for arm in MODELS
        }
        for distance, name in DISTANCES.items()
    }


def _mean_forces(results: Results) -> dict[str, dict[str, list[float]]]:
    """Basin -> label of an arm -> values of its runs."""
    return {
        basin or "all": {
            results.arm(arm).label: list(results.values(arm, f"mean_force_rmse_{basin}".rstrip("_"))) for arm in MODELS
        }
        for basin in ("", *BASINS)
    }
