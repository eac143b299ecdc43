"""Hydra's own folders of sweeps: gone with the sweep, or with the next one."""

from __future__ import annotations

from pathlib import Path

from cgexp.runs.lock import lock
from cgexp.runs.sweeps import FOLDER, sweep_folder


def test_a_sweep_leaves_no_folder_and_removes_those_of_killed_ones(tmp_path: Path) -> None:
    killed, running, cluster = (tmp_path / FOLDER / name for name in ("killed", "running", "cluster"))
    (killed / "0").mkdir(parents=True)
    (killed / "multirun.yaml").write_text("")
    (cluster / ".submitit").mkdir(parents=True)
    with lock(running), sweep_folder(tmp_path) as folder:
        assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {"running", "cluster", folder.name}
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["cluster", "running"]
