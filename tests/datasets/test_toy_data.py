from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cgexp.build import build
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.toy_data import ExactSamples, LangevinSamples, ToyRecipe, UniformPoints, sample_boltzmann
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.toy import ToyPotential

CONF = Path(__file__).parents[2] / "conf" / "dataset"
FACTS: dict[str, Any] = {
    "name": "toy", "n_beads": 1, "n_dims": 1, "units": "reduced", "temperature": 1.0, "force_map": "x_component",
}  # fmt: skip
LANGEVIN: dict[str, Any] = {"n_walkers": 40, "friction": 1.0, "dt": 0.05, "save_interval": 1.0, "block_length": 20.0}


def langevin(**changed: Any) -> LangevinSamples:
    return LangevinSamples(**{**FACTS, **LANGEVIN, "system": CGnetToy(), "n_frames": 2000, **changed})


def assert_boltzmann(frames: Frames, toy: ToyPotential) -> None:
    """x of independent frames follows the exact density: chi-square over bins, 5 standard deviations."""
    edges = np.linspace(-4, 5, 46)
    counts, _ = np.histogram(frames.coords, bins=edges)
    fine = np.linspace(-4, 5, 45 * 40 + 1)
    density = toy.density(fine)
    expected = np.array([np.trapezoid(density[i : i + 41], fine[i : i + 41]) for i in range(0, 1800, 40)])
    expected *= len(frames)
    chi_square = float(np.sum((counts - expected) ** 2 / expected))
    assert chi_square < 45 + 5 * np.sqrt(2 * 45)


def test_uniform_points(tmp_path: Path) -> None:
    frames = UniformPoints(**FACTS, system=JuliaToy(), n_frames=5000, seed=1).make(tmp_path)
    x = frames.coords[:, 0, 0].astype(float)
    assert frames.coords.shape == (5000, 1, 1)
    assert -5 <= x.min() < -4.98
    assert 4.98 < x.max() <= 5
    assert x.var() == pytest.approx(100 / 12, rel=0.05)
    assert frames.weights is None
    assert len(np.unique(frames.block)) == 5000
    assert frames.forces is not None
    # the report's 5,000 labels have variance 6.193 on average, with a standard deviation of 0.16 over draws
    assert float(frames.forces.var()) == pytest.approx(6.193, abs=0.6)
    np.testing.assert_allclose(frames.forces[:, 0, 0], JuliaToy().mean_force(x), atol=1e-5)


@pytest.mark.parametrize("toy", [JuliaToy, CGnetToy])
def test_exact_samples_follow_the_boltzmann_distribution(toy: type[ToyPotential], tmp_path: Path) -> None:
    frames = ExactSamples(**FACTS, system=toy(), n_frames=100_000).make(tmp_path)
    assert_boltzmann(frames, toy())
    assert len(np.unique(frames.block)) == 100_000


def test_exact_samples_at_another_temperature(tmp_path: Path) -> None:
    facts = {**FACTS, "temperature": 2.0}
    toy = JuliaToy(temperature=2.0)
    frames = ExactSamples(**facts, system=toy, n_frames=20_000).make(tmp_path)
    assert frames.temperature == 2.0
    assert_boltzmann(frames, toy)


def test_exact_samples_of_one_well(tmp_path: Path) -> None:
    toy = CGnetToy()
    frames = ExactSamples(**FACTS, system=toy, n_frames=20_000, within=(0.15, 10.0)).make(tmp_path)
    x = frames.coords[:, 0, 0]
    assert x.min() >= 0.15
    assert len(frames) == 20_000
    grid = np.linspace(0.15, 10.0, 2001)
    density = toy.density(grid) / np.trapezoid(toy.density(grid), grid)
    assert x.mean() == pytest.approx(np.trapezoid(grid * density, grid), abs=4.0 * x.std() / np.sqrt(len(x)))
    with pytest.raises(InputError, match=r"only \d+ of 10000 samples .* have x in \[7, 8\]"):
        ExactSamples(**FACTS, system=toy, n_frames=20, within=(7.0, 8.0)).make(tmp_path)


def test_exact_samples_carry_the_irreducible_noise(tmp_path: Path) -> None:
    toy = CGnetToy()
    frames = ExactSamples(**FACTS, system=toy, n_frames=100_000, seed=2).make(tmp_path)
    assert frames.forces is not None
    x, f = frames.coords[:, 0, 0].astype(float), frames.forces[:, 0, 0].astype(float)
    grid = np.linspace(x.min(), x.max(), 2001)
    residual = f - np.interp(x, grid, toy.mean_force(grid))
    error = (residual**2).std() / np.sqrt(len(x))
    assert abs((residual**2).mean() - toy.noise_floor()) < 5 * error
    assert abs(residual.mean()) < 5 * residual.std() / np.sqrt(len(x))
    assert (f**2).mean() == pytest.approx(1.329, abs=5 * (f**2).std() / np.sqrt(len(x)))


