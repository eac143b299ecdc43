"""Contact maps of a peptide: reference, simulation, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from cgexp.report.style import panels, styled


@styled
def contacts_figure(curve: Mapping[str, Any]) -> Figure:
    """Probability of every contact, and how much more often the simulation has it.

    curve: reference, and if there is a simulation model, difference [n_residues, n_residues], NaN for neighbours along
    the chain; labels [n_residues]; cutoff, Å; reference_name.
    """
    titles = {"reference": curve["reference_name"], "model": "simulation", "difference": "simulation - reference"}
    shown = [name for name in titles if name in curve]
    figure, axes = panels(1, len(shown))
    ticks = range(len(curve["labels"]))
    for name, panel in zip(shown, axes, strict=True):
        signed = name == "difference"
        image = panel.imshow(
            curve[name], origin="lower", cmap="RdBu_r" if signed else "viridis", vmin=-1.0 if signed else 0.0, vmax=1.0
        )
        panel.set_title(titles[name])
        panel.set_xticks(ticks, curve["labels"], rotation=90, fontsize=8)
        panel.set_yticks(ticks, curve["labels"], fontsize=8)
        panel.set_xlabel("residue (C-alpha)")
        panel.set_ylabel("residue (C-alpha)")
        within = f"within {curve['cutoff']:g} Å"
        figure.colorbar(image, ax=panel, label=f"difference ({within})" if signed else f"probability ({within})")
    return figure
