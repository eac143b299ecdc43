"""The figure of the study, drawn as the package draws."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from mylab.drawing import histogram

from cgexp.studies.results import Results


def figures(results: Results) -> Mapping[str, Figure]:
    """The samples of the first run along x."""
    return {"mylab_x": histogram({"x": results.runs("plain")[0].trajectory().coords[:, :, 0, 0].ravel()})}
