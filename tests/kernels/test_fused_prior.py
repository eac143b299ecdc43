"""The fused prior equals the torch prior."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgexp.energy import float64_coords
from cgexp.errors import InputError
from cgexp.kernels.fused_prior import FusedPrior
from cgexp.models.potential import Potential
from cgexp.priors.dihedral import FourierDihedrals
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.priors.term import PriorTerm
from cgexp.priors.wall import HarmonicWall
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains, toy_frames
from cgexp.testing.finite_difference import relative_error

EXACT = 1e-12  # float64, relative


class StiffBonds(HarmonicBonds):
    """A term that the C++ source does not know."""

    def energies(self, values: Tensor) -> Tensor:
        return 10.0 * super().energies(values) + values.pow(4)


TERMS: dict[str, type[PriorTerm]] = {
    "bonds": HarmonicBonds,
    "angles": HarmonicAngles,
    "dihedrals": FourierDihedrals,
    "repulsion": Repulsion,
    "wall": HarmonicWall,
    "other": StiffBonds,
}


def fitted(names: list[str], n_beads: int = 10) -> Prior:
    prior = Prior({name: TERMS[name]() for name in names}, temperature=300.0)
    fit_to(prior, chain_frames(20, n_beads))
    return prior


def added(prior: Prior, coords: Tensor) -> tuple[Tensor, Tensor]:
    """What FusedPrior adds to energies of one and forces of minus one."""
    energy, forces = torch.ones(len(coords), dtype=coords.dtype), -torch.ones_like(coords)
    FusedPrior(prior, coords.dtype).add(coords, energy, forces)
    return energy - 1.0, forces + 1.0


def expected(prior: Prior, coords: Tensor) -> tuple[Tensor, Tensor]:
    energy, forces = Potential(None, prior).energy_and_forces(coords)
    assert energy is not None
    return energy, forces


def assert_equal(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], tolerance: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert relative_error(one, other) <= tolerance


@pytest.mark.parametrize("name", TERMS)
def test_each_term(name: str) -> None:
    prior, coords = fitted([name]), 1.3 * random_chains(37, seed=2)  # beyond the wall's bounds too
    assert_equal(added(prior, coords), expected(prior, coords), EXACT)


@pytest.mark.parametrize(("n_frames", "n_beads"), [(1, 4), (16, 7), (21, 13)])
def test_their_sum_at_every_size(n_frames: int, n_beads: int) -> None:
    prior, coords = fitted(list(TERMS), n_beads), random_chains(n_frames, n_beads, seed=2)
    assert_equal(added(prior, coords), expected(prior, coords), EXACT)


def test_float32() -> None:
    prior, coords = fitted(list(TERMS)), random_chains(37, seed=2)
    energy, forces = added(prior, coords.float())
    assert_equal((energy.double(), forces.double()), expected(prior, coords), 1e-4)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_a_wall_of_any_number_of_dimensions(n_dims: int) -> None:
    frames = toy_frames(50, n_dims)
    prior = Prior({"wall": HarmonicWall(lower=-1.0, upper=1.0)}, temperature=1.0)
    prior.fit(frames, system_of(frames))
    coords = float64_coords(frames)
    assert_equal(added(prior, coords), expected(prior, coords), EXACT)


def test_a_coordinate_that_is_not_a_number_spoils_its_frame_only() -> None:
    prior, coords = fitted(list(TERMS)), random_chains(20, seed=2)
    clean = added(prior, coords)
    coords[3, 5, 0] = torch.nan
    energy, forces = added(prior, coords)
    others = torch.arange(len(coords)) != 3
    assert torch.equal(energy[others], clean[0][others])
    assert torch.equal(forces[others], clean[1][others])
    assert energy[3].isnan()
    assert forces[3].isnan().any()


def test_a_wall_passes_nan_on() -> None:
    prior, coords = fitted(["wall"]), random_chains(2)
    coords[1, 5, 0] = torch.nan
    energy, forces = added(prior, coords)
    assert energy.isnan().tolist() == [False, True]
    assert forces.isnan().sum() == 1
    assert forces[1, 5, 0].isnan()


def test_no_terms_add_nothing() -> None:
    energy, forces = added(Prior({}, 300.0), random_chains(2))
    assert not energy.any()
    assert not forces.any()


def test_a_prior_that_is_not_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="has not been fitted"):
        FusedPrior(Prior({"bonds": HarmonicBonds()}, 300.0), torch.float64)


def test_arrays_that_do_not_fit_are_refused() -> None:
    prior = FusedPrior(fitted(["bonds", "wall"]), torch.float64)
    coords = random_chains(2)
    energy, forces = torch.zeros(2, dtype=torch.float64), torch.zeros_like(coords)
    with pytest.raises(ValueError, match="other beads"):
        prior.add(coords[:, :5].contiguous(), energy, forces[:, :5].contiguous())
    with pytest.raises(ValueError, match=r"expected torch\.float64"):
        prior.add(coords.float(), energy, forces)
    with pytest.raises(ValueError, match="contiguous"):
        prior.add(coords, energy, forces.mT.contiguous().mT)
    with pytest.raises(ValueError, match="the shape of coords"):
        prior.add(coords, energy[:1], forces)
    with pytest.raises(ValueError, match="dtype"):
        FusedPrior(fitted(["bonds"]), torch.float16)
