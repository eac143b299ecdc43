"""What is significantly wrong is named, the worst first; what is within the reference's own error is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.analysis.representatives import Representative
from cgexp.analysis.structures import REFERENCE, SIMULATION
from cgexp.report.findings import findings, in_words, not_converged
from tests.report.pages import structures

# a run of Chignolin whose summary used to begin with "w1_tica cannot show an error of the model"
METRICS = {
    "w1_tica": 0.581, "w1_tica_sem": 0.048, "w1_tica_resolution": 0.574, "w1_tica_resolution_sem": 0.18,
    "w1_rg": 0.645, "w1_rg_sem": 0.079, "w1_rg_resolution": 0.046, "w1_rg_resolution_sem": 0.056,
    "w1_rmsd": 0.524, "w1_rmsd_sem": 0.069, "w1_rmsd_resolution": 0.58, "w1_rmsd_resolution_sem": 0.15,
    "w1_angle": 0.100, "w1_angle_sem": 0.0025, "w1_angle_resolution": 0.060, "w1_angle_resolution_sem": 0.011,
    "folded_fraction": 0.06, "folded_fraction_sem": 0.022, "folded_fraction_reference": 0.041,
    "folded_fraction_reference_sem": 0.042, "folded_fraction_resolution": 0.083,
    "resolution_relative": 0.294, "resolution_relative_sem": 0.093,
}  # fmt: skip


def basins(reference: tuple[float, float], simulation: tuple[float, float]) -> object:
    def kept(share: float, sem: float) -> tuple[list[Representative], np.ndarray]:
        return [Representative("misfolded", share, sem, 4.0, 1.0, 10)], np.zeros((1, 10, 3))

    return replace(structures(), ensembles={REFERENCE: kept(*reference), SIMULATION: kept(*simulation)})


def test_the_worst_comes_first_and_what_the_reference_cannot_tell_is_left_out() -> None:
    found = [finding.words for finding in findings(METRICS, "molecular")]
    assert len(found) == 2
    assert found[0] == "radius of gyration (W1 0.645 ± 0.079 Å, resolution 0.046 ± 0.056)"
    assert found[1].startswith("angle between bonds (W1 0.1000 ± 0.0025 rad")
    first, second = in_words(METRICS, "molecular")
    assert first.startswith("Significantly wrong, the worst first: radius of gyration")
    assert "0.294 ± 0.093 of the distance between folded and unfolded" in second


def test_a_basin_that_is_missed_is_a_finding_if_the_runs_agree_on_it() -> None:
    shown = [f.words for f in findings(METRICS, "molecular", basins((0.27, 0.04), (0.009, 0.005)))]  # type: ignore[arg-type]
    assert "share of the misfolded basin (0.0090 ± 0.0050, reference 0.270 ± 0.040)" in shown
    unsure = findings(METRICS, "molecular", basins((0.27, 0.2), (0.009, 0.005)))  # type: ignore[arg-type]
    assert not [f for f in unsure if "misfolded" in f.words]


@pytest.mark.parametrize(("fraction", "wrong"), [(0.041 + 0.083 + 0.03, False), (0.041 + 0.083 + 0.06, True)])
def test_a_share_counts_beyond_the_difference_of_the_runs_and_two_errors(fraction: float, wrong: bool) -> None:
    found = findings({**METRICS, "folded_fraction": fraction}, "molecular")
    assert any("folded fraction" in finding.words for finding in found) == wrong


def test_nothing_wrong_is_said_and_a_data_set_of_no_runs_has_no_verdict() -> None:
    fine = {**METRICS, "w1_rg": 0.05, "w1_angle": 0.06}
    assert in_words(fine, "molecular")[0].startswith("Nothing that was compared is significantly wrong")
    assert in_words({"w1_tica": 0.5}, "molecular") == []


def test_halves_that_differ_are_a_warning() -> None:
    still = {"w1_tica_split_half": 0.13, "w1_tica_split_half_null": 0.105, "w1_tica_split_half_null_sem": 0.02}
    level = {"folded_fraction_drift": -0.02, "folded_fraction_drift_sem": 0.02}
    assert not_converged(still | level) == []
    assert not_converged({}) == []
    (text,) = not_converged(still | {"folded_fraction_drift": -0.076, "folded_fraction_drift_sem": 0.026})
    assert "the folded fraction falls by 0.076 ± 0.026 from the first half to the second" in text
    (text,) = not_converged({**still, "w1_tica_split_half": 0.4} | level)
    assert text.startswith("The simulation has not converged: its halves are 0.4 TICA units apart")
