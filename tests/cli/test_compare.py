"""cgexp compare as its user sees it, and the table at the end of a multirun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgexp.cli.compare import print_sweep
from cgexp.store import read_record
from cgexp.studies.arms import compare_sweep
from cgexp.studies.catalogue import catalogue
from tests.cli.answers import output_of
from tests.studies.synthetic import config_with, put


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    for seed in (1, 2, 3, 4):
        for width in (20, 40):
            metrics = {"loss_validation": width + seed + 0.1 * seed * (width > 20), "replicas_failed": 0}
            put(outputs, f"run{width}{seed}", config_with(seed, model__width=width), metrics, epochs=5)
    return outputs


@pytest.mark.usefixtures("outputs")
def test_arms_are_compared_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = output_of(capsys, "compare")
    lines = out.splitlines()
    assert (code, error) == (0, "")
    assert lines[0].split()[:3] == ["width", "runs", "loss_validation"]
    assert lines[1].endswith("22.5 ± 1.3 (best)")
    assert lines[4] == "less width=20:"
    assert lines[6].split() == ["40", "4", "+20.25", "[+20.04,", "+20.46]*"]
    assert "The same in all runs: replicas_failed 0." in lines


@pytest.mark.usefixtures("outputs")
def test_a_comparison_goes_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = output_of(capsys, "compare", "baseline=width=40", "seed<4", f"to={tmp_path / 'found'}")
    assert (code, "found" in error) == (0, True)
    content = read_record(tmp_path / "found" / "comparison.json")
    assert content["baseline"] == "width=40"
    assert [run["seed"] for run in content["arms"][0]["runs"]] == [1, 2, 3]
    names = {path.name for path in (tmp_path / "found").iterdir()}
    assert names == {"table.csv", "table.md", "table.tex", "comparison.json", "comparison.html", "figures"}
    drawn = {path.stem for path in (tmp_path / "found" / "figures").iterdir()}
    assert drawn == {"learning_curves", "parameters", "runs_by_arm"}


@pytest.mark.usefixtures("outputs")
def test_numbers_come_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(output_of(capsys, "compare", "--json", "width=20")[1])
    assert [arm["label"] for arm in content["arms"]] == ["all"]


@pytest.mark.usefixtures("outputs")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["metrics=loss"], "metrics=loss is no metric of these runs"),
        (["baseline=width=7"], "holds of no arms"),
        (["baseline=width"], "cannot read"),
        (["state=failed"], "no run has state=failed: state is done"),
        (["state=failed", "seed=1"], "no run has state=failed"),
        (["to="], "to= lacks a value"),
        (["somewhere"], "'somewhere' is no run"),
    ],
)
def test_mistakes_are_a_sentence(capsys: pytest.CaptureFixture[str], words: list[str], part: str) -> None:
    code, _, error = output_of(capsys, "compare", *words)
    assert (code, len(error.splitlines())) == (2, 1)
    assert part in error


def test_a_multirun_ends_with_a_row_an_arm(
    outputs: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    molecular = config_with(1)
    molecular["dataset"]["units"] = "molecular"
    put(outputs, "other", molecular, {"w1_tica": 1.0})
    put(outputs, "broken", config_with(9), failure="the bond blew up")
    print_sweep(compare_sweep(catalogue(outputs), []).values())
    out = capsys.readouterr().out
    assert "22.5 ± 1.3 (best)" in out
    assert "w1_tica (TICA units)" in out, "runs in other units have a table of their own"
    assert "less width=20" not in out
    with caplog.at_level("WARNING"):
        print_sweep(compare_sweep(catalogue(outputs), [], ["replicas_failed", "w1_tcia"]).values())
    shown = capsys.readouterr().out.splitlines()
    assert ["width", "runs", "replicas_failed"] in [line.split() for line in shown]
    assert "no run has w1_tcia (did you mean 'w1_tica'?)" in caplog.text


@pytest.mark.usefixtures("outputs")
def test_a_config_that_somebody_edited_does_not_end_the_comparison(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = config_with(7)
    put(outputs, "choices", {**odd, "choices": {"experiment": "toy_cgnet"}}, {"w1_x": 1.0})
    for name, change in {
        "listed": {"choices": ["x"]},
        "text": {"overrides": "x"},
        "numbers": {"overrides": [1]},
    }.items():
        put(outputs, name, odd, {"w1_x": 1.0}).write_config({**odd, **change})
    code, out, _ = output_of(capsys, "compare", "metrics=w1_x")
    assert (code, "Left out as they are not done: 3 damaged." in out) == (0, True)
    code, out, _ = output_of(capsys, "runs", "state=damaged")
    assert (code, out.count("does not say which options were chosen")) == (0, 3)
    odd["dataset"].pop("units")
    put(outputs, "unitless", odd, {"w1_x": 1.0})
    code, _, error = output_of(capsys, "compare", "metrics=w1_x")
    assert (code, "units None and" in error) == (2, True)
