"""The figure of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure


def histogram(curve: Mapping[str, Any]) -> Figure:
    """The samples along x, as mylab draws them."""
    figure = Figure()
    figure.add_subplot().hist(curve["x"], bins=20)
    return figure
