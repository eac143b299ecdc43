from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson
from torch import Tensor, nn

from cgexp.analysis.result import Evaluation
from cgexp.analysis.toy import ToyAnalysis, energy_and_force, leak_metrics
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.toy import ToyPotential
from tests.analysis.ensembles import FakeTrajectory

GRID, N_GRID = (-3.8, 4.5), 401
CGNET = CGnetToy()  # one for all tests: it keeps its quadrature


class Quartic(nn.Module):
    """The toys without their ripple, plus an error: a tilted energy; the direct kind has forces only."""

    def __init__(self, tilt: float = 0.0, direct: bool = False) -> None:
        super().__init__()
        self.tilt = nn.Parameter(torch.tensor(tilt, dtype=torch.float64))
        self.direct = direct

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
        assert coords.dtype == torch.float64
        x = coords.detach().requires_grad_()
        energy = ((x - 4) * (x - 2) * (x + 2) * (x + 3) / 50 + self.tilt * x).sum(dim=(1, 2))
        (gradient,) = torch.autograd.grad(energy.sum(), x)
        return None if self.direct else energy.detach(), -gradient


def sample(system: ToyPotential, n: int, seed: int = 0) -> NDArray[np.float64]:
    grid = np.linspace(-7, 7, 1001)
    cumulative = cumulative_simpson(system.density(grid), x=grid, initial=0.0)
    return np.interp(np.random.default_rng(seed).random(n), cumulative / cumulative[-1], grid)


def frames_of(system: ToyPotential, n: int = 500) -> Frames:
    x = sample(system, n)
    return Frames(
        coords=x.reshape(-1, 1, 1),
        forces=system.mean_force(x).reshape(-1, 1, 1),
        bead_types=np.zeros(1, int),
        block=np.arange(n),
        units="reduced",
        temperature=1.0,
        system=system.name,
        source="exact",
    )


def trajectory_of(x: NDArray[np.float64], n_replicas: int) -> FakeTrajectory:
    coords = x.reshape(-1, n_replicas, 1, 1).astype(np.float32)
    return FakeTrajectory(coords, np.ones(n_replicas, dtype=bool))


def evaluate(system: ToyPotential, model: Quartic, trajectory: FakeTrajectory | None = None) -> Evaluation:
    return ToyAnalysis(GRID, n_grid=N_GRID, n_bootstrap=20).evaluate(system, model, frames_of(system), trajectory, 0.25)


def test_a_tilt_gives_the_errors_that_pencil_and_paper_give() -> None:
    system, tilt = CGNET, 0.1
    metrics = evaluate(system, Quartic(tilt)).metrics
    x = np.linspace(*GRID, N_GRID)
    # On this grid the ripple of toy_cgnet averages out over y, so that the quartic is the exact PMF.
    assert metrics["force_rmse_relative"] == pytest.approx(tilt / system.mean_force(x).std(), rel=1e-3)
    assert metrics["pmf_rmse_integration"] == pytest.approx(tilt * x.std(), rel=1e-3)
    assert metrics["loss_noise_floor"] == pytest.approx(0.3311, abs=1e-4)
    assert metrics["loss_excess_relative"] == pytest.approx(tilt**2 / 0.3311, rel=0.01)
    perfect = evaluate(system, Quartic()).metrics
    assert perfect["force_rmse_relative"] < 1e-6
    assert perfect["pmf_rmse_integration"] < 1e-6


def test_forces_without_an_energy_are_integrated() -> None:
    system = CGNET
    energy, direct = (evaluate(system, Quartic(0.1, direct=d)) for d in (False, True))
    assert direct.metrics["pmf_rmse_integration"] == pytest.approx(energy.metrics["pmf_rmse_integration"], rel=1e-6)
    assert direct.curves["pmf"].model == pytest.approx(energy.curves["pmf"].model, abs=1e-6)
    assert energy.curves["pmf"].conservative
    assert not direct.curves["pmf"].conservative


def test_a_noise_free_toy_has_no_relative_excess_and_sees_its_ripple() -> None:
    metrics = evaluate(JuliaToy(), Quartic()).metrics
    assert metrics["loss_noise_floor"] == pytest.approx(0.0, abs=1e-12)
    assert "loss_excess_relative" not in metrics
    assert metrics["pmf_rmse_integration"] == pytest.approx(0.04 / np.sqrt(2), rel=0.1)  # sin(...)/25 is left out


