"""Tables of arms: the same numbers in each format, and nothing in them that a format would take for its own."""

from __future__ import annotations

import csv
import io
import json

import pytest

from cgexp.analysis.arms import ArmRuns, Comparison, Difference, compare_arms
from cgexp.report.comparison_tables import (
    as_json,
    csv_table,
    difference_table,
    interval,
    markdown_table,
    screen_table,
    tex_table,
)

NASTY = r"a|b_<i>&100%\x"


@pytest.fixture
def found() -> Comparison:
    def runs(shift: float) -> dict[object, dict[str, float]]:
        return {(seed,): {"w1_x": shift + 0.01 * seed**2, "n_parameters": 4e5 + 1e4 * seed} for seed in range(5)}

    arms = [ArmRuns("kind=plain", {"kind": "plain", "lr": 1e-3}, runs(1.0)), ArmRuns(NASTY, {"kind": NASTY, "lr": None}, runs(0.5))]  # fmt: skip  # noqa: E501
    return compare_arms(arms, ["kind", "lr"], ["w1_x", "n_parameters"], 0)


def test_the_screen_has_a_row_an_arm(found: Comparison) -> None:
    lines = screen_table(found, "reduced").splitlines()
    assert lines[0].split() == ["kind", "lr", "runs", "w1_x", "(length)", "n_parameters"]
    assert lines[1].split() == ["plain", "0.001", "5", "1.060", "±", "0.066", "(4.20", "±", "0.16)e+05"]
    assert "0.560 ± 0.066 (best)" in lines[2]
    assert "null" in lines[2]


def test_differences_have_intervals_and_a_star(found: Comparison) -> None:
    lines = difference_table(found, "reduced").splitlines()
    assert len(lines) == 2
    assert lines[0].split()[:3] == ["kind", "lr", "pairs"]
    assert "-0.5*" in lines[1]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Difference(3, 0.1234, 0.0234, 0.2234, 0.01, 0.03), "+0.12 [+0.02, +0.22]*"),
        (Difference(3, -12.0, -40.0, 16.0, 0.3, 0.6), "-12 [-40, +16]"),
        (Difference(3, 1e-9, -1e-9, 3e-9, 0.3, 0.6), "+1e-09 [-1e-09, +3e-09]"),
        (Difference(3, 2e6, 1e6, 3e6, 0.3, 0.6), "+2e+06 [+1e+06, +3e+06]"),
    ],
)
def test_an_interval_has_two_digits_of_its_width(one: Difference, text: str) -> None:
    assert interval(one) == text


def test_csv_has_full_digits(found: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table(found))))
    assert [row["kind"] for row in rows] == ["plain", NASTY]
    assert float(rows[1]["w1_x.mean"]) == found.spreads[1]["w1_x"].mean
    assert (rows[0]["w1_x.difference"], rows[1]["w1_x.n"]) == ("", "5")
    assert float(rows[1]["w1_x.p_holm"]) < 0.05


def test_markdown_keeps_its_columns(found: Comparison) -> None:
    lines = markdown_table(found, "reduced").splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "&lt;i>" in lines[3]
    assert "**0.560 ± 0.066**" in lines[3]


def test_tex_escapes_what_it_must(found: Comparison) -> None:
    text = tex_table(found, "reduced")
    assert r"a|b\_\textless{}i\textgreater{}\&100\%\textbackslash{}x" in text
    assert r"$\mathbf{0.560 \pm 0.066}$" in text
    assert r"$(4.20 \pm 0.16) \times 10^{5}$" in text
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len({line.replace("\\&", "").count("&") for line in rows}) == 1


def test_json_has_all_numbers(found: Comparison) -> None:
    content = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert content["best"] == {"w1_x": NASTY}
    assert content["baseline"] == "kind=plain"
    assert content["arms"][1]["differences"]["w1_x"]["n"] == 5
    assert content["arms"][0]["settings"] == {"kind": "plain", "lr": 0.001}
