"""Optuna's own plots of a search, as plotly's JSON: history, importance of the keys, slices, learning curves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

FEWEST = 3  # trials that are done, for plots of them
CAPTIONS = {
    "history": "The objective of every trial that is done, and the best so far",
    "importances": "How much of the objective's variance each key makes (fANOVA)",
    "slice": "The objective against each key",
    "curves": "Validation loss over epochs, as the pruner saw it",
}


def plots_of(study: optuna.Study) -> Mapping[str, str]:
    """caption -> plotly's JSON of each plot that there is something to draw in; none without plotly."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    n_done = sum(trial.state == optuna.trial.TrialState.COMPLETE for trial in trials)
    if find_spec("plotly") is None or n_done < FEWEST:
        return {}
    from optuna import visualization

    draw: dict[str, Callable[..., Any]] = {
        "history": visualization.plot_optimization_history,
        "importances": visualization.plot_param_importances,
        "slice": visualization.plot_slice,
    }
    if any(trial.intermediate_values for trial in trials):
        draw["curves"] = visualization.plot_intermediate_values
    drawn = {}
    for name, plot in draw.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Optuna, as of keys that one value alone was drawn of
            try:
                drawn[CAPTIONS[name]] = str(plot(study).to_json())
            except (RuntimeError, ValueError):  # all objectives are equal, say: nothing has an importance
                continue
    return drawn
