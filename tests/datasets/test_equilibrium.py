"""chignolin_reference: how it is made from two runs, and what ships."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from cgexp.all_atom.force_field import DEFAULT
from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE
from cgexp.analysis.tica import Tica
from cgexp.build import build
from cgexp.cards import DATA, load_card, packaged_names
from cgexp.datasets.equilibrium import (
    Walkers,
    find_equilibria,
    load_equilibrium,
    load_tica,
    load_walkers,
    write_walkers,
)
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.store import Chunks, write_json
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import walkers as swelling_walkers

ROOT = Path(__file__).parents[2]
NAME = "chignolin_reference"
LADDER = [300.0, 350.0, 400.0]
needs_set = pytest.mark.skipif(NAME not in packaged_names(), reason="the set is not made yet")


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"make_{NAME}", ROOT / "scripts" / f"make_{NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["N_SAMPLES"] = 100  # a distance of all frames takes longer than all else
    return module


def sampled(folder: Path, n_frames: int, seed: int) -> None:
    """A made-up run of three walkers, 4 ps between frames: each is native, unfolds at 200 ps and stays so."""
    rng = np.random.default_rng(seed)
    coords = swelling_walkers(n_frames, 3, rng).astype(np.float32)
    coords[50:, :, 5:] += np.float32([0.0, 0.0, 14.0])
    levels = np.stack([rng.permutation(3) for _ in range(n_frames)])
    write_json(folder / SETTINGS_FILE, {"temperatures": LADDER, "exchange_ps": 4.0, "cycles_per_save": 1, "seed": seed})
    Chunks(folder).append(
        {
            "coords": coords,
            "levels": levels.astype(np.int8),
            "energies": rng.normal(-200.0 + 0.2 * np.array(LADDER)[levels], 6.0),
            "outcomes": rng.integers(-1, 2, (n_frames, 2)).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, kind in enumerate(("native", "unfolded")):
        sampled(folder / kind, 700 - 100 * seed, seed)
    return folder


def make(runs: Path, data: Path, **options: Any) -> dict[str, Any]:
    data.mkdir(exist_ok=True)
    card: dict[str, Any] = load_script().make(runs, data, **{"burn_in": 204.0, **options})
    return card


@pytest.fixture(scope="module")
def made(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    make(runs, data)
    return data


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The set in a folder of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "data"))


def test_two_runs_become_a_weighted_ensemble_walkers_and_tica(made: Path) -> None:
    data, card = made, load_card(NAME, made)
    assert card["burn_in_ps"] == 204.0
    equilibrium = load_equilibrium(NAME, data)
    frames, walkers = equilibrium.frames, load_walkers(NAME, data)
    assert len(walkers.coords) == 3 * (700 + 600)
    assert frames.time_ps is not None
    assert frames.weights is not None
    assert frames.time_ps.min() > 204.0
    assert np.unique(equilibrium.run).tolist() == [0, 1]
    assert (frames.block[equilibrium.run == 1] >= card["runs"][1]["first_block"]).all()
    assert (frames.block[equilibrium.run == 0] < card["runs"][1]["first_block"]).all()
    tica = load_tica(NAME, data)
    refit = Tica.fit(walkers.frames(frames), tica.lag_ps)
    assert tica.data_hash == refit.data_hash
    np.testing.assert_allclose(tica.components, refit.components)
    assert set(np.unique(walkers.temperature)) == set(LADDER)
    assert abs(card["tica"]["correlation_with_rmsd"][0]) > 0.9
    assert card["w1_tica_resolution"]["w1_tica_resolution"] > 0
    fractions = [run["means"]["folded"][0] for run in card["runs"]]
    assert card["values"]["folded_fraction_sem"] >= 0.5 * abs(fractions[0] - fractions[1]) - 1e-4
    assert card["values"]["folded_fraction_resolution"] == pytest.approx(abs(fractions[0] - fractions[1]), abs=2e-4)
    rmsd = Peptide().distance(frames.coords, Peptide().native()[None])[:, 0]
    for number, run in enumerate(card["runs"]):
        own = equilibrium.run == number
        assert run["means"]["rmsd"][0] == pytest.approx(np.average(rmsd[own], weights=frames.weights[own]), abs=1e-3)
        assert run["means"]["rmsd"][1] > 0.0
    assert find_equilibria(data, system=Peptide().name, temperature_K=350.0) == [NAME]
    assert find_equilibria(data, temperature_K=300.0) == []
    assert card["force_field"] == DEFAULT.name  # of runs that do not say theirs


def test_runs_within_the_burn_in_are_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script().main(["--runs", str(runs), "--data", str(tmp_path), "--burn-in", "1e5"]) == 2
    assert "the runs are not longer than the burn-in of 100000 ps" in capsys.readouterr().err
    assert not list(tmp_path.glob(f"{NAME}*"))


def test_longer_runs_keep_the_tica_unless_asked(runs: Path, copy: Path, tmp_path: Path) -> None:
    data, first = copy, load_card(NAME, copy)
    shutil.copytree(runs / "unfolded", tmp_path / "runs" / "unfolded")
    sampled(tmp_path / "runs" / "native", 900, 5)
    longer = make(tmp_path / "runs", data)
    assert longer == load_card(NAME, data)
    assert longer["content_hash"] != first["content_hash"]
    assert longer["walkers"]["n_frames"] > first["walkers"]["n_frames"]
    assert longer["tica"]["data_hash"] == first["tica"]["data_hash"]
    assert (first["tica"]["fitted_on_these_walkers"], longer["tica"]["fitted_on_these_walkers"]) == (True, False)
    assert make(tmp_path / "runs", data, refit_tica=True)["tica"]["data_hash"] != first["tica"]["data_hash"]


def test_more_than_fits_is_thinned(runs: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_card(NAME, made)
    size = sum(path.stat().st_size for path in made.iterdir())
    script = load_script()
    monkeypatch.setattr(script, "LARGEST", 0.6 * size)
    (tmp_path / "small").mkdir()
    thinned = script.make(runs, tmp_path / "small", 204.0, False)
    assert thinned["frame_ps"] == 2 * whole["frame_ps"]
    assert thinned["walkers"]["n_frames"] == whole["walkers"]["n_frames"] // 2
    for few, all_of_it in zip(thinned["runs"], whole["runs"], strict=True):
        assert {**few, "means": None} == {**all_of_it, "means": None}


def test_walkers_are_read_as_they_were_written(copy: Path) -> None:
    written = load_walkers(NAME, copy)
    write_walkers(copy / f"{NAME}.walkers.npz", written, 0.001)
    read = load_walkers(NAME, copy)
    for name, values in vars(written).items():
        np.testing.assert_array_equal(getattr(read, name), values)
        assert getattr(read, name).dtype == values.dtype


def test_files_that_are_not_those_of_the_card_are_refused(copy: Path) -> None:
    walkers = load_walkers(NAME, copy)
    few = Walkers(**{name: values[:7] for name, values in vars(walkers).items()})
    write_walkers(copy / f"{NAME}.walkers.npz", few, 0.001)
    with pytest.raises(InputError, match="is not the file that its card describes"):
        load_walkers(NAME, copy)
    (copy / f"{NAME}.tica.npz").unlink()
    with pytest.raises(InputError, match="is not the file that its card describes"):
        load_equilibrium(NAME, copy)


def test_another_set_is_no_ensemble() -> None:
    with pytest.raises(InputError, match="'chignolin_mini' is not an equilibrium ensemble: expected one of"):
        load_equilibrium("chignolin_mini")


@needs_set
def test_what_ships_is_whole_small_and_consistent() -> None:
    card, equilibrium = load_card(NAME), load_equilibrium(NAME)
    frames, walkers = equilibrium.frames, load_walkers(NAME)
    assert sum(path.stat().st_size for path in DATA.glob(f"{NAME}.*")) <= 5_000_000
    assert frames.temperature == card["temperature_K"]
    assert (len(frames), len(walkers.coords)) == (card["n_frames"], card["walkers"]["n_frames"])
    assert {run["start"] for run in card["runs"]} == {"native", "unfolded"}
    assert np.bincount(equilibrium.run).min() > 500
    assert frames.weights is not None
    rmsd = Peptide().distance(frames.coords, Peptide().native()[None])[:, 0]
    assert np.average(rmsd < 2.0, weights=frames.weights) == pytest.approx(card["folded_fraction"], abs=1e-3)
    if "correlation_with_rmsd" in card["tica"]:  # a set of before does not say it
        rmsd_and_ic = np.column_stack([rmsd, equilibrium.tica.transform(frames.coords)[:, 0]])
        covariance = np.cov(rmsd_and_ic, rowvar=False, aweights=frames.weights)
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert correlation == pytest.approx(card["tica"]["correlation_with_rmsd"][0], abs=0.01)
        assert abs(correlation) > 0.7  # the first component is folding
    for walker in np.unique(walkers.walker):
        steps = np.diff(walkers.time_ps[walkers.walker == walker])
        np.testing.assert_allclose(steps, card["frame_ps"], rtol=1e-3)
    refit = Tica.fit(walkers.frames(frames), equilibrium.tica.lag_ps)
    if card["tica"]["fitted_on_these_walkers"]:
        assert refit.data_hash == equilibrium.tica.data_hash
        np.testing.assert_allclose(refit.transform(frames.coords[:50]), equilibrium.tica.transform(frames.coords[:50]))
    else:  # the walkers have gone on since: the coordinates stay
        assert refit.data_hash != equilibrium.tica.data_hash


@needs_set
def test_the_option_gives_the_shipped_frames() -> None:
    folder = ROOT / "conf" / "dataset"
    node = yaml.safe_load((folder / "chignolin_mini.yaml").read_text(encoding="utf-8"))
    node |= yaml.safe_load((folder / f"{NAME}.yaml").read_text(encoding="utf-8"))
    node.pop("defaults")
    frames = build(node, Recipe).make(Path("unused"))
    assert frames.content_hash == load_card(NAME)["content_hash"]
    assert frames.forces is None
