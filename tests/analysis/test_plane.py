"""PlaneAnalysis: force fields whose curl and work are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgexp.analysis.plane import PlaneAnalysis, force_and_jacobian, loop_work
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.direct_force import DirectForce
from cgexp.models.potential import Potential
from cgexp.models.toy_mlp import ToyMLP
from cgexp.priors.prior import Prior
from cgexp.priors.wall import HarmonicWall
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.plane import Plane
from cgexp.testing.configurations import fit_to
from tests.analysis.ensembles import FakeTrajectory

PLANE = Plane(JuliaToy())


class Field(nn.Module):
    """A force field (x, y) -> (F_x, F_y) in float64."""

    def __init__(self, field: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.field = field

    def forces(self, coords: Tensor, create_graph: bool = False) -> Tensor:
        forces = torch.stack(self.field(coords[:, 0, 0], coords[:, 0, 1]), dim=-1)[:, None]
        return forces if create_graph else forces.detach()


def exact(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    energy = JuliaToy().potential(x, y)
    gradients = torch.autograd.grad(energy.sum(), (x, y), create_graph=True)
    return -gradients[0], -gradients[1]


class Exact(Field):
    """The exact force of JuliaToy, of which a caller may not ask for a graph."""

    def __init__(self) -> None:
        super().__init__(exact)

    def forces(self, coords: Tensor, create_graph: bool = False) -> Tensor:
        with torch.enable_grad():
            return super().forces(coords if create_graph else coords.requires_grad_(), create_graph)


def rotation(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return -y, x


def frames(temperature: float = 1.0) -> Frames:
    points = np.random.default_rng(0).uniform(-5, 5, (200, 1, 2)).astype(np.float32)
    return Frames(
        coords=points,
        forces=PLANE.force(points).astype(np.float32),
        bead_types=np.zeros(1, int),
        block=np.arange(200),
        units="reduced",
        temperature=temperature,
        system=PLANE.name,
        system_spec=PLANE.spec,
        source="uniform",
        force_map="identity",
    )


def metrics(model: nn.Module, **settings: object) -> dict[str, float]:
    analysis = PlaneAnalysis(n_grid=41, **settings)  # type: ignore[arg-type]
    return analysis.evaluate(PLANE, model, frames(), None, 0.0).metrics


def test_the_exact_force_has_no_error_no_curl_and_no_work() -> None:
    found = metrics(Exact())
    assert set(found) == {"force_rmse_relative", "curl_rms", "curl_rms_relative", "loop_work_rms"}
    assert found["force_rmse_relative"] < 1e-12
    assert found["curl_rms"] < 1e-12
    assert found["loop_work_rms"] < 1e-8


def test_a_rotation_has_curl_two_and_work_twice_the_area() -> None:
    found = metrics(Field(rotation), loop_side=1.5)
    assert found["curl_rms"] == pytest.approx(2.0)
    assert found["loop_work_rms"] == pytest.approx(2.0 * 1.5**2)
    np.testing.assert_allclose(loop_work(Field(rotation), -5.0, 5.0, 1.0), np.full(100, 2.0))
    line = np.linspace(-5, 5, 41)
    scale = PLANE.force_jacobian(np.stack(np.meshgrid(line, line), axis=-1))
    assert found["curl_rms_relative"] == pytest.approx(2.0 / np.sqrt(np.square(scale).sum(axis=(-2, -1)).mean()))


def test_error_of_a_known_shift() -> None:
    def shifted(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        force_x, force_y = exact(x, y)
        return force_x + 0.3, force_y - 0.4

    class Shifted(Exact):
        def __init__(self) -> None:
            super().__init__()
            self.field = shifted

    result = PlaneAnalysis(n_grid=41).evaluate(PLANE, Shifted(), frames(), None, 0.0)
    line = np.linspace(-5, 5, 41)
    force = PLANE.force(np.stack(np.meshgrid(line, line), axis=-1)).reshape(-1, 2)
    assert result.metrics["force_rmse_relative"] == pytest.approx(0.5 / np.sqrt(force.var(axis=0).sum()))
    np.testing.assert_allclose(result.curves["plane"].error, np.full((41, 41), 0.5), atol=1e-9)
    np.testing.assert_array_equal(result.curves["plane"].energy[:, 20], PLANE.energy([[x, 0.0] for x in line]))


def test_work_is_the_integral_of_the_curl() -> None:
    def swirl(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return -torch.exp(0.3 * x) * y, torch.sin(x) * y**2

    work = loop_work(Field(swirl), 0.0, 1.0, 1.0)
    fine = (np.arange(1000) + 0.5) / 1000
    x, y = np.meshgrid(fine, fine, indexing="ij")
    assert work == pytest.approx([np.mean(np.cos(x) * y**2 + np.exp(0.3 * x))], rel=1e-6)
    _, jacobian = force_and_jacobian(Field(swirl), np.array([[0.5, 2.0]]))
    np.testing.assert_allclose(
        jacobian[0], [[-0.6 * np.exp(0.15), -np.exp(0.15)], [4.0 * np.cos(0.5), 4.0 * np.sin(0.5)]]
    )


def test_work_is_in_kT_of_the_frames() -> None:
    warm = PlaneAnalysis(n_grid=5).evaluate(PLANE, Field(rotation), frames(4.0), None, 0.0).metrics
    assert warm["loop_work_rms"] == pytest.approx(0.5)


def test_an_energy_network_conserves_and_a_direct_force_need_not() -> None:
    torch.manual_seed(0)
    prior = Prior({"wall": HarmonicWall(lower=-4.0, upper=4.0)}, temperature=1.0)
    fit_to(prior, frames())
    found = {}
    for network in (ToyMLP(1, 2, width=16).double(), DirectForce(1, 2, width=16).double()):
        fit_to(network, frames())
        with torch.no_grad():
            found[type(network)] = metrics(Potential(network, prior.double()))
    assert found[ToyMLP]["curl_rms"] < 1e-12
    assert found[ToyMLP]["loop_work_rms"] < 1e-10
    assert found[DirectForce]["curl_rms"] > 1e-3
    assert found[DirectForce]["loop_work_rms"] > 1e-3


def test_failed_replicas_are_counted() -> None:
    trajectory = FakeTrajectory(np.zeros((4, 2, 1, 2), np.float32), np.array([True, False]))
    found = PlaneAnalysis(n_grid=5).evaluate(PLANE, Field(rotation), frames(), trajectory, 0.25).metrics
    assert found["replicas_failed"] == 1.0


@pytest.mark.parametrize(
    ("settings", "part"),
    [({"square": (1.0, 1.0)}, "is empty"), ({"n_grid": 2}, "an integer from 5"), ({"loop_side": 11.0}, "longer than")],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=part):
        PlaneAnalysis(**settings).evaluate(PLANE, Exact(), frames(), None, 0.0)  # type: ignore[arg-type]