def test_rejection_in_two_dimensions() -> None:
    toy = CGnetToy()
    points = sample_boltzmann(toy, 50_000, np.random.default_rng(3))
    # integrating by parts: E[y dV/dy] = kT, whatever the potential; here dV/dy by differences
    step = np.array([0.0, 1e-5])
    virial = points[:, 1] * (toy.energy(points + step) - toy.energy(points - step)) / 2e-5
    assert abs(virial.mean() - 1.0) < 5 * virial.std() / np.sqrt(len(virial))


def test_a_density_above_the_envelope_is_refused() -> None:
    class Rough(JuliaToy):
        def potential(self, x: Any, y: Any) -> Any:
            return super().potential(x, y) + 2.0 * (1000.0 * x).sin()

    with pytest.raises(InputError, match="varies too fast"):
        sample_boltzmann(Rough(), 20_000, np.random.default_rng(0))


def test_langevin_samples(tmp_path: Path) -> None:
    frames = langevin(n_frames=8000).make(tmp_path)
    toy = CGnetToy()
    x = frames.coords[:, 0, 0].astype(float).reshape(40, 200)
    for values, exact in ((x, 0.806), ((x - 0.806) ** 2, 6.577), ((x < 0.15).astype(float), 0.397)):
        of_walkers = values.mean(axis=1)
        assert abs(of_walkers.mean() - exact) < 5 * of_walkers.std(ddof=1) / np.sqrt(40)
    assert len(np.unique(frames.block)) == 40 * 10
    blocks = frames.block.reshape(40, 200)
    assert (np.diff(blocks, axis=1) >= 0).all()
    assert len(np.unique(blocks[0])) == 10
    assert not set(blocks[0]) & set(blocks[1])
    # a walker's frames are in order of time: neighbours are close, and their forces belong to their x
    assert np.abs(np.diff(x, axis=1)).mean() < 0.5 * np.abs(x[1:] - x[:-1]).mean()
    assert frames.forces is not None
    grid = np.linspace(x.min(), x.max(), 1001)
    noise = frames.forces[:, 0, 0] - np.interp(x.ravel(), grid, toy.mean_force(grid))
    assert (noise**2).mean() == pytest.approx(toy.noise_floor(), rel=0.1)


def test_langevin_correlation_is_shorter_than_a_block(tmp_path: Path) -> None:
    frames = langevin(n_frames=8000, n_walkers=80, block_length=100.0).make(tmp_path)
    x = frames.coords[:, 0, 0].astype(float).reshape(80, 100)
    z = (x - 0.806) / x.std()
    assert (z[:, :-60] * z[:, 60:]).mean() < 0.2


def test_langevin_resumes(tmp_path: Path) -> None:
    whole = langevin().make(tmp_path / "whole")
    langevin().make(tmp_path / "part")
    sorted((tmp_path / "part").glob("chunk-*"))[-1].unlink()
    assert langevin().make(tmp_path / "part").content_hash == whole.content_hash


def test_langevin_with_fewer_frames_than_walkers_or_not_a_multiple(tmp_path: Path) -> None:
    assert len(langevin(n_frames=7).make(tmp_path / "few")) == 7
    frames = langevin(n_frames=90, n_walkers=40).make(tmp_path / "odd")
    assert len(frames) == 90
    assert len(np.unique(frames.block)) == 30  # three frames a walker


@pytest.mark.parametrize(
    "recipe",
    [UniformPoints(**FACTS, system=JuliaToy(), n_frames=50), ExactSamples(**FACTS, system=CGnetToy(), n_frames=50)],
)
def test_seed_decides(recipe: ToyRecipe, tmp_path: Path) -> None:
    first = recipe.make(tmp_path).content_hash
    assert recipe.make(tmp_path).content_hash == first
    recipe.seed = 1
    assert recipe.make(tmp_path).content_hash != first


def test_inconsistent_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a number of frames"):
        ExactSamples(**FACTS, system=CGnetToy())
    with pytest.raises(InputError, match="temperature"):
        ExactSamples(**{**FACTS, "temperature": 2.0}, system=CGnetToy(), n_frames=5)
    with pytest.raises(InputError, match="not below"):
        UniformPoints(**FACTS, system=CGnetToy(), n_frames=5, lower=1.0, upper=1.0).make(tmp_path)


@pytest.mark.parametrize("name", ["toy_julia", "toy_cgnet", "toy_cgnet_langevin"])
def test_shipped_configs(name: str, tmp_path: Path) -> None:
    spec = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert spec["system"]["temperature"] == "${dataset.temperature}"
    spec["system"]["temperature"] = spec["temperature"]
    recipe = build({**spec, "n_frames": 60}, Recipe)
    assert recipe.name == name
    assert len(recipe.make(tmp_path)) == 60
