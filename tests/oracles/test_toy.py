"""ToyOracle: exact mean forces, and forces at exact draws of y."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.oracles.oracle import Oracle
from cgexp.oracles.toy import ToyOracle, draw_y
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.peptide import Peptide
from cgexp.systems.toy import ToyPotential

X = np.linspace(-3.5, 4.2, 41).astype(np.float32)


class Slope(ToyPotential):
    """At given x, y is normal with mean -x and variance 2, and the force is -y - x."""

    name = "slope"
    x_range = (-9.0, 9.0)
    y_range = (-30.0, 30.0)
    evaluation_range = (-4.0, 4.0)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return 0.25 * (y + x) ** 2 + 0.5 * x**2


def oracle(toy: ToyPotential, noise: str = "none", seed: int = 0) -> ToyOracle:
    temperature = toy.temperature
    return ToyOracle(system=toy, temperature=temperature, force_map="x_component", noise=noise, seed=seed)  # type: ignore[arg-type]


def force(labels: object) -> NDArray[np.float64]:
    return labels.frames.forces[:, 0, 0].astype(np.float64)  # type: ignore[attr-defined]


@pytest.mark.parametrize("toy", [CGnetToy(), JuliaToy(), CGnetToy(temperature=1.5)])
def test_label_is_minus_the_derivative_of_the_pmf(toy: ToyPotential) -> None:
    labels = oracle(toy).label(X.reshape(-1, 1, 1))
    x, step = X.astype(np.float64), 1e-4
    numeric = -(toy.pmf(x + step) - toy.pmf(x - step)) / (2.0 * step)
    np.testing.assert_allclose(force(labels), numeric, atol=1e-4)
    assert labels.frames.force_sem is not None
    assert not labels.frames.force_sem.any()
    assert labels.frames.units == "reduced"


def test_sampled_forces_scatter_about_the_mean_force_as_they_should() -> None:
    toy, x = CGnetToy(), np.linspace(-3.5, 4.2, 3000, dtype=np.float32)
    labels = oracle(toy, "sampled").label(x.reshape(-1, 1, 1))
    z = (force(labels) - toy.mean_force(x)) / np.sqrt(toy.force_variance(x))
    assert abs(z.mean()) < 4.0 / len(z) ** 0.5
    assert z.var() == pytest.approx(1.0, abs=0.13)
    assert labels.frames.force_sem is not None
    np.testing.assert_allclose(labels.frames.force_sem[:, 0, 0], np.sqrt(toy.force_variance(x)), rtol=1e-5)


def test_draws_of_y_follow_the_exact_distribution() -> None:
    x = np.random.default_rng(0).uniform(-3.0, 3.0, 5000)
    y = draw_y(Slope(), x, [np.random.default_rng((1, index)) for index in range(len(x))])
    z = np.sort((y + x) / np.sqrt(2.0))
    from scipy.stats import kstest

    assert kstest(z, "norm").pvalue > 1e-3
    assert len(np.unique(z)) == len(z)  # not on a grid


def test_a_configuration_has_one_label_in_any_order_and_batch() -> None:
    toy, order = CGnetToy(), np.random.default_rng(0).permutation(len(X))
    whole = force(oracle(toy, "sampled").label(X.reshape(-1, 1, 1)))
    np.testing.assert_array_equal(force(oracle(toy, "sampled").label(X[order].reshape(-1, 1, 1))), whole[order])
    np.testing.assert_array_equal(force(oracle(toy, "sampled").label(X[7:8].reshape(-1, 1, 1))), whole[7:8])
    assert (force(oracle(toy, "sampled", seed=1).label(X.reshape(-1, 1, 1))) != whole).all()


def test_what_is_no_toy_is_refused() -> None:
    with pytest.raises(InputError, match="'peptide-AGA': expected a toy potential"):
        ToyOracle(system=Peptide("AGA"), temperature=1.0, force_map="x_component")
    with pytest.raises(InputError, match=r"set oracle\.temperature=1\.0"):
        ToyOracle(system=CGnetToy(), temperature=2.0, force_map="x_component")


def test_the_config_builds_the_oracle() -> None:
    made = build(compose(["oracle=toy", "oracle.noise=sampled"])["oracle"], Oracle)
    assert isinstance(made, ToyOracle)
    assert (made.system.name, made.temperature, made.noise) == ("toy_cgnet", 1.0, "sampled")
