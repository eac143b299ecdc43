"""W&B's own client against a server on this machine: what an account would hold of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.report.tracker import Artefact, Chart, Tracker
from cgexp.report.wandb import WandbSettings, open_wandb
from tests.report.server import Artifact, Run, Server
from tests.report.test_wandb import DESCRIBED

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def tell_epochs(run: Tracker, n_epochs: int) -> None:
    """Epochs from the first, as training tells them again when it goes on; the loss is lowest in the second."""
    for epoch in range(n_epochs):
        run.log("train", {"epoch": float(epoch), "loss_validation": 1.0 + abs(epoch - 1.0), "lr": 0.1})


def tell_results(run: Tracker, data: Path) -> None:
    """Charts, metrics, and the way from data to potential."""
    run.charts({"pmf": Chart({"x": [0.0, 1.0], "model": [2.0, None]}, "pmf", "x", "model")})
    run.artefact(Artefact("data", "dataset", {data.name: data}, {"content_hash": "0a"}, is_input=True))
    run.artefact(Artefact("potential-abc", "potential", {data.name: data}, {"data": "0a"}))
    run.summarise("eval", {"w1": 0.5})


def assert_way(server: Server, data: Path) -> None:
    """The run was made from the data set and made the potential; W&B has where they lie, and not what they hold."""
    (dataset,), (potential,) = server.named("dataset"), server.named("potential")
    assert server.runs["abc"].used == [dataset.id]
    assert (potential.run, dataset.run) == ("abc", None)
    assert (dataset.name, potential.name) == ("data", "potential-abc")
    for artifact in (dataset, potential):
        assert_reference(artifact, data)
    assert not [path for path in server.files if path.endswith(data.name)]


def assert_reference(artifact: Artifact, path: Path) -> None:
    assert artifact.state == "COMMITTED"
    assert artifact.manifest["contents"][path.name]["ref"] == path.as_uri()


def test_a_run_that_is_interrupted_and_goes_on_is_one_run_with_whole_curves(server: Server, tmp_path: Path) -> None:
    data = tmp_path / "frames.npz"
    data.write_bytes(b"frames")

    def interrupted() -> None:
        with open_wandb(WandbSettings(), DESCRIBED, tmp_path) as run:
            tell_epochs(run, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    found = server.runs["abc"]
    assert (found.state, found.exit_code) == ("failed", 130)
    with open_wandb(WandbSettings(notes="why"), DESCRIBED, tmp_path) as run:
        tell_epochs(run, 4)
        tell_results(run, data)
    assert list(server.runs) == ["abc"]
    assert (found.state, found.project) == ("finished", "cgexp")
    assert found.axis("train/epoch") == [0, 1, 2, 3]
    assert found.axis("train/loss_validation") == [2, 1, 2, 3]
    assert found.axis("_step") == list(range(len(found.rows)))
    assert found.summary["train/loss_validation"] == {"min": 1, "last": 3}
    assert found.summary["eval/w1"] == 0.5
    assert (found.told["displayName"], found.told["groupName"]) == ("toy width=3 seed=1", "group")
    assert (found.told["jobType"], found.told["notes"], found.told["tags"]) == ("run", "why", ["model:mlp"])
    assert found.config["model"] == {"value": {"width": 3}}
    assert [path for path in server.files if "charts/pmf_table" in path]
    assert_way(server, data)
    assert_read_back(found)


def assert_read_back(sent: Run) -> None:
    """W&B's own Api finds the run and says the same of it: curves, summary, config, the way of its artifacts."""
    import wandb

    api = wandb.Api()
    run = api.run("lab/cgexp/abc")
    (listed,) = api.runs("lab/cgexp", filters={"group": "group"})
    assert not list(api.runs("lab/cgexp", filters={"group": "another"}))
    assert (listed.id, run.state, run.name, run.job_type) == ("abc", "finished", "toy width=3 seed=1", "run")
    assert (run.tags, run.notes, run.config) == (["model:mlp"], "why", {"model": {"width": 3}, "seed": 1})
    rows = run.history(keys=["train/loss_validation"], x_axis="train/epoch", pandas=False)
    assert [row["train/loss_validation"] for row in rows] == [2, 1, 2, 3]
    assert [row["_step"] for row in run.scan_history()] == list(range(len(sent.rows)))
    of_keys = list(run.scan_history(keys=["train/epoch", "train/loss_validation"]))
    assert [row["train/epoch"] for row in of_keys] == sent.axis("train/epoch")
    assert run.summary["eval/w1"] == 0.5
    assert "potential-abc:v0" in [artifact.name for artifact in run.logged_artifacts()]
    (used,) = run.used_artifacts()
    assert (used.name, used.type, used.metadata["content_hash"]) == ("data:v0", "dataset", "0a")


def test_a_run_that_fails_is_marked_with_its_sentence_online(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), open_wandb(WandbSettings(), DESCRIBED, tmp_path):
        raise ValueError("broken")
    found = server.runs["abc"]
    assert (found.state, found.exit_code) == ("failed", 1)
    assert found.summary["failed"].startswith("failed with ValueError: broken")


def test_a_key_that_the_server_refuses_leaves_the_run_offline(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cgexp")
    server.key_is_good = False
    with open_wandb(WandbSettings(), DESCRIBED, tmp_path) as run:
        run.log("train", {"epoch": 0.0})
        assert run.is_told
    assert not server.runs
    assert list(tmp_path.glob("wandb/offline-run-*"))
    assert "W&B offline (online was refused: " in caplog.text
