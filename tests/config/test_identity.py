from __future__ import annotations

from pathlib import Path

from cgexp.config.compose import compose
from cgexp.config.identity import data_id, differences, experiment_name, run_id


def test_physics_makes_the_run_id() -> None:
    base = run_id(compose([]))
    for override in ("seed=1", "model.width=64", "dataset.seed=1", "simulation.dt=0.01", "trainer.precision=float64"):
        assert run_id(compose([override])) != base, override


def test_nothing_else_does() -> None:
    base = run_id(compose([]))
    for override in ("logger=csv", "force=true", "outputs=elsewhere", "trainer=gpu", "launcher=joblib", "sweep.name=x"):
        assert run_id(compose([override])) == base, override


def test_the_spelling_of_a_number_does_not_matter() -> None:
    assert run_id(compose(["simulation.dt=1e-2"])) == run_id(compose(["simulation.dt=0.01"]))
    assert data_id(compose(["dataset.temperature=2"])) == data_id(compose(["dataset.temperature=2.0"]))


def test_seeds_of_the_model_share_data() -> None:
    assert data_id(compose(["seed=1"])) == data_id(compose(["seed=2"]))
    assert data_id(compose(["dataset.seed=1"])) != data_id(compose([]))


def test_differences_are_named() -> None:
    first, second = compose([]), compose(["model.width=64", "simulation.dt=0.01"])
    assert differences(first, second, "train") == ["model.width"]
    assert differences(first, second, "simulate") == ["model.width", "simulation.dt"]


def test_keys_that_came_later_leave_the_ids_of_earlier_runs() -> None:
    config = compose([])
    base = run_id(config)
    assert config["simulation"].pop("starts") == "data"
    assert run_id(config) == base
    assert run_id({**config, "simulation": {**config["simulation"], "tempering": None}}) == base
    assert run_id({**config, "simulation": {**config["simulation"], "starts": "spread"}}) != base


def test_an_experiment_in_a_folder_of_experiments_has_one_name() -> None:
    assert experiment_name({"choices": {"experiment": "peptides/mine"}}) == "peptides-mine"
    assert experiment_name({"choices": {}}) == "run"


def test_lists_of_files_count_by_what_is_in_them(tmp_path: Path) -> None:
    def id_of(*names: str) -> str:
        files = ",".join(str(tmp_path / name) for name in names)
        own = (f"dataset.trajectory=[{files}]", "dataset.topology=a.pdb", "dataset.temperature=300")
        return data_id(
            compose(["dataset=trajectory", *own, "dataset.system={_target_: cgexp.systems.peptide.Peptide}"])
        )

    for name, content in (("a.dcd", "one"), ("b.dcd", "two"), ("c.dcd", "one")):
        (tmp_path / name).write_text(content)
    assert id_of("a.dcd", "b.dcd") == id_of("c.dcd", "b.dcd") != id_of("b.dcd", "a.dcd")
    assert id_of("a.dcd") != id_of("a.dcd", "b.dcd")
    (tmp_path / "a.dcd").write_text("three")
    assert id_of("a.dcd", "b.dcd") != id_of("c.dcd", "b.dcd")
