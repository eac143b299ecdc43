"""Parallel tempering: the swap against its rule and its invariants, ensembles with a barrier, resuming, failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from cgexp.all_atom.sampling.exchange_trajectory import exchange, round_trips
from cgexp.analysis.ensemble import replica_metrics
from cgexp.errors import InputError
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab, Bath, Integrator, Overdamped, State
from cgexp.simulation.replicas import Replicas
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.tempering import Ladders, Tempering, accept
from cgexp.simulation.trajectory import Exchange, Trajectory
from cgexp.testing.integrator_checks import Harmonic
from cgexp.units import BOLTZMANN, REDUCED

BARRIER, TILT = 10.0, 0.5  # of the double well, kT


class TiltedWell(nn.Module):
    """BARRIER (x^2 - 1)^2 + TILT x: the left well is the deeper one, and nothing crosses in a short run at kT = 1."""

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        energy = (BARRIER * (coords.square() - 1.0).square() + TILT * coords).sum(dim=(1, 2))
        return energy, -4.0 * BARRIER * coords * (coords.square() - 1.0) - TILT


class NoEnergy(nn.Module):
    def energy_and_forces(self, coords: Tensor) -> tuple[None, Tensor]:
        return None, -coords


def simulation(n_rungs: int | None = 4, **changed: Any) -> Simulation:
    tempering = None if n_rungs is None else Tempering(highest=changed.pop("highest", 4.0), n_rungs=n_rungs, every=4)
    values: dict[str, Any] = {"integrator": Baoab(1.0), "dt": 0.1, "temperature": 1.0, "n_replicas": 3, "n_steps": 60}
    values |= {"save_every": 6, "chunk_frames": 3, "health": HealthCheck(every=5), "tempering": tempering}
    return Simulation(**{**values, **changed})


def run(folder: Path, settings: Simulation, potential: nn.Module | None = None, **options: Any) -> Trajectory:
    starts = options.pop("starts", torch.linspace(-1.0, 1.0, settings.n_walkers)[:, None, None])
    settings.run(potential or Harmonic(), starts, np.ones(1), "reduced", folder, options.pop("seed", 3), **options)
    return Trajectory.load(folder)


def begin(energy: Tensor, kT: Tensor, velocities: Tensor | None = None, seed: int = 0) -> tuple[Ladders, Replicas]:
    """Ladders with the coordinate of a replica equal to its energy [n_ladders, n_rungs]."""
    n_ladders, n_rungs = energy.shape
    ladders = Ladders.begin(Tempering(highest=float(kT[-1]), n_rungs=n_rungs, every=1), kT, n_ladders)
    flat = energy.flatten()
    coords = flat[:, None, None].clone()
    state = State(coords, torch.ones_like(coords) if velocities is None else velocities, -coords, flat)
    alive = torch.ones(len(flat), dtype=torch.bool)
    return ladders, Replicas(state, state, alive, [], torch.Generator().manual_seed(seed), step=1)


def test_the_rule_is_that_of_the_reference_sampling() -> None:
    rng = np.random.default_rng(0)
    temperatures = np.array([300.0, 340.0, 390.0, 450.0, 520.0])
    energies, uniforms = rng.normal(0.0, 3.0, (40, 5)), rng.random((40, 4))
    found = accept(torch.tensor(energies), torch.tensor(BOLTZMANN * temperatures), torch.tensor(uniforms)).numpy()
    for parity in (0, 1):
        for row, u, ours in zip(energies, uniforms, found, strict=True):
            _, outcomes = exchange(row, np.arange(5), temperatures, parity, u)
            np.testing.assert_array_equal(ours[parity::2], outcomes[parity::2] == 1)
    assert 0.1 < found.mean() < 0.9


def test_swaps_leave_every_rung_with_its_canonical_distribution() -> None:
    """Energies of 8 harmonic coordinates are gamma-distributed; velocities are Maxwell's. Both survive many swaps."""
    kT, n_ladders = torch.tensor([1.0, 1.5, 2.25], dtype=torch.float64), 20_000
    rng = np.random.default_rng(1)
    energy = torch.tensor(rng.gamma(4.0, kT.numpy(), (n_ladders, 3)))
    spread = kT.sqrt().repeat(n_ladders)[:, None, None].numpy()
    ladders, replicas = begin(energy, kT, torch.tensor(rng.normal(size=(3 * n_ladders, 1, 3)) * spread))
    for step in range(1, 7):
        replicas.step = step
        ladders.exchange(replicas)
    assert replicas.state.energy is not None
    assert (ladders.accepted.sum(dim=0).double() / ladders.tried.sum(dim=0) > 0.3).all()
    for rung, value in enumerate(kT.tolist()):
        found = replicas.state.energy.view(n_ladders, 3)[:, rung].numpy()
        assert stats.kstest(found, stats.gamma(4.0, scale=value).cdf).pvalue > 1e-3
        velocities = replicas.state.velocities.view(n_ladders, 3, 3)[:, rung].numpy()
        assert stats.kstest(velocities.ravel() / np.sqrt(value), "norm").pvalue > 1e-3


