"""search.html: the trials of a search on one page, with the plots of the program that chose them, without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cgexp.report.html import Table, render
from cgexp.report.html_comparison import EXTRA, plotly_library, script_of


def search_page(
    title: str, notes: Sequence[str], trials: Table, plots: Mapping[str, str], code: Mapping[str, Any]
) -> bytes:
    """The page, whole. plots: caption -> a figure as plotly's JSON."""
    library = plotly_library() if plots else ""
    return render(
        "search.html",
        title=title,
        notes=notes,
        code=code,
        trials=trials,
        captions=list(plots),
        plots=[json.loads(text) for text in plots.values()],
        library=library,
        extra=EXTRA,
        draw=script_of("search") if library else "",
    )
