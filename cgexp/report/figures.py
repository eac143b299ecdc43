"""Figures from the numbers of an evaluation, and their files. A figure function takes numbers and computes nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from cgexp.build import imported
from cgexp.report.kinetics_figures import convergence_figure, msm_figure
from cgexp.report.peptide_figures import contacts_figure, distributions_figure, free_energy_figure, tica_figure
from cgexp.report.style import STYLE
from cgexp.report.toy_figures import force_figure, plane_figure, pmf_figure, residuals_figure
from cgexp.report.training_figures import prior_fit_figure, training_figure
from cgexp.store import write_bytes

DPI = 150
FIGURES: dict[str, Callable[..., Figure]] = {
    "pmf": pmf_figure,
    "force": force_figure,
    "residuals": residuals_figure,
    "plane": plane_figure,
    "tica": tica_figure,
    "free_energy": free_energy_figure,
    "distributions": distributions_figure,
    "contacts": contacts_figure,
    "convergence": convergence_figure,
    "msm": msm_figure,
    "training": training_figure,
    "prior_fit": prior_fit_figure,
}
# No date and no version, so that the same numbers give the same bytes.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
# the setting ``figures`` -> which files of each
SUFFIXES: dict[str, tuple[str, ...]] = {
    "none": (),
    "png": ("png",),
    "pdf": ("png", "pdf"),
    "svg": ("png", "svg"),
    "all": ("png", "pdf", "svg"),
}


def draw(curves: Mapping[str, object], own: Mapping[str, str] | None = None) -> dict[str, Figure]:
    """One figure for every entry of ``curves`` (as in Evaluation.curves) that has one; an empty one has none.

    own: dotted names of the functions that draw an analysis's own curves (Analysis.figures), which take what that
    analysis put there.
    """
    known = {**FIGURES, **own_figures(own or {})}
    return {name: known[name](curve) for name, curve in curves.items() if name in known and curve}


def own_figures(own: Mapping[str, str]) -> dict[str, Callable[..., Figure]]:
    """The functions that a class names (Analysis.figures). Raises InputError if one cannot be imported."""
    return {name: imported(dotted) for name, dotted in own.items()}


def save(figure: Figure, folder: Path, name: str, suffixes: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write a figure in each format (METADATA) as ``name``.<suffix>, whole or not at all; return their paths."""
    paths = []
    with rc_context({**STYLE, "figure.constrained_layout.use": False}):
        if (layout := figure.get_layout_engine()) is not None:  # once for all files: each would draw all to find it
            figure.set_dpi(DPI)  # the size of letters in points differs a little with it
            layout.execute(figure)
            figure.set_layout_engine(None)
        for suffix in suffixes:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=DPI, metadata=METADATA[suffix])
            path = Path(folder) / f"{name}.{suffix}"
            write_bytes(path, buffer.getvalue())
            paths.append(path)
    return paths