def test_detailed_balance_of_a_swap() -> None:
    """As often from (a, b) to (b, a) as back, over two energies in equilibrium at two temperatures."""
    kT, levels, n = torch.tensor([1.0, 2.0], dtype=torch.float64), np.array([0.0, 1.5]), 200_000
    rng = np.random.default_rng(2)
    upper = np.exp(-levels[1] / kT.numpy())
    energy = torch.tensor(np.where(rng.random((n, 2)) < upper / (1.0 + upper), levels[1], levels[0]))
    ladders, replicas = begin(energy, kT)
    ladders.exchange(replicas)
    swapped = ladders.accepted[:, 0].bool() & (energy[:, 0] != energy[:, 1])
    forth, back = (int((swapped & (energy[:, 0] == level)).sum()) for level in levels)
    assert abs(forth - back) < 5.0 * np.sqrt(forth + back)
    assert forth > 10_000


def test_what_moves_is_the_whole_replica() -> None:
    energy = torch.tensor([[5.0, 1.0, 3.0, 2.0]], dtype=torch.float64)  # the first pair of each parity must swap
    ladders, replicas = begin(energy, torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64))
    ladders.exchange(replicas)
    assert replicas.state.energy is not None
    assert replicas.state.energy.tolist() == [1.0, 5.0, 2.0, 3.0]
    assert replicas.state.coords.flatten().tolist() == [1.0, 5.0, 2.0, 3.0]
    assert (-replicas.state.forces).flatten().tolist() == [1.0, 5.0, 2.0, 3.0]
    np.testing.assert_allclose(replicas.state.velocities.flatten() ** 2, [0.5, 2.0, 0.5, 2.0])
    assert replicas.healthy is replicas.state, "the energy jump of the next check would be that of the swap"
    assert ladders.walker.tolist() == [[1, 0, 3, 2]]
    assert ladders.tried.tolist() == [[1, 0, 1]]
    replicas.step = 2
    ladders.exchange(replicas)
    assert ladders.tried.tolist() == [[1, 1, 1]]


def test_round_trips_are_counted_as_in_the_reference_sampling() -> None:
    """On a flat energy every swap is accepted at random hands: here by shuffling the energies between attempts."""
    rng = np.random.default_rng(3)
    ladders, replicas = begin(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([1.0, 1.3, 1.7]))
    levels = [np.argsort(ladders.walker.numpy(), axis=1)]
    for step in range(1, 300):
        replicas.step = step
        replicas.state.energy = torch.tensor(rng.normal(0.0, 3.0, 6))
        ladders.exchange(replicas)
        levels.append(np.argsort(ladders.walker.numpy(), axis=1))
    for ladder in range(2):
        expected = round_trips(np.array(levels)[:, ladder])
        np.testing.assert_array_equal(ladders.round_trips[ladder], expected)
        assert expected.sum() > 5


def exact(edges: NDArray[np.float64], kT: float = 1.0) -> NDArray[np.float64]:
    x = np.linspace(-3.0, 3.0, 60_001)
    density = np.exp(-(BARRIER * (x**2 - 1.0) ** 2 + TILT * x) / kT)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.diff(np.interp(edges, x, cumulative / cumulative[-1]))


