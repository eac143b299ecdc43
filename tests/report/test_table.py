from __future__ import annotations

import pytest

from cgexp.analysis.observables import QUANTITIES
from cgexp.report.table import metrics_table, unit_of, with_error

PEPTIDE = {
    "loss_train": 1.2345,
    "loss_validation": 1.3,
    "train_frames_per_second": 12345.6,
    "folded_fraction": 0.25,
    "folded_fraction_sem": 0.031,
    "w1_tica": 0.254,
    "w1_tica_sem": 0.0931,
    "w1_tica_resolution": 0.574,
    "w1_tica_resolution_sem": 0.181,
    "w1_tica_bias": 0.08,
    "w1_tica_ic1": 0.2,
    "js_tica": 0.0406,
    "kl_tica": 0.172,
    "w1_dihedral": 0.126,
    "w1_dihedral_linear": 0.183,
    "js_dihedral": 0.0061,
    "kl_dihedral": 0.024,
}


def test_every_metric_is_shown_once_with_its_error_and_unit() -> None:
    text = metrics_table(PEPTIDE, "molecular", title="chignolin")
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["chignolin"]
    assert ["loss_train", "1.234", "(kcal/mol/Å)²"] in lines
    assert ["folded_fraction", "0.250", "±", "0.031"] in lines
    assert ["tica", "(TICA", "units)", "0.254", "±", "0.093", "0.57", "±", "0.18", "0.0406", "0.172"] in lines
    assert ["dihedral", "(rad)", "0.126", "0.0061", "0.024"] in lines
    assert ["dihedral_linear", "(rad)", "0.183"] in lines
    assert ["tica_bias", "(TICA", "units)", "0.08"] in lines
    assert not [line for line in lines if line[:1] == ["tica_resolution"]], "it stands beside its distance"
    assert "_sem" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 24


def test_a_toy_lists_its_only_distance_by_name() -> None:
    lines = [line.split() for line in metrics_table({"w1_x": 0.01, "pmf_rmse_simulation": 0.1}, "reduced").splitlines()]
    assert lines == [["w1_x", "0.01", "length"], ["pmf_rmse_simulation", "0.1", "kT"]]


def test_a_column_that_no_distribution_has_is_left_out() -> None:
    table = metrics_table({"w1_bond": 0.01, "js_bond": 0.2}, "molecular").splitlines()
    assert table[-2].split() == ["distribution", "w1_*", "js_*", "(nats)"]
    assert table[-1].split() == ["bond", "(Å)", "0.01", "0.2"]


def test_an_error_without_its_value_is_not_lost() -> None:
    assert "odd_sem" in metrics_table({"odd_sem": 1.0}, "reduced")


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("loss_noise_floor", "(kcal/mol/Å)²"),
        ("loss_excess_relative", ""),
        ("force_rmse_relative", ""),
        ("curl_rms_relative", ""),
        ("loop_work_rms", "kT"),
        ("w1_tica_kde", "TICA units"),
        ("w1_end_to_end_resolution", "Å"),
        ("folded_free_energy_reference", "kT"),
        ("folded_fraction", ""),
        ("msm_timescale_1", "ps"),
        ("msm_ck_error", ""),
        ("contact_rmse", ""),
        ("handedness", ""),
        ("w1_bond", "Å"),
        ("w1_angle", "rad"),
        ("js_bond", "nats"),
        ("mean_force_rmse", "kcal/mol/Å"),
        ("replicas_failed_fraction", ""),
        ("memory_peak_mb", "MB"),
    ],
)
def test_units(metric: str, unit: str) -> None:
    assert unit_of(metric, "molecular") == unit


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.25412, 0.0931, "0.254 ± 0.093"),
        (12.345, 3.2, "12.3 ± 3.2"),
        (1234.5, 321.0, "1234 ± 321"),
        (1.0, None, "1"),
        (0.1, 0.0, "0.1"),
        (3.146e-16, None, "3.146e-16"),
        (3.146e-9, 1e-9, "(3.1 ± 1.0)e-09"),
        (float("nan"), 0.1, "nan"),
    ],
)
def test_value_with_error(value: float, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


def test_small_and_large_numbers_share_a_power_of_ten() -> None:
    assert with_error(3.431e-8, 2.1e-8) == "(3.4 ± 2.1)e-08"
    assert with_error(2.1e-8, 3.431e-8) == "(2.1 ± 3.4)e-08"
    assert with_error(1.0, 1e-9) == "1.0000000000 ± 0.0000000010"
    assert with_error(1e6, 1e-3) == "(1.0000000000 ± 0.0000000010)e+06"
    assert with_error(0.1, 1.4e-17) == "0.1"
    assert with_error(123456.0, 234.0) == "(1.2346 ± 0.0023)e+05"


def test_units_of_observables_are_those_of_their_distances() -> None:
    for name, quantity in QUANTITIES.items():
        assert unit_of(f"w1_{name}", "molecular") == quantity.unit.format(length="Å"), "give it a line in UNITS"


def test_what_is_known_to_one_side_is_shown_as_a_bound() -> None:
    lines = metrics_table({"folded_free_energy_reference_above": 2.413, "msm_timescale_1_below": 7.0}, "molecular")
    rows = [line.split() for line in lines.splitlines()]
    assert rows == [["folded_free_energy_reference", ">", "2.413", "kT"], ["msm_timescale_1", "<", "7", "ps"]]
