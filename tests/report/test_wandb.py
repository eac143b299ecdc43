"""W&B without a network: one run a job, offline without a key, closed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgexp.errors import InputError
from cgexp.report.wandb import WandbRun, WandbSettings, choose_mode, open_wandb

CONFIG: dict[str, Any] = {"choices": {"dataset": "toy", "model": "mlp"}, "seed": 1}


def open_offline(folder: Path, **changes: Any) -> Any:
    return open_wandb(WandbSettings(**changes), CONFIG, folder, "abc", "group", "run")


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
        run.log({"x": 1.0}, 0)
        run.summarise({"x": 1.0})
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
            run.log({"loss_train": 1.0}, 3)
            run.summarise({"w1": 2.0})
    with pytest.raises(ValueError, match="broken"), open_offline(tmp_path / "third"):
        raise ValueError("broken")
    import wandb

    assert wandb.run is None
    for name in ("first", "second", "third"):
        assert len(list((tmp_path / name).glob("wandb/offline-run-*/*.wandb"))) == 1
    with open_offline(tmp_path / "first"):  # resumed: another file, the same W&B run
        pass
    ids = {path.stem for path in (tmp_path / "first").glob("wandb/offline-run-*/*.wandb")}
    assert ids == {"run-abc"}
    assert "W&B offline (no usable key)" in caplog.text


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
            run.log({"x": 1.0}, 0)
    assert wandb.run is None
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 2
    assert "W&B offline (online was refused: " in caplog.text
    assert "W&B failed" not in caplog.text


class Broken:
    """A W&B run whose connection is lost."""

    def log(self, metrics: Any) -> None:
        raise ConnectionError("lost")


def test_a_tracker_that_fails_is_told_no_more_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    run = WandbRun(Broken())
    run.log({"x": 1.0}, 0)
    run.summarise({"x": 1.0})
    run.images({})
    assert [record.getMessage() for record in caplog.records] == [
        "W&B failed and is told no more of this run, which goes on (ConnectionError: lost)"
    ]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_names_of_options_that_are_longer_than_a_tag_are_cut(tmp_path: Path, no_key: None) -> None:
    config = {"choices": {"dataset": "a" * 100, "model": "mlp"}}
    with open_wandb(WandbSettings(tags=["mine"]), config, tmp_path, "abc", "g" * 300, "run"):
        import wandb

        assert wandb.run is not None
        assert sorted(wandb.run.tags or ()) == ["dataset:" + "a" * 56, "mine", "model:mlp"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"project": "a/b"}, "project=a/b"), ({"project": "a" * 129}, "project"), ({"tags": ["a" * 65]}, "tags"),
     ({"entity": "a:b"}, "entity"), ({"project": " "}, "project")],
)  # fmt: skip
def test_what_wandb_would_refuse_is_refused_before_a_run_begins(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        WandbSettings(**settings)
