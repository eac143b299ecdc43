"""cgexp runs as its user sees it; a run that failed says so; run=latest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cgexp
from cgexp.cli import compare, diff, rerun, runs, wandb
from cgexp.cli.completion import KEYS_OF_LISTS, candidates
from cgexp.runs import pipeline
from cgexp.runs.folder import RunFolder
from cgexp.runs.lock import lock
from cgexp.runs.sweeps import record_folder, recorded
from tests.cli.answers import output_of
from tests.studies.synthetic import config_with, put

FAST = ["debug=fast", "experiment=toy_cgnet", "analysis.n_bootstrap=2", "figures=none"]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    for seed in (1, 2):
        for width in (20, 40):
            metrics = {"loss_validation": width + seed, "w1_x": 0.1, "replicas_failed": 0}
            put(outputs, f"run{width}{seed}", config_with(seed, model__width=width), metrics)
    put(outputs, "broken", config_with(3, model__width=20), failure="the bond blew up")
    return outputs


@pytest.mark.usefixtures("outputs")
def test_the_table_has_a_row_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "runs", "sort=-loss_validation")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:7] == ["experiment", "id", "state", "age", "size", "seed", "differs"]
    assert [line.split()[1] for line in lines[1:6]] == ["run402", "run401", "run202", "run201", "broken"]
    assert "broken failed: train: the bond blew up" in lines
    assert lines[-1].startswith("5 runs (4 done, 1 failed), ")


@pytest.mark.usefixtures("outputs")
def test_words_choose_runs_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "runs", "width=20", "where=seed>1 and state=done", "columns=seed,width,size")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["experiment", "id", "seed", "model.width", "size"]
    assert [line[:4] for line in lines[1:-1]] == [["toy_cgnet", "run202", "2", "20"]]


@pytest.mark.usefixtures("outputs")
def test_it_is_told_why_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "runs", "seed=1", "experiment=toy")
    assert (code, out.splitlines()[1:]) == (0, ["no run has experiment=toy: experiment is toy_cgnet"])
    assert output_of(capsys, "runs", "seed=7", "--json")[1] == "[]\n"


@pytest.mark.usefixtures("outputs")
def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "runs", "--json", "state=failed")
    (run,) = json.loads(out)
    assert code == 0
    assert (run["id"], run["seed"], run["differs"], run["metrics"]) == ("broken", 3, ["model.width=20"], {})
    assert run["sentence"] == "train: the bond blew up"


@pytest.mark.usefixtures("outputs")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["widht=3"], "did you mean 'width'"),
        (["columns=los"], "no run here has a key or metric 'los'"),
        (["sort=differs"], "no run here has a key or metric 'differs'"),
        (["sort="], "sort= lacks a value"),
        (["outputs=nowhere"], "outputs=nowhere is no folder"),
        (["somewhere"], "'somewhere' is no run"),
        (["--yes"], "--yes is for cgexp runs remove"),
        (["remove"], "say which runs to remove"),
        (["remove", "state=failed"], "add --yes where there is nobody to ask"),
        (["columns=a,,b"], "expected names with commas"),
    ],
)
def test_mistakes_are_a_sentence(capsys: pytest.CaptureFixture[str], words: list[str], part: str) -> None:
    code, _, error = output_of(capsys, "runs", *words)
    assert (code, len(error.splitlines())) == (2, 1)
    assert part in error


def test_removing_asks_and_tells(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock(outputs / "toy_cgnet" / "broken"):
        code, _, error = output_of(capsys, "runs", "remove", "broken", "--yes")
    assert (code, "nothing was removed" in error) == (2, True)
    code, out, _ = output_of(capsys, "runs", "remove", "state=failed", "--yes")
    assert (code, out.splitlines()[-1].startswith("removed 1 run (")) == (0, True)
    assert not (outputs / "toy_cgnet" / "broken").exists()
    code, out, _ = output_of(capsys, "runs", "remove", "state=failed", "--yes")
    assert (code, out) == (0, "there is no such run: nothing was removed; no run has state=failed: state is done\n")


def test_an_answer_that_is_not_yes_removes_nothing(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for answer, is_there in (("", True), ("n", True), ("yes", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        output_of(capsys, "runs", "remove", "run201")
        assert (outputs / "toy_cgnet" / "run201").exists() == is_there


def test_a_run_that_failed_says_so_until_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something broke")

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(pipeline.WORK, "simulate", fail)
        assert output_of(capsys, "run", *FAST)[0] == 1
    _, out, _ = output_of(capsys, "runs")
    assert " failed " in out
    assert "failed: simulate: failed with RuntimeError: something broke" in out
    assert "loss_validation" in out, "the metrics of the training that was done"
    assert output_of(capsys, "run", "run=latest", "figures=none")[0] == 0
    assert " done " in output_of(capsys, "runs")[1]
    run = cgexp.load("latest")
    assert not run.folder.failed.exists()
    assert run.folder.done("evaluate")


def test_a_run_that_failed_before_its_data_were_there_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = output_of(capsys, "run", "debug=fast", "experiment=toy_cgnet", "trainer.start_from=nowhere")
    assert code == 2
    (failed,) = Path("outputs").glob("*/*/failed.json")
    record = RunFolder(failed.parent).read_failure()
    assert record is not None
    assert (record["stage"], record["sentence"]) == ("data", error.removeprefix("cgexp: ").strip())
    assert "failed: data: " in output_of(capsys, "runs")[1]


def test_there_is_no_latest_run_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in ("evaluate", "export"):
        code, _, error = output_of(capsys, verb, "run=latest")
        assert (code, "there is no run in outputs" in error) == (2, True)
    assert (
        output_of(capsys, "runs")[2] == "cgexp: outputs=outputs is no folder: give the one that runs were written to\n"
    )


@pytest.mark.usefixtures("outputs")
def test_completion_knows_runs() -> None:
    assert candidates(["export"], "run=outputs/toy_cgnet/run2") == [
        "run=outputs/toy_cgnet/run201",
        "run=outputs/toy_cgnet/run202",
    ]
    assert "run=latest" in candidates(["evaluate"], "run=")
    assert "state=failed" in candidates(["runs"], "state=")
    assert "experiment=toy_cgnet" in candidates(["runs"], "experiment=toy_c")
    assert "remove" in candidates(["runs"], "re")
    assert candidates(["compare"], "b") == ["baseline="]
    assert candidates(["diff"], "outputs/toy_cgnet/b") == ["outputs/toy_cgnet/broken"]
    with recorded(record_folder(Path("outputs"), "mine"), Path("outputs"), []):
        assert [candidates([verb], "mi") for verb in ("runs", "compare", "status", "diff")] == [["mine"]] * 3 + [[]]
    assert [candidates([verb], "la") for verb in ("runs", "rerun", "diff")] == [["latest"]] * 3
    known = {"runs": runs, "compare": compare, "diff": diff, "rerun": rerun, "wandb": wandb}
    assert {verb: module.KEYS for verb, module in known.items()} == KEYS_OF_LISTS
