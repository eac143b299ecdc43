"""W&B without a network: one run a job, offline without a key, closed whatever happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgexp.report.wandb import WandbSettings, choose_mode, open_wandb

CONFIG: dict[str, Any] = {"choices": {"dataset": "toy", "model": "mlp"}, "seed": 1}


def open_offline(folder: Path, **changes: Any) -> Any:
    return open_wandb(WandbSettings(**changes), CONFIG, folder, "abc", "group", "run")


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody answers


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
