"""Locks between processes: who holds one, who waits, and what a kill leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.runs.lock import lock

HOLD = "import sys, time; from pathlib import Path; from cgexp.runs.lock import lock\nwith lock(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"  # fmt: skip  # noqa: E501


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_living_holder_is_named_and_a_killed_one_is_no_obstacle(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(InputError, match=rf"another process \(pid {process.pid} on .*\) works in"), lock(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    with lock(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_who_waits_is_told_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cgexp")
    with holder(tmp_path) as process:
        timer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill {process.pid}"])
        with lock(tmp_path, wait=True):
            pass
        timer.wait()
    assert f"waiting for another process (pid {process.pid} on " in caplog.text


def test_what_a_killed_holder_had_not_written_is_removed_but_not_that_of_another(tmp_path: Path) -> None:
    for name in ("train", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".prior.json.0123.part").write_text("")
    (tmp_path / "other" / ".lock").write_text("")
    with lock(tmp_path):
        assert not list((tmp_path / "train").iterdir())
        assert len(list((tmp_path / "other").iterdir())) == 2
