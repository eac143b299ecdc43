"""Whether a simulation has converged: distance to the reference and folded fraction in windows of its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, panels, styled


@styled
def convergence_figure(curve: Mapping[str, Any]) -> Figure:
    """Sliced W1 to the reference and folded fraction in each window, with one standard error over replicas.

    A window without a folded replica has the 95 % limit of its fraction instead.

    curve: start, stop (unit ``time``), w1, w1_sem (TICA units), folded, folded_sem, folded_limit [n_windows]; burn_in
    or None: what lies before is dropped; resolution: distance of the reference's own runs, or None; folded_reference,
    folded_reference_sem (or None); reference_name. Without a native structure nothing is folded.
    """
    shown = [name for name in ("w1", "folded") if name in curve]
    figure, axes = panels(1, len(shown), sharex=True)
    middle, half = 0.5 * (curve["start"] + curve["stop"]), 0.5 * (curve["stop"] - curve["start"])
    for name, panel in zip(shown, axes, strict=True):
        errors = np.stack([curve[f"{name}_sem"]] * 2)
        if name == "folded":
            limit = np.nan_to_num(curve["folded_limit"])
            errors = errors + np.where(curve["folded"] > 0.5, [limit, 0.0 * limit], [0.0 * limit, limit])
        panel.errorbar(
            middle, curve[name], errors, half, fmt=".", color=COLOURS["simulation"], lw=1.2,
            clip_on=False, label="window ± s.e.m.",
        )  # fmt: skip
        if curve["burn_in"] is not None:
            panel.axvspan(curve["start"][0], curve["burn_in"], color="0.9", lw=0, label="burn-in")
        panel.set_xlabel(f"simulation time ({curve.get('time', 'ps')} of CG dynamics)")
    if curve["resolution"] is not None:
        label = "between the reference's runs"
        axes[0].axhline(curve["resolution"], color=COLOURS["reference"], ls="--", lw=1.2, label=label)
    axes[0].set_ylabel("sliced W1 to the reference (TICA units)")
    if "folded" in curve:
        axes[1].axhline(curve["folded_reference"], color=COLOURS["reference"], lw=1.2, label=curve["reference_name"])
        if curve["folded_reference_sem"] is not None:
            ends = curve["folded_reference"] + curve["folded_reference_sem"] * np.array([-1.0, 1.0])
            axes[1].axhspan(max(ends[0], 0.0), ends[1], color=COLOURS["reference"], alpha=0.12, lw=0)
        axes[1].set_ylabel("folded fraction")
    for panel in axes:
        panel.set_ylim(bottom=0.0)
        panel.legend()
    return figure
