"""Tables of metrics: nothing is lost, errors stand beside their values, units are those of the system."""

from __future__ import annotations

from cgexp.report.html_summary import KEY, key_table, metrics_table
from cgexp.report.table import HEADLINES
from tests.report.pages import METRICS


def test_key_numbers_are_those_that_the_run_has_in_a_fixed_order() -> None:
    table = key_table(dict(reversed(METRICS.items())), "molecular")
    names = [row[0].text for row in table.rows]
    assert names == [name for name in KEY if name in METRICS]
    assert names[0] == "w1_tica"
    assert all(row[-1].text for row in table.rows)


def test_a_resolution_stands_beside_the_distance_it_is_of() -> None:
    table = key_table(METRICS, "molecular")
    assert table.heads == ("metric", "value", "unit", "resolution", "how to read it")
    by_name = {row[0].text: [cell.text for cell in row[1:4]] for row in table.rows}
    assert by_name["w1_tica"] == ["0.50 ± 0.10", "TICA units", "0.45"]
    assert by_name["folded_fraction"] == ["0.25", "", ""]
    assert "resolution" not in key_table({"w1_tica": 1.0}, "molecular").heads


def test_all_metrics_are_there_with_their_errors_and_can_be_sorted_by_number() -> None:
    table = metrics_table(METRICS, "molecular")
    assert {row[0].text for row in table.rows} == METRICS.keys() - {"w1_tica_sem"}
    (row,) = (row for row in table.rows if row[0].text == "w1_tica")
    assert [cell.text for cell in row[1:]] == ["0.5", "0.1", "TICA units"]
    assert row[1].value == 0.5
    (loss,) = (row for row in metrics_table(METRICS, "reduced").rows if row[0].text == "loss_validation")
    assert loss[3].text == "(kT/length)²"


def test_an_error_without_its_value_is_not_lost() -> None:
    assert [row[0].text for row in metrics_table({"a_sem": 1.0}, "molecular").rows] == ["a_sem"]


def test_what_a_sweep_prints_is_explained_on_the_page() -> None:
    assert set(HEADLINES) - {"w1_tica_resolution"} <= set(KEY)


def test_a_bound_is_shown_as_one() -> None:
    ((name, value, *_),) = metrics_table({"folded_free_energy_above": 2.413}, "molecular").rows
    assert (name.text, value.text, value.value) == ("folded_free_energy", "> 2.413", 2.413)