def test_a_barrier_that_plain_dynamics_does_not_cross(tmp_path: Path) -> None:
    settings = {"n_replicas": 200, "n_steps": 3000, "save_every": 20, "dt": 0.05, "chunk_frames": 50}
    plain = simulation(None, **settings)
    x = run(tmp_path / "plain", plain, TiltedWell(), starts=torch.ones(200, 1, 1)).production(0.4)
    assert (x > 0).mean() > 0.95, "the barrier is too low for this test"
    tempered = simulation(6, highest=8.0, **settings)
    trajectory = run(tmp_path / "tempered", tempered, TiltedWell(), starts=torch.ones(1200, 1, 1))
    x = trajectory.production(0.4)[..., 0, 0]
    assert x.shape == (90, 200)
    edges = np.linspace(-1.5, 1.5, 13)
    for low, high, probability in zip(edges[:-1], edges[1:], exact(edges), strict=True):
        of_ladders = ((x >= low) & (x < high)).mean(axis=0)
        error = of_ladders.std(ddof=1) / np.sqrt(200) + 1e-4
        assert abs(of_ladders.mean() - probability) < 5.0 * error, (low, of_ladders.mean(), probability, error)
    assert trajectory.exchange is not None
    assert (trajectory.exchange.acceptance > 0.5).all()
    assert trajectory.exchange.round_trips.sum() > 200


