"""W&B without a network: one run a job, offline without a key, closed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgexp.errors import InputError
from cgexp.report.tracker import Artefact, Chart, Described, Tracker
from cgexp.report.wandb import WandbRun, WandbSettings, choose_mode, open_wandb
from tests.report.offline import read

DESCRIBED = Described("abc", "toy width=3 seed=1", "group", "run", {"seed": 1, "model": {"width": 3}}, ["model:mlp"])


def open_offline(folder: Path, **changes: Any) -> Any:
    return open_wandb(WandbSettings(**changes), DESCRIBED, folder)


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import wandb

    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody answers
    monkeypatch.setattr("cgexp.report.wandb.INIT_TIMEOUT_S", 0.5)  # W&B asks again and again until then
    yield
    wandb.teardown()  # or it remembers the key of this test in the next


def test_switched_off_it_does_nothing(tmp_path: Path) -> None:
    with open_offline(tmp_path, enabled=False) as run:
        run.log("train", {"epoch": 0.0})
        run.summarise("eval", {"x": 1.0})
        run.images({})
    assert not list(tmp_path.iterdir())


def test_without_a_key_it_goes_offline(no_key: None) -> None:
    assert choose_mode(WandbSettings()) == ("offline", "no usable key")
    assert choose_mode(WandbSettings(mode="online"))[0] == "online"


def test_wandb_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert choose_mode(WandbSettings(mode="online"))[0] == "offline"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_each_job_is_one_run_and_is_closed(tmp_path: Path, no_key: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cgexp")
    for name in ("first", "second"):
        with open_offline(tmp_path / name) as run:
            run.log("train", {"epoch": 0.0, "loss_validation": 1.0})
            run.summarise("eval", {"w1": 2.0})
    with pytest.raises(ValueError, match="broken"), open_offline(tmp_path / "third"):
        raise ValueError("broken")
    import wandb

    assert wandb.run is None
    for name in ("first", "second", "third"):
        assert len(list((tmp_path / name).glob("wandb/offline-run-*/*.wandb"))) == 1
    failed = read(tmp_path / "third")
    assert (failed.exit_code, read(tmp_path / "second").exit_code) == (1, 0)
    assert failed.summary["failed"] == "failed with ValueError: broken; CGEXP_TRACEBACK=1 prints the traceback"
    assert "W&B offline (no usable key)" in caplog.text


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_that_goes_on_offline_is_one_file_whose_steps_go_on(tmp_path: Path, no_key: None) -> None:
    def interrupted() -> None:
        with open_offline(tmp_path) as run:
            run.log("train", {"epoch": 0.0, "loss_validation": 2.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read(tmp_path).exit_code == 130
    with open_offline(tmp_path) as run:  # training tells what was before the interruption again
        for epoch in (0.0, 1.0, 1.0, 2.0):
            run.log("train", {"epoch": epoch, "loss_validation": 2.0 - epoch, "lr": float("nan")})
    found = read(tmp_path)
    assert found.axis("train/epoch") == [0.0, 1.0, 2.0] == found.axis("_step")
    assert not found.axis("train/lr")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_lands_in_an_offline_file(tmp_path: Path, no_key: None) -> None:
    data = tmp_path / "frames.npz"
    data.write_bytes(b"frames")
    with open_offline(tmp_path, notes="why", group="mine", tags=["t"]) as run:
        run.log("train", {"epoch": 0.0, "lr": 0.1, "loss_validation": 1.0})
        run.log("sim", {"time": 0.0, "replicas_healthy": 2.0})
        run.charts(
            {"pmf": Chart({"x": [0.0, 1.0], "model": [2.0, None]}, "pmf", "x", "model"), "map": Chart({"i": [1.0]})}
        )
        run.structures({"simulation": "END\n"})
        run.artefact(Artefact("data", "dataset", {"frames.npz": data}, {"content_hash": "0a"}, is_input=True))
        run.artefact(Artefact("potential", "potential", {"frames.npz": data}))
    found = read(tmp_path)
    assert (found.run.display_name, found.run.run_group, found.run.notes) == ("toy width=3 seed=1", "mine", "why")
    assert (found.run.run_id, found.run.job_type, list(found.run.tags)) == ("abc", "run", ["model:mlp", "t"])
    assert {key: found.config[key] for key in ("seed", "model")} == DESCRIBED.config
    assert found.metrics["train/lr"] == ("train/epoch", False)
    assert found.metrics["train/loss_validation"] == ("train/epoch", True)
    assert found.metrics["sim/replicas_healthy"] == ("sim/time", False)
    by_type = {artifact.type: artifact for artifact in found.artifacts if artifact.type != "run_table"}
    assert by_type["dataset"].use_after_commit
    assert not by_type["potential"].use_after_commit
    (content,) = by_type["dataset"].manifest.contents
    assert content.ref == data.as_uri()
    assert "content_hash" in by_type["dataset"].metadata
    assert {"charts/pmf_table/_type", "tables/map/_type", "structures/simulation/_type"} <= {
        name for row in found.rows for name in row
    }
    outside = [artifact.manifest.contents[0].local_path for artifact in found.artifacts if artifact.type == "run_table"]
    assert all(Path(path).is_relative_to(tmp_path) for path in outside)  # nothing of a run lies in the user's home


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_online_without_a_network_goes_on_offline(
    tmp_path: Path, no_key: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    caplog.set_level("INFO", "cgexp")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    for _ in range(2):  # and so does the next stage, or the same command again
        with open_offline(tmp_path) as run:
            run.log("train", {"epoch": 0.0})
    assert wandb.run is None
    assert read(tmp_path).axis("train/epoch") == [0.0]
    assert "W&B offline (online was refused: " in caplog.text
    assert "W&B failed" not in caplog.text


class Broken:
    """A W&B run whose connection is lost."""

    def __init__(self, **summary: Any) -> None:
        self.summary = summary

    def define_metric(self, name: str, **_: Any) -> None:
        pass

    def log(self, metrics: Any) -> None:
        raise ConnectionError("lost")


def test_a_row_that_was_told_online_before_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    for summary in (4, {"last": 4}, {"last": {"last": 4}}):  # as W&B nests it after none, one and two resumptions
        run = Tracker(WandbRun(Broken(**{"train/epoch": summary})))
        run.log("train", {"epoch": 4.0})
        assert run.is_told
        run.log("train", {"epoch": 5.0})
        assert not run.is_told


def test_a_tracker_that_fails_is_told_no_more_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    run = Tracker(WandbRun(Broken()))
    run.log("train", {"epoch": 1.0})
    run.summarise("eval", {"x": 1.0})
    run.images({})
    assert [record.getMessage() for record in caplog.records] == [
        "W&B failed and is told no more of this run, which goes on (ConnectionError: lost)"
    ]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_names_of_options_that_are_longer_than_a_tag_are_cut(tmp_path: Path, no_key: None) -> None:
    described = Described("abc", "n" * 300, "g" * 300, "run", {}, [f"dataset:{'a' * 100}", "model:mlp"])
    with open_wandb(WandbSettings(tags=["mine"]), described, tmp_path):
        import wandb

        assert wandb.run is not None
        assert sorted(wandb.run.tags or ()) == ["dataset:" + "a" * 56, "mine", "model:mlp"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"project": "a/b"}, "project=a/b"), ({"project": "a" * 129}, "project"), ({"tags": ["a" * 65]}, "tags"),
     ({"entity": "a:b"}, "entity"), ({"project": " "}, "project"), ({"name": "n" * 129}, "name"),
     ({"notes": ""}, "notes")],
)  # fmt: skip
def test_what_wandb_would_refuse_is_refused_before_a_run_begins(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        WandbSettings(**settings)
