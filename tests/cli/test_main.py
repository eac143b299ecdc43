"""The command line as its user sees it: sentences, exit codes, multiruns, kills."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cgexp.cli.completion import candidates
from cgexp.cli.main import main
from cgexp.cli.parser import make_parser, parse
from cgexp.config.jobs import expand, without_globs

FAST = ["debug=fast", "experiment=toy_cgnet", "figures=none"]


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def is_one_sentence(error: str) -> bool:
    return len(error.strip().splitlines()) <= 3 and error.startswith("cgexp: ") and "Traceback" not in error


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["run", "--help"], ["--version"]):
        code, out, _ = output_of(capsys, *arguments)
        assert code == 0
        assert out
    assert "dataset" in output_of(capsys, "train", "-h")[1]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "--mutlirun"], "unknown option --mutlirun (did you mean '--multirun'?)"),
        (["-m", "run", "seed=1,2"], "-m stands before the verb"),
        (["--versoin"], "unknown option --versoin (did you mean '--version'?)"),
        (["export", "--cfg"], "unknown option --cfg: expected --help"),
        (["reproduce", "x", "--updat"], "did you mean '--update'"),
        (["run", "optimizer=glob(*)"], "add -m to run them all"),
        (["run", "-m", "optimizer=glob(x*)"], "optimizer=glob(x*) matches no option"),
        (["run", "-m", "optimizer.lr=interval(0,1)"], "a range without steps"),
        (["run", "hydra.job.chdir=true"], "outputs=<directory>"),
        (["run", "trainer.max_epocs=3"], "did you mean 'max_epochs'"),
        (["run", "+trainer.foo=1"], "unknown key 'trainer.foo'"),
        (["run", "optimizer.lr=-1"], "expected a positive number"),
        (["run", "model=cgschnet"], "choose another model"),
        (["run", "model._target_=os.system"], "not allowed"),
        (["run", "-m", "seed=1,2", "model.activation=tanh,slu"], "model.activation=slu"),
        (["run", "-m", "seed=1,two"], "seed=two"),
        (["evaluate", "run=/nowhere"], "is not a run"),
        (["check", "run=/nowhere"], "is not a run"),
        (["check", "run=/dev/null"], "is not a run"),
        (["completion", "fish"], "expected one of bash, zsh"),
        (["evaluate", "run=a", "run=latest"], "run=latest says again what run is: give run=<value> once"),
        (["simulate", "bundle=a", "bundle=b"], "bundle=b says again what bundle is"),
        (["simulate", "bundle=a", "n_steps=10", "simulation.n_steps=20"], "simulation.n_steps=20 says again"),
        (["simulate", "bundle=a", "run=latest"], "run=latest beside bundle="),
        (["simulate", "run=b", "bundle=a"], "run=b beside bundle="),
        (["export", "run=a", "as=ase", "as=bundle"], "as=bundle says again what as is"),
        (["import", "topology=a", "topology=b"], "topology=b says again what topology is"),
        (["runs", "sort=age", "sort=state"], "sort=state says again what sort is"),
        (["search", "objective=a", "objective=b"], "objective=b says again what objective is"),
    ],
)
def test_mistakes_are_a_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    code, _, error = output_of(capsys, *arguments)
    assert code == 2
    assert is_one_sentence(error)
    assert part in error


def test_of_an_override_that_is_repeated_the_last_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "run", "seed=1", "experiment=toy_cgnet", "experiment=toy_julia", "seed=2", "--cfg")
    assert code == 0
    assert "seed: 2\n" in out
    assert "toy_julia" in out


def test_a_directory_in_the_way_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    code, _, error = output_of(capsys, "run", *FAST, f"outputs={tmp_path}/file/outputs")
    assert code == 2
    assert is_one_sentence(error)
    assert "choose a writable directory" in error


def test_no_openmm_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openmm", None)
    code, _, error = output_of(capsys, "data", "dataset=chignolin_openmm", f"outputs={tmp_path}")
    assert code == 2
    assert is_one_sentence(error)
    assert "OpenMM is not installed" in error


def test_a_failure_of_our_own_is_named_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something broke")

    monkeypatch.setitem(__import__("cgexp.runs.pipeline", fromlist=["WORK"]).WORK, "prior", fail)
    code, _, error = output_of(capsys, "run", *FAST, f"outputs={tmp_path}")
    assert code == 1
    assert "failed with RuntimeError: something broke" in error
    assert "RuntimeError: something broke" in next(tmp_path.rglob("log.txt")).read_text()


def test_overrides_of_a_run_are_of_its_own_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peptide = ["experiment=chignolin_first", "model=none", "simulation=none", "analysis=forces"]
    assert output_of(capsys, "run", "debug=fast", "figures=none", *peptide, f"outputs={tmp_path}")[0] == 0
    folder = next(path.parent for path in tmp_path.rglob("metrics.json") if path.parent.name != "train")
    words = [f"run={folder}", "analysis.mean_force_set=null", "figures=none"]
    code, out, error = output_of(capsys, "evaluate", *words)
    assert (code, error) == (0, "")
    assert str(folder) not in out, "another analysis is a run beside it"
    code, out, _ = output_of(capsys, "check", f"run={folder}", "analysis.mean_force_set=null")
    assert code == 0
    assert "data       chignolin_mini" in out
    assert "ships with the package" in output_of(capsys, "data", f"run={folder}")[1]
    for mistake, part in (
        ("analysis.n_grid=5", "unknown key 'analysis.n_grid': cgexp.analysis.forces.ForceAnalysis takes"),
        ("analysis.n_bootstrap=-1", "analysis.n_bootstrap=-1"),
        ("logger.foo=1", "unknown key 'logger.foo'"),
    ):
        code, _, error = output_of(capsys, "evaluate", f"run={folder}", "analysis.mean_force_set=null", mistake)
        assert (code, is_one_sentence(error)) == (2, True)
        assert part in error


def test_cfg_prints_what_is_composed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "run", "--cfg", "seed=5")
    assert code == 0
    assert "seed: 5" in out


def test_check_reports_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for experiment in ("toy_julia", "chignolin_cgnet", "chignolin_cgschnet"):
        code, out, _ = output_of(capsys, "check", f"experiment={experiment}")
        assert code == 0
        assert "the double backward works" in out
    assert not list(tmp_path.iterdir())


def test_data_prints_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "data", "dataset.n_frames=20", f"outputs={tmp_path}")
    assert code == 0
    assert "content_hash" in out
    assert "frames.npz" in out


def test_a_multirun_makes_each_run_and_skips_them_when_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["run", "-m", *FAST, "seed=1,2", f"outputs={tmp_path}"]
    assert output_of(capsys, *command)[0] == 0
    metrics = sorted(tmp_path.glob("toy_cgnet/*/metrics.json"))
    assert len(metrics) == 2
    # neither Hydra's launcher nor the stages, which import torch, are needed for what is finished
    monkeypatch.setattr("cgexp.config.launch._multirun", None)
    monkeypatch.setattr("cgexp.runs.pipeline.run", None)
    code, out, _ = output_of(capsys, *command)
    assert code == 0
    assert out.count("finished, skipped") == 2
    assert "Mean ± standard deviation over the seed" in out
    code, _, error = output_of(capsys, *command, "sweep.objective=force_rmse_relativ")
    assert code == 2
    assert error.count("did you mean 'force_rmse_relative'?") == 2, error


def test_what_a_sweep_is_averaged_over_is_known_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "-m", *FAST, "seed=1,2", f"outputs={tmp_path}", "sweep.over=[trainer.flod]"]
    code, _, error = output_of(capsys, *command)
    assert (code, error) == (
        2,
        "cgexp: sweep.over=trainer.flod is no key of the jobs (did you mean 'trainer.fold'?)\n",
    )
    assert not list(tmp_path.iterdir())


def test_what_is_finished_is_known_without_torch_and_listed_without_matplotlib() -> None:
    listing = (
        "cgexp.cli.runs, cgexp.cli.status, cgexp.cli.jobs, cgexp.config.launch, cgexp.runs.resolve, cgexp.runs.sweeps"
    )
    pages = "cgexp.cli.compare, cgexp.studies.comparison"
    code = (
        f"import sys, {listing}; assert 'matplotlib' not in sys.modules\n"
        f"import {pages}; assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_failing_job_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # a learning rate this high is no mistake of form, but the loss overflows
    command = ["run", "-m", *FAST, "scheduler=none", "optimizer.lr=1e30,1e-3", f"outputs={tmp_path}"]
    code, _, error = output_of(capsys, *command)
    assert code in (1, 2)
    assert "cgexp: optimizer.lr=1e+30: the training loss" in error
    assert "not finite" in error
    assert "1 of 2 jobs failed" in error
    assert not list((tmp_path / ".sweeps").glob("*")), "Hydra's own files are wanted by nobody"
    assert len(list(tmp_path.glob("toy_cgnet/*/metrics.json"))) == 1


def test_the_sweeps_objective_is_returned(tmp_path: Path) -> None:
    from cgexp.cli.jobs import stages
    from cgexp.config.compose import compose

    config = compose([*FAST, f"outputs={tmp_path}", "sweep.objective=force_rmse_relative"])
    value = stages(config, "run")
    recorded = json.loads(next(tmp_path.glob("toy_cgnet/*/metrics.json")).read_text())
    assert value == recorded["force_rmse_relative"]


def test_completion() -> None:
    assert candidates([], "r") == ["reproduce", "rerun", "run", "runs"]
    assert candidates(["reproduce"], "no_such") == []
    assert candidates(["run"], "model=cg") == ["model=cgnet", "model=cgschnet"]
    assert "model.width=" in candidates(["run"], "model.w")
    assert "model.width=" in candidates(["run", "model=toy_fourier"], "model.w")  # from the option it starts from
    assert "model.cutoff=" in candidates(["run", "model=cgschnet"], "model.c")


def test_options_may_stand_anywhere_and_words_keep_their_order() -> None:
    given = parse(make_parser(), ["run", "a=1", "-m", "b=2", "--cfg", "c=3,4"])
    assert (given.words, given.multirun, given.cfg) == (["a=1", "b=2", "c=3,4"], True, True)


def test_a_glob_is_swept_over_all_options() -> None:
    swept = without_globs(["optimizer=glob(adam*)", "seed=1,2"])
    assert swept == ["optimizer=adam,adamw", "seed=1,2"]
    assert expand(swept)[0] == ["optimizer=adam", "seed=1"]
    assert len(expand(swept)) == 4


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cgexp r", "reproduce rerun run runs"),
        ("cgexp run -", "--cfg --config-dir --help --multirun -h -m"),
        ("cgexp run model=cgsch", "cgschnet"),  # bash completes what stands behind '='
        ("cgexp run -m model=cgschnet model.cut", "model.cutoff="),
        ("cgexp completion ", "bash zsh"),
        ("cgexp export format=", "dcd xtc"),
    ],
)
def test_the_shell_is_answered(line: str, expected: str, tmp_path: Path) -> None:
    environment = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1"}
    environment |= {"_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n=", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    environment |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer")}
    subprocess.run([sys.executable, "-m", "cgexp.cli.main"], env=environment, stderr=subprocess.DEVNULL, check=True)
    assert " ".join(sorted((tmp_path / "answer").read_text().split("\013"))) == expected


@pytest.mark.slow
def test_a_sweep_that_is_terminated_leaves_no_process(tmp_path: Path) -> None:
    sweep = ["run", "-m", "experiment=toy_cgnet", "launcher=joblib", "seed=1,2", "logger=csv", "trainer.max_epochs=400"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        outputs = tmp_path / number.name
        command = [sys.executable, "-m", "cgexp.cli.main", *sweep, f"outputs={outputs}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until(lambda: len(list(outputs.glob("toy_cgnet/*/train"))) == 2, seconds=240.0)  # noqa: B023
        workers = children_of(process.pid)
        assert len(workers) >= 2
        process.send_signal(number)
        _, error = process.communicate(timeout=20)
        until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))  # noqa: B023
        if number == signal.SIGTERM:
            assert process.returncode == 130
            assert "interrupted; the same command goes on" in error


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    """All processes that descend from one."""
    own = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return own + [child for one in own for child in children_of(one)]


@pytest.mark.slow
def test_killed_at_any_moment_and_repeated_it_ends_as_an_undisturbed_run(tmp_path: Path) -> None:
    overrides = ["experiment=toy_cgnet", "dataset.n_frames=20000", "trainer.max_epochs=4", "logger=csv"]
    overrides += ["simulation.n_replicas=50", "simulation.n_steps=4000", "simulation.save_every=20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cgexp.cli.main", "run", *overrides, f"outputs={tmp_path / name}"]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    began = time.monotonic()
    assert start("whole").wait() == 0
    whole = time.monotonic() - began
    n_kills = 0
    for fraction in (0.5, 0.4, 0.3, 0.3, 0.3):
        process = start("killed")
        try:
            process.wait(fraction * whole)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            n_kills += 1
    assert n_kills
    assert start("killed").wait() == 0
    first, second = (json.loads(next((tmp_path / n).glob("toy_cgnet/*/metrics.json")).read_text()) for n in ("whole", "killed"))  # fmt: skip  # noqa: E501
    measured = ("train_seconds", "train_frames_per_second", "simulation_replica_steps_per_second", "memory_peak_mb")
    for name in first.keys() - set(measured):
        assert first[name] == second[name], name


def test_only_a_command_of_its_own_process_leaves_its_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds, left = gc.get_threshold(), gc.get_freeze_count()  # the tests themselves leave what they have imported
    assert main(["--version"]) == 0
    assert (gc.get_freeze_count(), gc.get_threshold()) == (left, thresholds)
    monkeypatch.setattr(sys, "argv", ["cgexp", "--version"])
    try:
        assert main() == 0
        assert gc.get_freeze_count() > left
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