@pytest.mark.parametrize("integrator", [Baoab(1.0), Overdamped(1.0)])
def test_one_rung_is_a_plain_simulation(integrator: Integrator, tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", simulation(None, integrator=integrator))
    single = run(tmp_path / "single", simulation(1, integrator=integrator))
    np.testing.assert_array_equal(single.coords, plain.coords)
    assert plain.continuous
    assert single.continuous
    assert replica_metrics(single) == replica_metrics(plain)


def test_what_is_saved_is_the_study_rung(tmp_path: Path) -> None:
    trajectory = run(tmp_path, simulation(4))
    assert trajectory.coords.shape == (10, 3, 1, 1)
    assert not trajectory.continuous
    found = trajectory.exchange
    assert found is not None
    np.testing.assert_allclose(found.temperatures, [1.0, 4 ** (1 / 3), 4 ** (2 / 3), 4.0])
    assert found.tried.sum(axis=0).tolist() == [24, 21, 24]  # 15 attempts, 8 of them with the even pairs
    assert trajectory.settings["tempering"]["temperatures"] == found.temperatures.tolist()
    metrics = replica_metrics(trajectory)
    assert metrics["exchange_acceptance_min"] == found.acceptance.min() > 0
    assert metrics["exchange_acceptance_mean"] == pytest.approx(found.acceptance.mean())
    assert metrics["round_trips"] == found.round_trips.sum()
    assert found.summary()["acceptance"] == [round(share, 6) for share in found.acceptance.tolist()]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("edge", [float("inf"), 5.0])
def test_resume_equals_run_through(edge: float, graph: bool, tmp_path: Path) -> None:
    settings, starts = simulation(4), torch.zeros(12, 1, 1)
    starts[6] = 5.5 if edge == 5.0 else 0.0
    options = {"starts": starts, "graph": graph}
    through = run(tmp_path / "through", settings, Harmonic(edge=edge), **options)
    resumed = tmp_path / "resumed"
    run(resumed, settings, Harmonic(edge=edge), **options)
    for n_left in (3, 1):
        for chunk in sorted(resumed.glob("chunk-*"))[n_left:]:
            chunk.unlink()
        assert not Trajectory.load(resumed).finished
        again = run(resumed, settings, Harmonic(edge=edge), **options)
        np.testing.assert_array_equal(again.coords, through.coords)
        assert again.failures == through.failures
        for name in ("tried", "accepted", "round_trips", "alive"):
            np.testing.assert_array_equal(getattr(again.exchange, name), getattr(through.exchange, name))
    assert len(through.failures) == (edge == 5.0)


def test_graphed_steps_give_the_same(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", simulation(4), graph=False)
    graphed = run(tmp_path / "graphed", simulation(4), graph=True)
    np.testing.assert_array_equal(graphed.coords, plain.coords)


def test_a_failed_replica_is_out_of_the_exchanges_and_disturbs_no_other_ladder(tmp_path: Path) -> None:
    starts = torch.zeros(12, 1, 1)
    healthy = run(tmp_path / "healthy", simulation(4), Harmonic(edge=5.0), starts=starts)
    starts[7] = 5.5  # the hottest rung of ladder 1, where so high an energy stays: beside a hole in the potential
    failing = run(tmp_path / "failing", simulation(4), Harmonic(edge=5.0), starts=starts)
    (failure,) = failing.failures
    assert (failure["replica"], failure["rung"]) == (1, 3)
    assert failure["temperature"] == 4.0
    found = failing.exchange
    assert found is not None
    assert not found.alive[1, 3]
    assert found.alive.sum() == 11
    assert found.tried[0].tolist() == found.tried[2].tolist() == [8, 7, 8]
    assert found.tried[1].tolist()[:2] == [8, 7]
    assert found.tried[1, 2] < 8
    assert failing.alive.tolist() == [True, True, True], "the study rung of its ladder goes on"
    np.testing.assert_array_equal(failing.coords[:, [0, 2]], healthy.coords[:, [0, 2]])
    metrics = replica_metrics(failing)
    assert metrics["replicas_failed"] == 1
    assert metrics["replicas_failed_fraction"] == pytest.approx(1 / 12)


def test_a_ladder_whose_study_rung_failed_is_no_ensemble(tmp_path: Path) -> None:
    starts = torch.zeros(12, 1, 1)
    starts[4] = 60.0
    limits = HealthCheck(every=5, max_abs_coord=50.0)
    trajectory = run(tmp_path, simulation(4, health=limits), starts=starts)
    assert trajectory.failures[0]["step"] == 0
    assert trajectory.alive.tolist() == [True, False, True]
    assert trajectory.production(0.0).shape == (10, 2, 1, 1)


def test_all_study_rungs_failed(tmp_path: Path) -> None:
    starts = torch.zeros(12, 1, 1)
    starts[::4] = 60.0
    with pytest.raises(InputError, match="all 3 replicas at 1 have failed"):
        run(tmp_path, simulation(4, health=HealthCheck(every=5, max_abs_coord=50.0)), starts=starts)


def test_the_seed_decides(tmp_path: Path) -> None:
    one, again, two = (run(tmp_path / str(i), simulation(4), seed=seed) for i, seed in enumerate((1, 1, 2)))
    np.testing.assert_array_equal(one.coords, again.coords)
    assert not np.isclose(one.coords, two.coords).any()


def test_replicas_have_the_temperature_of_their_rung() -> None:
    kT = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    ladders = Ladders.begin(Tempering(highest=4.0, n_rungs=3, every=1), kT, 2)
    masses = torch.tensor([1.0, 4.0], dtype=torch.float64)
    bath = ladders.heated(Bath.at(0.1, 1.0, masses, REDUCED))
    assert bath.kT == 1.0
    np.testing.assert_allclose(bath.thermal_speed[:, 0, 0] ** 2, [1.0, 2.0, 4.0] * 2)
    np.testing.assert_allclose(bath.thermal_speed[:, 1, 0] ** 2, [0.25, 0.5, 1.0] * 2)


def test_without_any_attempt_there_are_no_rates(tmp_path: Path) -> None:
    trajectory = run(tmp_path, simulation(2, n_steps=3, save_every=3))
    assert trajectory.exchange is not None
    assert np.isnan(trajectory.exchange.acceptance).all()
    assert trajectory.exchange.summary()["acceptance"] == [None]
    assert "round_trips" not in replica_metrics(trajectory)


def test_rates_leave_out_what_was_never_tried() -> None:
    counts = np.array([[10, 0]])
    found = Exchange(np.array([1.0, 2.0, 3.0]), counts, counts // 2, np.zeros((1, 3), int), np.ones((1, 3), bool))
    metrics = replica_metrics(Trajectory(np.zeros(0), np.zeros(0), found.alive[:, 0], [], {}, True, 1.0, found))  # type: ignore[arg-type]
    assert metrics["exchange_acceptance_min"] == metrics["exchange_acceptance_mean"] == 0.5


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"highest=4\.0 is not above simulation\.temperature=5"):
        simulation(4, temperature=5.0)
    with pytest.raises(InputError, match="compares energies, and this model has none"):
        run(tmp_path / "direct", simulation(4), NoEnergy())
    with pytest.raises(InputError, match=r"n_replicas x tempering.n_rungs, .* with 12 replicas"):
        run(tmp_path / "few", simulation(4), starts=torch.zeros(3, 1, 1))
    run(tmp_path / "there", simulation(4))
    with pytest.raises(InputError, match="was begun with tempering="):
        run(tmp_path / "there", simulation(4, highest=5.0))
    with pytest.raises(InputError, match=r"was begun with shape=.*, starts=.*, tempering="):
        run(tmp_path / "there", simulation(None))
