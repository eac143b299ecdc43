"""A run's folder is whole: it works from any directory, moved or not, and whatever options that directory has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import cgexp
from cgexp.cli.main import main
from cgexp.config.compose import compose, compose_on
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.store import write_frames

MINE = """# @package _global_
defaults:
  - override /dataset: frames_file
  - override /prior: toy_wall
dataset: {path: data/mine.npz, n_frames: 240, n_beads: 1, n_dims: 1, units: reduced, temperature: 1.0,
  system: {_target_: cgexp.systems.cgnet_toy.CGnetToy}, force_map: x_component}
prior: {terms: {wall: {force_constant: 7.0}}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with data, an experiment and a finished run of its own, all of them named as seen from there."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        frames = cgexp.load_dataset("toy_cgnet", n_frames=240)
        write_frames(Path("data/mine.npz"), frames)
        Path("conf/experiment").mkdir(parents=True)
        Path("conf/experiment/mine.yaml").write_text(MINE)
        assert main(["run", "experiment=mine", "debug=fast", "figures=none"]) == 0
    return folder


def run_of(folder: Path) -> RunFolder:
    runs = sorted((folder / "outputs" / "mine").iterdir(), key=os.path.getmtime)
    return RunFolder(runs[0])


def test_it_records_where_files_lie_and_opens_anywhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cgexp.load(os.path.relpath(run_of(home).path))
    assert run.config["dataset"]["path"] == str(home / "data" / "mine.npz")
    assert len(run.frames) == 240


@pytest.mark.parametrize("with_other_options", [False, True])
def test_overrides_are_laid_on_its_own_config(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_other_options: bool
) -> None:
    shutil.copytree(home / "outputs", tmp_path / "moved" / "outputs")
    monkeypatch.chdir(tmp_path)
    if with_other_options:  # another experiment of the same name
        (tmp_path / "conf" / "experiment").mkdir(parents=True)
        (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(MINE.replace("7.0", "9.0"))
    parent = run_of(tmp_path / "moved")
    words = [
        f"run={parent.path.relative_to(tmp_path)}",
        "simulation=toy",
        "simulation.n_steps=100",
        "simulation.save_every=10",
    ]
    assert main(["run", *words, "figures=none"]) == 0
    (child,) = set(parent.path.parent.iterdir()) - {parent.path}
    config = RunFolder(child).read_config()
    assert config["prior"]["terms"]["wall"]["force_constant"] == 7.0
    assert config["simulation"]["n_steps"] == 100
    assert config["simulation"]["temperature"] == 1.0
    assert config["overrides"] == ["experiment=mine", "debug=fast", "figures=none", *words[1:]]
    assert RunFolder(child).potential.read_bytes() == parent.potential.read_bytes()


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("experiment=toy_julia", "experiment=toy_julia is another experiment"),
        ("debug=none", "debug=none is another experiment"),
        ("simulation=toyy", "unknown simulation=toyy"),
        ("~simulation.nothing", "does not exist"),
        ("simulation.dtt=1", "unknown key 'simulation.dtt'"),
    ],
)
def test_what_does_not_fit_is_told(home: Path, capsys: pytest.CaptureFixture[str], word: str, named: str) -> None:
    assert main(["check", f"run={run_of(home).path}", word]) == 2
    assert named in capsys.readouterr().err


def test_keys_are_set_taken_away_and_put_back() -> None:
    recorded = compose(["experiment=toy_cgnet"])
    changed = compose_on(recorded, ["~scheduler", "trainer.batch_size=7", "+analysis.seed=3", "experiment=toy_cgnet"])
    assert changed["scheduler"] is None
    assert (changed["trainer"]["batch_size"], changed["analysis"]["seed"]) == (7, 3)
    assert compose_on(changed, ["scheduler=cosine"])["scheduler"] == compose(["scheduler=cosine"])["scheduler"]
    older = {key: value for key, value in recorded.items() if key not in ("figures", "oracle")}
    assert compose_on(older, ["figures=none"])["figures"] == "none"


def test_somebody_elses_config_is_not_resolved(home: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of(home).path, tmp_path / "outputs" / "mine" / "run")
    folder = RunFolder(tmp_path / "outputs" / "mine" / "run")
    config = folder.read_config()
    config["dataset"]["notes"] = "${oc.env:HOME}"
    folder.write_config(config)
    with pytest.raises(InputError, match="holds the interpolation"):
        compose_on(folder.read_config(), ["analysis.n_bins=20"])


@pytest.mark.parametrize(
    ("changed", "part"),
    [({"loss": None}, "holds no loss"), ({"simulation": 5}, "holds no simulation"), ({"seed": ...}, "lacks seed")],
)
def test_a_config_that_lost_what_a_run_needs_is_named(changed: dict[str, Any], part: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_config({key: value for key, value in (compose([]) | changed).items() if value is not ...})
    with pytest.raises(InputError, match=rf"config\.yaml {part}.*: restore it or run again"):
        folder.read_config()


def test_a_config_from_before_a_group_that_may_be_none_is_read(tmp_path: Path) -> None:
    config = compose([])
    folder = RunFolder(tmp_path)
    folder.write_config({key: value for key, value in config.items() if key not in ("oracle", "active", "parts")})
    assert folder.read_config() == config
