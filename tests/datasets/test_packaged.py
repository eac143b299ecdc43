"""Shipped data sets: integrity, the card, and that chignolin_mini is what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from cgexp.all_atom.mapping.force_maps import BIASED
from cgexp.all_atom.mapping.linear_map import read_map
from cgexp.all_atom.mapping.unbiasedness import force_rms, virial
from cgexp.build import build
from cgexp.cards import DATA, load_card, packaged_names, read_manifest
from cgexp.config.compose import compose
from cgexp.datasets.equilibrium import find_equilibria
from cgexp.datasets.packaged import Packaged, find_packaged, load_packaged, map_path, write_packaged
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import write_frames, write_json
from cgexp.systems.peptide import Peptide, basin_of

CONF = Path(__file__).parents[2] / "conf" / "dataset"


@pytest.fixture
def small() -> Frames:
    generator = np.random.default_rng(0)
    return Frames(
        coords=generator.normal(size=(6, 2, 3)),
        forces=generator.normal(size=(6, 2, 3)),
        bead_types=np.array([0, 1]),
        block=np.array([0, 0, 0, 1, 1, 1]),
        units="molecular",
        temperature=300.0,
        system="peptide-AC",
        source="test",
        force_map="constraint_group",
    )


@pytest.fixture(scope="module")
def mini() -> Frames:
    return load_packaged("chignolin_mini")


def test_written_and_loaded_frames_are_the_same(small: Frames, tmp_path: Path) -> None:
    card = write_packaged("small", small, {"seed": 1}, "a command", tmp_path)
    assert load_packaged("small", tmp_path).content_hash == small.content_hash
    assert load_card("small", tmp_path) == card
    assert packaged_names(tmp_path) == ["small"]
    assert card["n_blocks"] == 2


def test_rounded_frames_are_within_half_a_step_and_hash_as_loaded(small: Frames, tmp_path: Path) -> None:
    steps = {"coords": 0.001, "forces": 0.01}
    card = write_packaged("small", small, {}, "a command", tmp_path, steps=steps)
    loaded = load_packaged("small", tmp_path)
    assert loaded.content_hash == card["content_hash"]
    assert loaded.coords.dtype == np.float32
    assert np.abs(loaded.coords - small.coords).max() <= 0.0005 + 1e-6
    assert np.abs(loaded.forces - small.forces).max() <= 0.005 + 1e-6
    assert card["rounding_at_most"] == {"coords": 0.0005, "forces": 0.005}


def test_a_set_may_ship_forces_of_several_maps(small: Frames, tmp_path: Path) -> None:
    assert small.forces is not None
    steps = {"coords": 0.001, "forces": 0.01}
    other = {"residue": 2.0 * small.forces}
    card = write_packaged("small", small, {}, "a command", tmp_path, steps=steps, other_forces=other)
    assert packaged_names(tmp_path) == ["small"]
    assert card["other_force_maps"]["residue"]["force_rms"] == pytest.approx(2.0 * card["force_rms"], rel=1e-2)
    residue = load_packaged("small", tmp_path, "residue")
    assert residue.force_map == "residue"
    assert np.abs(residue.forces - other["residue"]).max() <= 0.005 + 1e-6
    assert load_packaged("small", tmp_path, "constraint_group").content_hash == card["content_hash"]
    with pytest.raises(InputError, match=r"no forces of map 'optimal': expected one of constraint_group, residue"):
        load_packaged("small", tmp_path, "optimal")


def test_an_unknown_name_lists_what_ships() -> None:
    with pytest.raises(
        InputError, match=r"no data set 'chignolin_mni'.*did you mean 'chignolin_mini'.*expected one of"
    ):
        load_packaged("chignolin_mni")


def test_a_file_that_is_not_its_cards_is_refused(small: Frames, tmp_path: Path) -> None:
    write_packaged("small", small, {}, "a command", tmp_path)
    write_frames(tmp_path / "small.npz", small.with_labels(temperature=310.0))
    with pytest.raises(InputError, match="not the data set its card describes"):
        load_packaged("small", tmp_path)


@pytest.mark.parametrize("suffix", ["npz", "json", "forces.npz"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_a_missing_or_damaged_file_asks_for_another_installation(
    small: Frames, tmp_path: Path, suffix: str, harm: str
) -> None:
    assert small.forces is not None
    steps = {"coords": 0.001, "forces": 0.01}
    write_packaged("small", small, {}, "a command", tmp_path, steps=steps, other_forces={"residue": small.forces})
    path = tmp_path / f"small.{suffix}"
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"small.{suffix} .*: install the package again") as caught:
        load_packaged("small", tmp_path, "residue")
    assert "run the stage" not in str(caught.value)
    if suffix != "forces.npz" and harm == "missing":  # it is not overlooked where a set is looked for, either
        with pytest.raises(InputError, match="install the package again"):
            find_packaged(small.system, 300.0, "constraint_group", tmp_path)
        with pytest.raises(InputError, match="install the package again"):
            find_equilibria(tmp_path)


def test_a_card_that_was_changed_or_lacks_a_fact_is_refused(small: Frames, tmp_path: Path) -> None:
    card = write_packaged("small", small, {}, "a command", tmp_path, facts={"runs": [{"first_block": 0}]})
    write_packaged("other", small, {}, "a command", tmp_path)
    write_json(tmp_path / "small.json", card)
    assert load_card("small", tmp_path) == card
    write_json(tmp_path / "small.json", {**card, "runs": [{"first_block": 1}]})
    with pytest.raises(InputError, match="not the card that SHA256SUMS lists: install the package again"):
        load_card("small", tmp_path)
    write_json(tmp_path / "small.json", {fact: value for fact, value in card.items() if fact != "content_hash"})
    with pytest.raises(InputError, match="lacks content_hash: install the package again"):
        load_packaged("small", tmp_path)
    for kind in ("json", "npz"):
        (tmp_path / f"small.{kind}").unlink()
    with pytest.raises(InputError, match=r"small\.json of data set 'small' is missing"):
        find_equilibria(tmp_path)


def test_the_manifest_lists_every_card_that_ships() -> None:
    assert set(read_manifest(DATA)) == {path.name for path in DATA.glob("*.json")}


def test_mini_agrees_with_its_card(mini: Frames) -> None:
    card = load_card("chignolin_mini")
    assert (DATA / "chignolin_mini.npz").stat().st_size <= 2_000_000
    assert 4000 <= len(mini) <= 6000
    assert card["n_frames"] == len(mini)
    assert card["content_hash"] == mini.content_hash
    assert card["temperature_K"] == mini.temperature
    assert mini.force_map == card["force_map"]
    assert mini.force_map not in BIASED
    assert card["force_rms"] == pytest.approx(force_rms(mini), rel=1e-4)
    assert card["n_blocks"] == len(np.unique(mini.block)) >= 20


def test_mini_forces_are_unbiased(mini: Frames) -> None:
    mean, error = virial(mini)
    assert error < 0.6
    assert abs(mean + 3.0) < 3.0 * error


def test_mini_covers_folded_unfolded_and_between(mini: Frames) -> None:
    peptide = Peptide("YYDPETGTWY")
    rmsd = peptide.distance(mini.coords, peptide.native()[None])[:, 0]
    assert 0.1 < np.mean(rmsd < 2.0) < 0.6
    assert np.mean((rmsd > 2.0) & (rmsd < 4.0)) > 0.1
    assert np.mean(rmsd > 4.0) > 0.1
    bonds = np.linalg.norm(np.diff(mini.coords, axis=1), axis=-1)
    assert 3.4 < bonds.min() < bonds.max() < 4.3  # no cis bond, none broken


def test_recipe_of_the_config_loads_the_mini_set(mini: Frames, tmp_path: Path) -> None:
    recipe = build(yaml.safe_load((CONF / "chignolin_mini.yaml").read_text(encoding="utf-8")), Recipe)
    assert isinstance(recipe, Packaged)
    assert recipe.make(tmp_path).content_hash == mini.content_hash
    fewer = replace(recipe, n_frames=2500).make(tmp_path)
    assert len(fewer) == 2500
    assert len(np.unique(fewer.block)) > 0.98 * len(np.unique(mini.block))  # evenly spaced: hardly a block is left out


def test_recipe_of_one_basin(tmp_path: Path) -> None:
    recipe = build(compose(["dataset=chignolin_folded", "dataset.n_frames=100"])["dataset"], Recipe)
    frames = recipe.make(tmp_path)
    assert len(frames) == 100
    assert set(basin_of(frames.coords, recipe.system.native())) == {"folded"}


def test_frames_drawn_with_a_seed(mini: Frames, tmp_path: Path) -> None:
    recipe = build(compose(["dataset=chignolin_mini", "dataset.n_frames=300", "dataset.seed=1"])["dataset"], Recipe)
    drawn = recipe.make(tmp_path)
    assert drawn.content_hash == recipe.make(tmp_path).content_hash
    assert drawn.content_hash != replace(recipe, seed=2).make(tmp_path).content_hash
    spaced = replace(recipe, seed=None).make(tmp_path)
    assert len(drawn) == len(spaced) == 300
    kept = {one.tobytes() for one in mini.coords}
    assert len({one.tobytes() for one in drawn.coords} & kept) == 300  # of the set, and none twice
    assert set(np.diff(drawn.block)) != set(np.diff(spaced.block))
    assert len(replace(recipe, n_frames=None).make(tmp_path)) == len(mini)  # nothing to choose


def test_recipe_of_one_run(mini: Frames, tmp_path: Path) -> None:
    recipe = build(compose(["dataset=chignolin_mini", "dataset.run=unfolded"])["dataset"], Recipe)
    unfolded, native = recipe.make(tmp_path), replace(recipe, run="native").make(tmp_path)
    assert len(native) + len(unfolded) == len(mini)
    assert abs(len(native) - len(unfolded)) <= 1  # as many frames of each
    assert not set(native.block) & set(unfolded.block)
    assert unfolded.notes.startswith("the frames of run 'unfolded' alone")


def test_a_run_that_a_set_does_not_have_is_refused(tmp_path: Path) -> None:
    recipe = build(compose(["dataset=chignolin_mini", "dataset.run=unfoldd"])["dataset"], Recipe)
    with pytest.raises(
        InputError, match=r"dataset.run=unfoldd: .*did you mean 'unfolded'.*expected one of native, unf"
    ):
        recipe.make(tmp_path)
    recipe = build(compose(["dataset=chignolin_mean_force", "dataset.run=native"])["dataset"], Recipe)
    with pytest.raises(InputError, match="does not tell runs apart"):
        recipe.make(tmp_path)


def test_recipe_that_states_something_else_is_refused(tmp_path: Path) -> None:
    recipe = build(yaml.safe_load((CONF / "chignolin_mini.yaml").read_text(encoding="utf-8")), Recipe)
    with pytest.raises(InputError, match=rf"temperature=400.0 but its frames have {recipe.temperature}"):
        replace(recipe, temperature=400.0).make(tmp_path)
    with pytest.raises(InputError, match="n_frames=9999"):
        replace(recipe, n_frames=9999).make(tmp_path)


@pytest.mark.parametrize(
    ("name", "most", "megabytes"), [("chignolin_sample", 57_600, 10), ("chignolin_maps", 10_000, 5)]
)
def test_the_larger_sets_are_what_their_cards_say(name: str, most: int, megabytes: float) -> None:
    card, frames, reference = load_card(name), load_packaged(name), load_card("chignolin_reference")
    assert sum(path.stat().st_size for path in DATA.glob(f"{name}*")) <= megabytes * 1e6
    # as many as the two runs of six walkers hold after the burn-in, at one temperature and 0.5 ps
    ns_a_replica = min(run["aggregate_ns"] for run in reference["runs"]) / 6 - reference["burn_in_ps"] / 1000
    assert len(frames) == card["n_frames"] >= min(most, 0.95 * 2 * 2000 * ns_a_replica)
    assert (frames.temperature, frames.force_map) == (card["temperature_K"], "optimal")
    assert len(np.unique(frames.block)) == card["n_blocks"] >= 10 * ns_a_replica
    verified = card["verification_on_all_frames"]
    verified = verified.get("optimal", verified)
    assert verified["unbiasedness"] == "unbiased"
    assert verified["virial_kT_sem"] < 0.15
    assert read_map(map_path("chignolin_sample")).content_hash in frames.notes


def test_maps_differ_in_their_forces_alone() -> None:
    frames = {name: load_packaged("chignolin_maps", force_map=name) for name in ("optimal", "residue", "slice")}
    assert force_rms(frames["optimal"]) < force_rms(frames["residue"]) < force_rms(frames["slice"])
    np.testing.assert_array_equal(frames["slice"].coords, frames["optimal"].coords)
    sample = load_packaged("chignolin_sample")
    chosen = np.linspace(0, len(sample) - 1, 10_000).round().astype(np.int64)
    np.testing.assert_array_equal(frames["optimal"].coords, sample.coords[chosen])
