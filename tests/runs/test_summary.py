"""What the screen says at the end of a run, beside the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.curves import NAME, Notes, PeptideCurves, TicaMaps
from cgexp.config.compose import compose
from cgexp.runs import summary
from cgexp.runs.folder import RunFolder
from cgexp.store import write_arrays, write_json

REASON = "no Markov model: the production has 3 saved frames, and msm_lag=10 needs at least 21"

NOTES = Notes("some_ensemble", reference_is_equilibrium=True, n_frames_reference=10, tica_lag_ps=2.0)
TICA = TicaMaps(np.zeros((2, 2)), "some_ensemble", np.arange(3.0), np.arange(3.0), highest=0.0)


@pytest.mark.parametrize(
    ("notes", "metrics", "is_said"),
    [
        (replace(NOTES, msm=REASON), {}, True),
        (replace(NOTES, msm="times are of the coarse-grained dynamics"), {"msm_ck_error": 0.1}, False),
        (NOTES, {}, False),
        (None, {}, False),
    ],
    ids=["no model", "a model", "none asked for", "no curves"],
)
def test_the_screen_says_why_there_is_no_markov_model(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    notes: Notes | None,
    metrics: dict[str, float],
    is_said: bool,
) -> None:
    folder = RunFolder(tmp_path)
    folder.write_config(compose(["experiment=chignolin_first"]))
    write_json(folder.metrics, {"w1_tica": 0.5, **metrics})
    if notes is not None:
        write_arrays(folder.definition(NAME), *PeptideCurves(TICA, {}, {}, notes).to_arrays())
    summary.print_table(folder)
    assert ("No Markov model: the production has 3 saved frames" in capsys.readouterr().out) == is_said