def test_a_perfect_simulation_scores_zero_within_its_error() -> None:
    system = CGNET
    metrics = evaluate(system, Quartic(), trajectory_of(sample(system, 200_000), 50)).metrics
    assert metrics["pmf_rmse_simulation"] < 0.04
    assert metrics["w1_x"] < 0.03
    assert 0 < metrics["pmf_rmse_simulation_sem"] < 0.02
    assert 0 < metrics["w1_x_sem"] < 0.03
    assert metrics["replicas_failed"] == metrics["replicas_failed_fraction"] == 0


def test_a_shifted_simulation_does_not() -> None:
    system = CGNET
    metrics = evaluate(system, Quartic(), trajectory_of(sample(system, 100_000) + 0.5, 50)).metrics
    assert metrics["w1_x"] == pytest.approx(0.5, abs=0.03)
    x = np.linspace(*GRID, N_GRID)
    shifted, exact = system.pmf(x - 0.5), system.pmf(x)
    expected = np.std(shifted - exact)
    assert metrics["pmf_rmse_simulation"] == pytest.approx(expected, rel=0.25)


def test_burn_in_and_failed_replicas_are_left_out() -> None:
    system = CGNET
    trajectory = trajectory_of(sample(system, 40_000), 40)
    trajectory.coords[:250] = 100.0  # a quarter of 1,000 saved frames
    trajectory.coords[:, 3] = 50.0
    trajectory.alive[3] = False
    metrics = evaluate(system, Quartic(), trajectory).metrics
    assert metrics["w1_x"] < 0.1
    assert metrics["replicas_failed"] == 1
    assert metrics["replicas_failed_fraction"] == pytest.approx(1 / 40)
    trajectory.alive[:] = False
    failed = evaluate(system, Quartic(), trajectory)
    assert failed.metrics["replicas_failed_fraction"] == 1
    assert "w1_x" not in failed.metrics
    assert failed.curves["pmf"].simulation is None


def test_the_same_seed_gives_the_same_numbers() -> None:
    system = CGNET
    trajectory = trajectory_of(sample(system, 4000), 20)
    assert evaluate(system, Quartic(), trajectory).metrics == evaluate(system, Quartic(), trajectory).metrics


def test_a_float32_model_gets_float32_coordinates() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)
            self.register_buffer("types", torch.zeros(1, dtype=torch.long))

        def energy_and_forces(self, coords: Tensor) -> tuple[None, Tensor]:
            return None, self.layer(coords).detach()

    energy, force = energy_and_force(Single(), np.linspace(0, 1, 5))
    assert energy is None
    assert force.dtype == np.float64
    assert force.shape == (5,)


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(InputError, match=r"analysis\.grid"):
        ToyAnalysis((1.0, 1.0))


def test_leaks_are_counted_until_a_replica_is_first_seen_outside() -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0])
    x = np.array([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    metrics = leak_metrics(x, time, (-8.0, 8.0), {})
    assert metrics["leaked_fraction"] == pytest.approx(2 / 3)
    assert metrics["leak_rate"] == pytest.approx(2 / (4.0 + 2.0 + 1.0))
    assert metrics["leak_rate_sem"] == pytest.approx(2**0.5 / 7.0)
    none = leak_metrics(np.zeros((4, 3)), time, (-8.0, 8.0), {})
    assert none == {"leaked_fraction": 0.0, "leak_rate": 0.0, "leak_rate_sem": 0.0}


def test_the_leak_rate_of_exponential_escapes_is_found() -> None:
    generator = np.random.default_rng(0)
    time = np.linspace(0.01, 5.0, 500)
    escapes = generator.exponential(2.0, 4000)
    x = np.where(time[:, None] >= escapes, 9.0, 0.0)
    metrics = leak_metrics(x, time, (-8.0, 8.0), {})
    assert abs(metrics["leak_rate"] - 0.5) < 4 * metrics["leak_rate_sem"] + 0.005  # seen up to 0.01 late


def test_a_replica_that_fails_before_it_is_seen_outside_has_left() -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0])
    metrics = leak_metrics(np.zeros((4, 2)), time, (-8.0, 8.0), {1: 2.5})
    assert metrics["leaked_fraction"] == 0.5
    assert metrics["leak_rate"] == pytest.approx(1 / (4.0 + 2.5))


def test_a_grid_without_any_data_is_refused() -> None:
    x = np.linspace(-1.0, 1.0, 20, dtype=np.float32)[:, None, None]
    frames = Frames(
        coords=x, bead_types=np.zeros(1, dtype=np.int64), block=np.arange(20), units="reduced", temperature=1.0,
        system="toy_cgnet", source="made up", force_map="x_component",
    )  # fmt: skip
    ToyAnalysis(grid=(-3.8, 4.5)).check(frames)
    with pytest.raises(InputError, match=r"analysis\.grid=\[100, 200\] holds none of the data"):
        ToyAnalysis(grid=(100, 200)).check(frames)
