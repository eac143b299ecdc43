"""A run's folder that cannot be used falsely: what is damaged, edited or made from something else is told, not used."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import cgexp
from cgexp.cli.main import main
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.models.potential import load_potential, save_potential
from cgexp.priors.prior import Prior
from cgexp.runs import provenance
from cgexp.runs.folder import STAGES, RunFolder, require_no_links
from cgexp.runs.linked import claim_folder
from cgexp.runs.pipeline import run
from cgexp.runs.verify import verify
from cgexp.store import read_json, read_record, write_frames, write_json
from tests.runs.small import configure, quiet, without_costs
from tests.runs.test_own_frames import peptide_file

TOY = ("experiment=toy_cgnet", "simulation.chunk_frames=5")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def finished(outputs: Path) -> RunFolder:
    return run(configure(outputs, *TOY), say=quiet)


@pytest.fixture
def copy(finished: RunFolder, outputs: Path, tmp_path: Path) -> RunFolder:
    for path in (finished.path, outputs / "data"):
        shutil.copytree(path, tmp_path / path.relative_to(outputs))
    return RunFolder(tmp_path / finished.path.relative_to(outputs))


def change_one_digit(path: Path) -> None:
    """Another digit in the middle of a text file."""
    text = path.read_text()
    at = next(i for i in range(len(text) // 2, len(text)) if text[i] in "12345678")
    path.write_text(text[:at] + str(int(text[at]) + 1) + text[at + 1 :])


@pytest.mark.parametrize("name", ["provenance.json", "train/made_of.json", "trajectory/simulation.json", "config.yaml"])
@pytest.mark.parametrize("change", ["renamed", "null", "gone"])
def test_a_checksum_that_was_edited_is_damage_and_no_older_version(copy: RunFolder, name: str, change: str) -> None:
    path = copy.path / name
    if name == "config.yaml":
        seal, _, text = path.read_text().partition("\n")
        path.write_text({"renamed": seal.replace("256", "265"), "null": "# sha256: ", "gone": ""}[change] + "\n" + text)
    else:
        content = read_json(path)
        seal = content.pop("sha256")
        changed = {"renamed": {"sha265": seal}, "null": {"sha256": None}, "gone": {}}[change]
        write_json(path, content | changed)
    with pytest.raises(InputError, match=rf"{name} was (damaged or )?edited|{name}.* missing, or not as recorded"):
        list(verify(copy.path))


def test_a_run_of_an_older_version_has_no_checksums(copy: RunFolder) -> None:
    record = {key: value for key, value in read_json(copy.provenance).items() if key != "sha256"}
    for made in record["stages"].values():
        del made["files"], made["made_of"]
    write_json(copy.provenance, record)
    copy.config.write_text(copy.config.read_text().partition("\n")[2])
    assert copy.done("evaluate")
    assert copy.has_config()


TEXTS = ("prior.json", "train/metrics.json", "train/history.csv", "simulation.json", "metrics.json", "config.yaml")


@pytest.mark.parametrize("name", [*TEXTS, "provenance.json", "trajectory/simulation.json", "train/made_of.json"])
def test_one_changed_digit_is_named_by_check_and_never_used(
    copy: RunFolder, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (copy.prior, copy.potential)}, copy.read_metrics()
    change_one_digit(copy.path / name)
    assert main(["check", f"run={copy.path}"]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "Traceback" not in said
    if name == "provenance.json":
        with pytest.raises(InputError, match=r"provenance\.json was damaged or edited.*delete it"):
            run(configure(tmp_path, *TOY), say=quiet)
        copy.provenance.unlink()
    if name == "trajectory/simulation.json":
        with pytest.raises(InputError, match=r"simulation\.json is damaged.*delete the folder"):
            run(configure(tmp_path, *TOY), say=quiet)
        shutil.rmtree(copy.trajectory)
    run(configure(tmp_path, *TOY), say=quiet)
    assert {path: path.read_bytes() for path in before[0]} == before[0]
    assert without_costs(copy.read_metrics()) == without_costs(before[1])
    if name == "train/made_of.json":  # which nothing reads when the training is done
        (copy.path / name).unlink()
    assert main(["check", f"run={copy.path}"]) == 0
    assert "each with the checksum" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["metrics.json", "train/history.csv", "config.yaml", "potential.npz"])
def test_the_python_face_refuses_an_edited_file(copy: RunFolder, name: str) -> None:
    path = copy.path / name
    if path.suffix == ".npz":
        shutil.copy(copy.training / "last.ckpt", path)
    else:
        change_one_digit(path)
    with pytest.raises(InputError, match=rf"{name} was damaged or edited"):
        getattr(cgexp.load(copy.path), path.stem)


@pytest.mark.parametrize("content", ["[]", "3", '"text"', "{}", "null", '{"stages": [], "data": 3}'])
@pytest.mark.parametrize("name", ["provenance.json", "prior.json", "train/metrics.json", "metrics.json"])
def test_json_of_the_wrong_shape_is_a_mistake_in_the_input(
    copy: RunFolder, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy.path / name).write_text(content)
    assert main(["check", f"run={copy.path}"]) == 2
    assert name in capsys.readouterr().err
    if name == "provenance.json":
        assert main(["evaluate", f"run={copy.path}"]) == 2
        assert name in capsys.readouterr().err


def test_a_term_that_is_a_number_is_a_mistake_in_the_input(tmp_path: Path, finished: RunFolder) -> None:
    record = json.loads(finished.prior.read_text())
    record.pop("sha256")
    record["terms"] = dict.fromkeys(record["terms"], 3)
    (tmp_path / "prior.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"prior\.json describes no terms of a prior"):
        Prior.load(tmp_path / "prior.json")


def test_a_simulation_that_lost_its_last_chunk_goes_on(copy: RunFolder) -> None:
    chunks = {path: path.read_bytes() for path in sorted(copy.trajectory.glob("chunk-*"))}
    last = max(chunks)
    arrays = np.load(last)["coords"]
    last.unlink()
    assert not copy.done("simulate")
    said: list[str] = []
    run(compose([f"run={copy.path}"]), "simulate", say=said.append)
    assert not any("skipped" in text for text in said)
    np.testing.assert_array_equal(np.load(last)["coords"], arrays)
    assert all(path.read_bytes() == content for path, content in chunks.items() if path != last)


def test_what_was_made_from_another_potential_is_made_again(
    copy: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = load_potential(copy.potential)
    with torch.no_grad():
        next(trained.network.parameters()).mul_(1.01)  # as a training of other code would give it
    config = copy.read_config()
    save_potential(copy.potential, trained, config["model"], config["prior"])
    provenance.note(copy, "train", "reference")
    before = copy.read_metrics()
    assert not copy.done("simulate")
    assert not copy.done("evaluate")
    run(configure(tmp_path, *TOY), say=quiet)
    assert "potential.npz is not what stage simulate was made from" in caplog.text
    assert without_costs(copy.read_metrics()) != without_costs(before)
    assert all(copy.done(stage) for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_was_killed_before_it_was_recorded_is_recorded(
    copy: RunFolder, tmp_path: Path, stage: str
) -> None:
    before = copy.potential.read_bytes(), copy.read_metrics()
    provenance.forget(copy, *STAGES[STAGES.index(stage) :])
    run(configure(tmp_path, *TOY), say=quiet)
    assert set(copy.read_provenance()["stages"]) == set(STAGES)
    assert copy.potential.read_bytes() == before[0]
    assert without_costs(copy.read_metrics()) == without_costs(before[1])


def test_a_lost_provenance_is_made_again_and_the_data_are_still_compared(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    frames = cgexp.load_dataset("chignolin_mini").select(slice(0, 2000, 4))
    write_frames(path, frames)
    config = peptide_file(tmp_path, path)
    folder = run(config, "train", say=quiet)
    before = read_record(folder.provenance), folder.potential.read_bytes()
    folder.provenance.unlink()
    write_frames(path, frames.with_labels(notes="changed"))
    with pytest.raises(InputError, match="another data set"):
        run(config, "train", say=quiet)
    write_frames(path, frames)
    run(config, "train", say=quiet)
    after = read_record(folder.provenance)
    assert after["data"] == before[0]["data"]
    assert {s: r["files"] for s, r in after["stages"].items() if s == "prior"} == {
        s: r["files"] for s, r in before[0]["stages"].items() if s == "prior"
    }
    assert folder.potential.read_bytes() == before[1]


def test_a_trajectory_on_scratch_may_be_a_link(copy: RunFolder, tmp_path: Path) -> None:
    before, scratch = copy.read_metrics(), tmp_path / "scratch"
    claim_folder(copy.trajectory)  # as the simulation of this run did, which was made elsewhere and copied
    shutil.move(copy.trajectory, scratch)
    (scratch / "notes.txt").write_text("mine")
    copy.trajectory.symlink_to(scratch)
    assert all(copy.done(stage) for stage in STAGES)
    run(configure(tmp_path, *TOY, "force=true"), say=quiet)
    assert copy.trajectory.is_symlink()
    assert (scratch / "notes.txt").read_text() == "mine"
    assert list(scratch.glob("chunk-*.npz"))
    assert without_costs(copy.read_metrics()) == without_costs(before)
    shutil.rmtree(scratch)
    with pytest.raises(InputError, match="is a link to a folder that is not there: make that folder, or remove"):
        run(configure(tmp_path, *TOY), say=quiet)
    scratch.mkdir()
    run(configure(tmp_path, *TOY), say=quiet)
    assert without_costs(copy.read_metrics()) == without_costs(before)


def test_links_that_wandb_makes_in_its_own_folder_refuse_no_run(tmp_path: Path) -> None:
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-1")
    (tmp_path / "wandb" / "offline-run-1" / "debug-core.log").symlink_to("/tmp")
    require_no_links(tmp_path)
    (tmp_path / "train").symlink_to("/tmp")
    with pytest.raises(InputError, match="train is a link"):
        require_no_links(tmp_path)


def test_links_in_a_run_are_not_copied_and_other_files_neither(copy: RunFolder, tmp_path: Path) -> None:
    (copy.trajectory / "other.txt").write_text("other")
    child = run(compose([f"run={copy.path}", "analysis.n_bins=21", "figures=none"]), "evaluate", say=quiet)
    assert not list(child.path.rglob("*.txt"))
    first = min(copy.trajectory.glob("chunk-*"))
    shutil.move(first, tmp_path / first.name)
    first.symlink_to(tmp_path / first.name)
    with pytest.raises(InputError, match=f"{first.name} is a link, which is not followed"):
        run(compose([f"run={copy.path}", "analysis.n_bins=22"]), "evaluate", say=quiet)


def test_files_respect_the_umask(copy: RunFolder, tmp_path: Path) -> None:
    (copy.path / ".lock").unlink()
    before = os.umask(0o077)
    try:
        run(configure(tmp_path, *TOY, "force=true"), say=quiet)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in copy.path.rglob("*") if path.is_file()}
    assert set(modes.values()) == {0o600}, modes


def test_a_renamed_run_is_told_by_check(copy: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    other = copy.path.with_name("mine")
    copy.path.rename(other)
    assert main(["check", f"run={other}"]) == 0
    assert f"its config has the run id {copy.path.name}" in capsys.readouterr().out
