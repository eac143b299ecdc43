"""Evaluators for simulation: all kernels give the reference's energies and forces."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import lru_cache

import pytest
import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.kernels import evaluator
from cgexp.kernels.evaluator import CHOICES, InBlocks, make_evaluator
from cgexp.kernels.fused_prior import DistanceTerms
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.kernels.table import TablePotential
from cgexp.models.average import Average
from cgexp.models.cgnet import CGnet
from cgexp.models.direct_force import DirectForce
from cgexp.models.potential import Potential
from cgexp.priors.dihedral import FourierDihedrals
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from tests.kernels.networks import small_network, train

N_BEADS = 6
TOLERANCE = 2e-5  # of tables, relative to the root mean square, float64
FAST = sorted(set(CHOICES) - {"reference"})


@lru_cache(maxsize=1)
def _fitted_prior() -> Prior:
    terms = {
        "bonds": HarmonicBonds(), "angles": HarmonicAngles(), "dihedrals": FourierDihedrals(), "repulsion": Repulsion(),
    }  # fmt: skip
    frames = chain_frames(100, N_BEADS)
    prior = Prior(terms, frames.temperature)
    prior.fit(frames, system_of(frames))
    return prior


@lru_cache(maxsize=1)
def _trained_networks() -> dict[str, EnergyTerm]:
    torch.manual_seed(0)
    cgnet = CGnet(n_beads=N_BEADS, width=16, depth=2)
    fit_to(cgnet, chain_frames(50, N_BEADS))
    return {"cgschnet": small_network(N_BEADS), "trained": train(small_network(N_BEADS), 50), "cgnet": cgnet.double()}


def peptide_prior() -> Prior:
    """A fitted prior, which the test may change."""
    return deepcopy(_fitted_prior())


def networks() -> dict[str, EnergyTerm]:
    """Networks, which the test may change."""
    return deepcopy(_trained_networks())


def chains(n_frames: int) -> Tensor:
    return random_chains(n_frames, N_BEADS)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("kernel", FAST)
@pytest.mark.parametrize("name", ["cgschnet", "trained", "cgnet"])
@pytest.mark.parametrize("with_prior", [True, False])
def test_every_kernel_equals_the_reference(kernel: str, name: str, with_prior: bool) -> None:
    potential = Potential(networks()[name], peptide_prior() if with_prior else Prior({}, 300.0))
    coords = chains(13)
    energy, forces = make_evaluator("reference", potential, coords)(coords)
    evaluate = make_evaluator(kernel, potential, coords[:5])
    for n in (13, 1):
        found_energy, found_forces = evaluate(coords[:n])
        assert energy is not None
        assert found_energy is not None
        assert not found_energy.requires_grad
        assert not found_forces.requires_grad
        assert relative(found_energy, energy[:n]) < TOLERANCE
        assert relative(found_forces, forces[:n]) < TOLERANCE


@pytest.mark.parametrize("kernel", FAST)
def test_float32(kernel: str) -> None:
    potential = Potential(networks()["trained"], peptide_prior())
    coords = chains(7)
    forces = make_evaluator("reference", potential, coords)(coords)[1]
    found = make_evaluator(kernel, potential, coords.float())(coords.float())[1]
    assert found.dtype == torch.float32
    assert relative(found.double(), forces) < 1e-4


@pytest.mark.parametrize("kernel", ["table", "fused"])
def test_distances_unlike_those_at_the_start(kernel: str) -> None:
    potential = Potential(networks()["cgschnet"], peptide_prior())
    coords = chains(4)
    evaluate = make_evaluator(kernel, potential, coords)
    reference = make_evaluator("reference", potential, coords)
    before = evaluate(coords)[1]
    for scale in (0.5, 3.0):
        assert relative(evaluate(scale * coords)[1], reference(scale * coords)[1]) < 1e-3
    torch.testing.assert_close(evaluate(coords)[1], before, rtol=0.0, atol=0.0)  # as a resumed simulation needs it


@pytest.mark.parametrize("kernel", ["table", "fused"])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_frame_that_is_not_finite_disturbs_no_other(kernel: str, value: float) -> None:
    potential = Potential(networks()["cgschnet"], peptide_prior())
    coords = chains(6)
    evaluate = make_evaluator(kernel, potential, coords)
    energy, forces = evaluate(coords)
    broken = coords.clone()
    broken[2, 3, 1] = value
    found_energy, found_forces = evaluate(broken)
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(found_forces[others], forces[others], rtol=1e-12, atol=1e-12)
    if math.isnan(value):
        assert found_energy is not None
        assert found_energy[2].isnan()
        assert found_forces[2].isnan().any()


def test_force_is_the_gradient_of_the_tabulated_energy() -> None:
    evaluate = TablePotential(Potential(networks()["trained"], peptide_prior()), chains(3))
    coords, direction, step = chains(3), torch.randn(3, N_BEADS, 3, dtype=torch.float64), 1e-4
    up, down = evaluate(coords + step * direction)[0], evaluate(coords - step * direction)[0]
    work = (evaluate(coords)[1] * direction).sum((1, 2))
    torch.testing.assert_close(-(up - down) / (2.0 * step), work, rtol=1e-5, atol=1e-5)


def test_terms_that_share_the_distances() -> None:
    prior = peptide_prior()
    terms = DistanceTerms(prior, networks()["cgschnet"].get_buffer("pairs"))
    assert isinstance(terms.rest, Prior)
    assert list(terms.rest.terms) == ["angles", "dihedrals"]
    assert DistanceTerms(Prior({}, 300.0), networks()["cgschnet"].get_buffer("pairs")).rest is None


def test_the_potential_is_left_as_it_was() -> None:
    potential = Potential(networks()["cgschnet"], peptide_prior()).train()
    for kernel in CHOICES:
        make_evaluator(kernel, potential, chains(2).float())(chains(2).float())
    assert potential.training
    assert all(parameter.requires_grad and parameter.dtype == torch.float64 for parameter in potential.parameters())


def test_next_best_where_a_kernel_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    direct = Potential(DirectForce(n_beads=N_BEADS, n_dims=3).double(), Prior({}, 300.0))
    assert make_evaluator("fused", direct, chains(2))(chains(2))[0] is None
    alone = Potential(None, peptide_prior())
    torch.testing.assert_close(make_evaluator("auto", alone, chains(2))(chains(2))[1], alone.forces(chains(2)))

    def without_compiler(*_: object) -> None:
        raise NoNativeKernel("no C++ compiler was found", "install one")

    monkeypatch.setitem(evaluator.MAKERS, "fused", without_compiler)
    potential = Potential(networks()["cgschnet"], peptide_prior())
    assert isinstance(make_evaluator("fused", potential, chains(2)), TablePotential)
    assert "no C++ compiler" in caplog.text


def test_modules_that_are_no_potential_and_kernels_that_are_none() -> None:
    class Springs(nn.Module):
        def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
            return None, -coords

    coords = chains(2)
    assert (make_evaluator("auto", Springs(), coords)(coords)[1] == -coords).all()
    with pytest.raises(InputError, match="unknown kernel=fussed"):
        make_evaluator("fussed", Springs(), coords)


@pytest.mark.parametrize("kernel", sorted(CHOICES))
@pytest.mark.parametrize("name", ["cgschnet", "cgnet"])
def test_many_frames_are_taken_a_part_at_a_time(kernel: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    potential, coords = Potential(networks()[name], peptide_prior()).double(), chains(23)
    evaluate = make_evaluator(kernel, potential, coords)
    fused = kernel in ("fused", "auto")
    # of 15 pairs, or of 6 beads in three dimensions
    numbers = 18 * evaluator.NUMBERS_A_COORDINATE if fused else 15 * evaluator.NUMBERS_A_PAIR
    monkeypatch.setattr(evaluator, "EVALUATION_BYTES", 5 * numbers * 8)
    assert evaluator.frames_at_a_time(evaluate, coords) == 5
    expected = potential.forces(coords)
    assert relative(evaluator.make_forces(kernel, potential, coords[:1])(coords), expected) < TOLERANCE
    found = evaluator.forces_of(potential, coords.numpy(), kernel)
    assert relative(torch.as_tensor(found), expected) < TOLERANCE
    assert evaluator.forces_of(potential, coords[:0].numpy(), kernel).shape == (0, N_BEADS, 3)


def test_a_part_holds_a_frame_at_least_of_reverse_mode_and_thousands_of_the_fused_kernel() -> None:
    potential = Potential(None, Prior({}, temperature=300.0))
    reference, fused = (make_evaluator(kernel, potential, torch.zeros(1, 1, 3)) for kernel in ("reference", "fused"))
    assert evaluator.frames_at_a_time(reference, torch.zeros(1, 5000, 3)) == 1
    assert evaluator.frames_at_a_time(reference, torch.zeros(1, 1, 2)) > 1000
    assert evaluator.frames_at_a_time(fused, torch.zeros(1, 300, 3)) > 10_000


def test_what_goes_through_autograd_is_counted_as_reverse_mode() -> None:
    """A term of a prior or a network that no C++ source knows may keep numbers of every pair."""

    class OwnBonds(HarmonicBonds):
        """Of another class, as of another package."""

    prior, coords = peptide_prior(), chains(3)
    known = Potential(networks()["cgschnet"], prior)
    average = Potential(Average([networks()["cgschnet"], networks()["cgnet"]]), prior)
    other = chain_frames(100, N_BEADS)
    own = Prior({"bonds": OwnBonds()}, other.temperature)
    own.fit(other, system_of(other))
    partly = Potential(Average([networks()["cgschnet"]]), own)
    kinds = [isinstance(make_evaluator("auto", one.double(), coords), InBlocks) for one in (known, average, partly)]
    assert kinds == [True, True, False]
    assert not isinstance(make_evaluator("auto", Potential(networks()["cgnet"], own).double(), coords), InBlocks)
