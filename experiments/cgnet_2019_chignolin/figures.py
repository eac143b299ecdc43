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

MODELS = ("prior_2019", "cgnet_2019", "prior", "cgnet")
TUNED = {"architecture": "hidden layers x units", "lipschitz": "largest spectral norm"}
ALONG, POOLED = ("ic1", "ic2"), ("rmsd", "end_to_end", "rg")
BANDS = "bands: standard deviation over runs; of the reference, standard error"


def numbers(results: Results) -> dict[str, list[float]]:
    """What expected.yaml bounds beside the metrics of the runs."""
    found: dict[str, list[float]] = {}
    for arm, prior in (("cgnet_2019", "prior_2019"), ("cgnet", "prior")):
        w1 = results.values(arm, "w1_tica")
        found[f"{arm}.w1_tica_over_prior"] = list(w1 / results.values(prior, "w1_tica").mean())
        found[f"{arm}.w1_tica_over_resolution"] = list(w1 / results.values(arm, "w1_tica_resolution"))
    for arm, shares in basin_shares(results, MODELS).items():
        found |= {f"{arm}.share_{basin}": list(shares[:, i]) for i, basin in enumerate(BASINS)}
    for arm in TUNED:
        found |= {f"{arm}/{name}.loss_above_best": list(loss) for name, loss in held_out(results, arm).items()}
    return found


def figures(results: Results) -> Drawn:
    """Name -> figure, or what draws it from the folders of the runs."""
    return {
        "free_energy_landscapes": lambda: landscapes_figure(landscapes(results, MODELS)),
        "free_energies": lambda: lines_figure(lines(results, MODELS, ALONG), "free energy", "kT", BANDS),
        "distributions": lambda: lines_figure(densities(results, MODELS, POOLED), "density", "", BANDS),
        "structures": lambda: structures_figure(*medoids(results, MODELS)),
        "mean_forces": points_figure(_mean_forces(results), "RMSE against mean forces", "kcal/mol/Å"),
        "cross_validation": cross_validation_figure(
            {name: held_out(results, arm) for arm, name in TUNED.items()}, "(kcal/mol/Å)²"
        ),
    }


def _mean_forces(results: Results) -> dict[str, dict[str, list[float]]]:
    """Basin -> label of an arm -> values of its runs."""
    return {
        basin or "all": {
            results.arm(arm).label: list(results.values(arm, f"mean_force_rmse_{basin}".rstrip("_"))) for arm in MODELS
        }
        for basin in ("", *BASINS)
    }
