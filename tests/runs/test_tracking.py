"""What W&B is told of whole runs, read back from their offline files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cgexp.config.compose import Config, compose
from cgexp.errors import InputError
from cgexp.runs import pipeline
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.pipeline import run
from cgexp.runs.tracking import display_name, told_config
from cgexp.training.history import History
from tests.report.offline import Offline, read
from tests.runs import small
from tests.runs.small import quiet

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def configure(outputs: Path, *overrides: str) -> Config:
    return small.configure(outputs, "logger.enabled=true", *overrides)


class Killed(BaseException):
    """As a kill would."""


def assert_whole(found: Offline, folder: RunFolder) -> None:
    """All epochs once and in order, a simulation, metrics; the steps go on."""
    history = folder.read_history()
    assert found.axis("train/epoch") == history["epoch"].tolist()
    for name in ("loss_validation", "loss_train_running", "objective", "lr", "gradient_norm"):
        assert found.axis(f"train/{name}") == pytest.approx(history[name])
    assert all(value > 0.0 for value in found.axis("train/frames_per_second"))
    assert found.axis("sim/replicas_healthy")
    assert np.all(np.diff(found.axis("sim/time")) > 0.0)
    assert found.axis("_step") == list(range(len(found.rows)))
    metrics = folder.read_metrics()
    assert found.summary["eval/w1_x"] == pytest.approx(metrics["w1_x"])
    assert found.summary["train/loss_train"] == pytest.approx(metrics["loss_train"])
    assert [artifact.type for artifact in found.artifacts if artifact.type != "run_table"] == [
        "dataset", "potential", "trajectory", "metrics",
    ]  # fmt: skip
    assert found.exit_code == 0


def assert_every_kind(found: Offline) -> None:
    """docs/tracking.md lists what lands; a run has each of it but for the rounds of active learning."""
    page = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text(encoding="utf-8")
    names = {name.partition("/")[0] for row in found.rows for name in row} | {
        name.partition("/")[0] for name in found.summary
    }
    for kind in ("train", "sim", "eval", "figures", "charts"):
        assert kind in names
        assert f"`{kind}/*`" in page
    assert not {name for name in names if not name.startswith("_")} - {"train", "sim", "eval", "figures", "charts"}
    assert {"arm", "differs", "data_hash", "code", "options", "dataset", "model"} <= found.config.keys()


def test_a_run_that_is_killed_goes_on_and_is_evaluated_again_is_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(tmp_path, "seed=3", "model.width=20", "trainer.max_epochs=3", "figures=png")
    original = History.on_train_epoch_start

    def killed(self: History, *arguments: object) -> None:
        if len(self.rows) == 2:
            raise Killed
        original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(History, "on_train_epoch_start", killed)
    with pytest.raises(Killed):
        run(config, say=quiet)
    monkeypatch.setattr(History, "on_train_epoch_start", original)
    folder = run(config, say=quiet)
    found = read(folder.path)
    assert_whole(found, folder)
    assert {"figures/pmf/_type", "charts/pmf_table/_type"} <= {name for row in found.rows for name in row}
    assert_every_kind(found)
    assert found.run.run_id == folder.path.name
    assert found.run.display_name == "toy_cgnet debug=fast n_bootstrap=2 width=20 max_epochs=3 seed=3"
    again = run(configure(tmp_path, f"run={folder.path}", "force=true"), "evaluate", quiet)
    assert again.path == folder.path
    assert_whole(read(folder.path), folder)
    child = run(configure(tmp_path, f"run={folder.path}", "analysis.n_bins=30"), "evaluate", quiet)
    assert child.path != folder.path
    assert_whole(read(child.path), child)
    taken = next(artifact for artifact in read(child.path).artifacts if artifact.type == "potential")
    assert (taken.name, taken.use_after_commit) == (f"potential-{folder.path.name}", True)


def test_a_run_that_fails_is_marked_with_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise InputError("the loss is not finite: lower the rate")

    monkeypatch.setitem(pipeline.WORK, "train", fails)
    config = configure(tmp_path)
    with pytest.raises(InputError):
        run(config, say=quiet)
    found = read(folder_of(config).path)
    assert (found.exit_code, found.summary["failed"]) == (1, "the loss is not finite: lower the rate")


def test_the_config_is_nested_and_has_what_to_group_by() -> None:
    overrides = ["experiment=toy_julia", "seed=2", "model.width=40", "optimizer.lr=0.01", "logger.tags=[a]"]
    experiment = Experiment.of(compose(overrides))
    assert display_name(experiment) == "toy_julia width=40 lr=0.01 seed=2"
    told = told_config(experiment, "0a1b")
    assert (told["arm"], told["differs"]) == ("width=40 lr=0.01", {"width": "40", "lr": "0.01"})
    assert (told["data_hash"], told["seed"], told["model"]["width"]) == ("0a1b", 2, 40)
    assert told["model"]["class"] == "ToyMLP"
    assert {"version", "commit", "dirty"} == told["code"].keys()
    assert len(told) < 25
    assert not {"logger", "outputs", "overrides"} & told.keys()


def test_keys_that_end_alike_are_told_in_full() -> None:
    overrides = ["simulation.n_replicas=7", "seed=1", "dataset.temperature=2", "simulation.temperature=2"]
    assert display_name(Experiment.of(compose(overrides))) == (
        "toy_cgnet n_replicas=7 dataset.temperature=2 simulation.temperature=2 seed=1"
    )
