"""cgexp import: from somebody's files to a file of frames, its card, and a command whose facts nobody types again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import cgexp
from cgexp.cli.completion import candidates
from cgexp.cli.importing import known_settings
from cgexp.cli.main import main
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.runs.own_frames import command_for, settings
from cgexp.store import read_frames, write_frames
from tests.datasets.trajectory.own import sampled, write_run

pytest.importorskip("openmm")


def words(folder: Path, *more: str) -> list[str]:
    """A command that works, with words that take the place of its own."""
    named = write_run(folder, sampled()) | {"mapping": "heavy"} | dict(word.split("=", 1) for word in more)
    return ["import", *(f"{key}={value}" for key, value in named.items())]


def test_import_writes_frames_a_card_and_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words(tmp_path, "to=mine.npz")) == 0
    out = capsys.readouterr().out
    frames, card = read_frames(tmp_path / "mine.npz"), json.loads((tmp_path / "mine.json").read_text())
    assert card["content_hash"] == frames.content_hash
    assert set(card["files"]) == {str(tmp_path / name) for name in ("run.pdb", "run.xtc", "forces.npy")}
    command = out.strip().splitlines()[-1].strip()
    assert command == command_for(frames, Path("mine.npz"))
    config = compose(shlex.split(command)[2:])
    check(config)
    facts = {name: config["dataset"][name] for name in ("n_beads", "n_dims", "units", "temperature", "force_map")}
    assert facts == {name: getattr(frames, name) for name in facts}
    assert config["dataset"]["system"]["name"] == frames.system == "run-heavy"
    assert config["model"]["n_beads"] == 10
    assert main(words(tmp_path, "to=mine.npz")) == 2
    assert "mine.npz exists: remove it, or choose another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["temprature=300"], "did you mean 'temperature'"),
        (["temperature=warm"], "temperature=warm is not valid: expected a number"),
        (["temperature=-300"], "temperature=-300.0 is not valid: expected a positive number"),
        (["force_unit=kcal"], "force_unit=kcal is not valid: expected one of kcal/mol/A"),
        (["force_unit=null"], "forces.npy does not say what unit its forces have: state force_unit=kJ/mol/nm"),
        (["constraints=all"], "constraints=all is not valid: expected one of auto, hbonds"),
        (["thermally_sampled=yes"], "expected true or false"),
        (["to=mine.h5"], "to=mine.h5 is not valid: expected the name of an .npz file"),
        (["topology=none.pdb"], "topology=none.pdb does not exist"),
    ],
)
def test_mistakes_are_told_as_they_were_typed(
    more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, f"to={tmp_path / 'mine.npz'}", *more)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "dataset." not in error
    assert not (tmp_path / "mine.npz").exists()


def test_what_is_needed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.dcd").touch()
    assert main(["import", f"trajectory={tmp_path / 'run.dcd'}"]) == 2
    assert "import needs topology=<value>" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["trajectory", "topology", "forces", "bead_table", "rigid_bonds", "native"])
def test_a_file_that_is_not_there_is_told_before_what_is_not_stated(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", f"{key}={tmp_path / 'none.h5'}"]) == 2
    assert f"{key}={tmp_path / 'none.h5'} does not exist: give the file of your data" in capsys.readouterr().err


def test_help_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--help"]) == 0
    lines = capsys.readouterr().out.partition("Settings (key=value):\n")[2].splitlines()
    assert {line.split()[0] for line in lines if line.strip()} == set(known_settings())
    assert all(len(line.split()) > 3 for line in lines if line.strip())


def test_completion_knows_the_settings() -> None:
    assert "trajectory=" in candidates(["import"], "traj")
    assert {"mapping", "constraints", "to"} <= set(known_settings())
    assert "n_beads" not in known_settings()


def test_settings_that_follow_from_frames(tmp_path: Path) -> None:
    mini = cgexp.load_dataset("chignolin_mini")
    assert settings(mini)["experiment"] == "own_peptide"
    assert "simulation.dt" not in settings(mini)
    still = mini.select(slice(0, 40)).with_labels(time_ps=0.1 * np.arange(40), block=np.zeros(40, dtype=np.int64))
    assert settings(still)["analysis.lag_ps"] == 1.0
    assert settings(mini.with_labels(coords=0.1 * mini.coords))["simulation.dt"] == pytest.approx(7e-4)
    write_frames(tmp_path / "mini.npz", mini)
    config = compose(["experiment=own_peptide", f"dataset.path={tmp_path / 'mini.npz'}"])
    check(config)
    assert config["dataset"]["system"]["sequence"] == "YYDPETGTWY"
    write_frames(tmp_path / "old.npz", mini.with_labels(system_spec=None))
    with pytest.raises(InputError, match="do not carry their system"):
        compose(["experiment=own_peptide", f"dataset.path={tmp_path / 'old.npz'}"])
    with pytest.raises(InputError, match=r"dataset\.path=none.npz is no file: give one written by cgexp import"):
        compose(["experiment=own_peptide", "dataset.path=none.npz"])


def test_beads_are_counted_by_the_system() -> None:
    config = compose(["experiment=chignolin_cgschnet", "dataset.system.sequence=GPAGW"])
    assert config["dataset"]["n_beads"] == config["model"]["n_beads"] == 5
    assert compose(["dataset=chignolin_openmm", "dataset.system.beads=backbone5"])["dataset"]["n_beads"] == 49
    for sequence, sentence in (
        ("ZZ", "sequence 'ZZ' is not a peptide"),
        ("gpagw", "is not a peptide: expected at least two of the one-letter codes .*, as GPAGW$"),
        ("'AAA:GGG'", "has several chains, which are not modelled yet: give that of one chain"),
    ):
        with pytest.raises(InputError, match=sentence):
            compose(["experiment=peptide", f"dataset.system.sequence={sequence}"])
    with pytest.raises(InputError, match=r"^dataset\.system\.sequence is missing a value"):
        check(compose(["experiment=peptide"]))
