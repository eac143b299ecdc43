"""EnergyTermChecks: the physics that every network, prior term and sum of them must obey, as tests to subclass."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.models.potential import Potential
from cgexp.testing.configurations import random_rotations
from cgexp.testing.finite_difference import force_error, parameter_gradient_error, relative_error

Record = Callable[[str, object], None]


class EnergyTermChecks:
    """Subclass it as ``TestX``, implement ``make_term`` and ``make_coords``, and set the attributes that differ.

    invariant: the energy does not change under rotation and translation. same_type_beads: two beads that may be
    exchanged without changing the energy. The worst relative errors are written to the JUnit report.
    """

    invariant = True
    same_type_beads: tuple[int, int] | None = None
    force_tolerance = 1e-6
    gradient_tolerance = 1e-5

    def make_term(self) -> EnergyTerm | Potential:
        """A fitted energy term or Potential in float64; the same one at each call."""
        raise NotImplementedError

    def make_blank(self) -> EnergyTerm | Potential:
        """The same term as its config makes it, before any fit: what a state_dict is loaded into."""
        return self.make_term()

    def make_coords(self) -> Tensor:
        """Configurations [n_frames, n_beads, n_dims], float64, at least two frames."""
        raise NotImplementedError

    def test_energy_is_one_finite_number_a_frame(self) -> None:
        coords = self.make_coords()
        energy = self.make_term().energy(coords)
        assert energy.shape == (len(coords),)
        assert energy.dtype == torch.float64
        assert torch.isfinite(energy).all()

    def test_force_is_minus_the_gradient_of_the_energy(self, record_property: Record) -> None:
        error = force_error(self.make_term(), self.make_coords())
        record_property("force_error", error)
        assert error <= self.force_tolerance

    def test_loss_gradient_agrees_with_finite_differences(self, record_property: Record) -> None:
        term, coords = self.make_term(), self.make_coords()
        if not any(parameter.requires_grad for parameter in term.parameters()):
            pytest.skip("no trainable parameters")
        forces = torch.randn(coords.shape, generator=torch.Generator().manual_seed(1), dtype=coords.dtype)
        error = parameter_gradient_error(term, coords, forces)
        record_property("parameter_gradient_error", error)
        assert error <= self.gradient_tolerance

    def test_rotation_and_translation(self) -> None:
        if not self.invariant:
            pytest.skip("depends on the place of the beads")
        term, coords = self.make_term(), self.make_coords()
        rotations = random_rotations(len(coords))
        moved = coords @ rotations.mT + torch.tensor([7.0, -3.0, 5.0], dtype=coords.dtype)
        energy, forces = _evaluate(term, coords)
        moved_energy, moved_forces = _evaluate(term, moved)
        assert relative_error(moved_energy, energy) < 1e-10
        assert relative_error(moved_forces, forces @ rotations.mT) < 1e-10

    def test_exchange_of_beads_of_one_type(self) -> None:
        if self.same_type_beads is None:
            pytest.skip("every bead has its place in the chain")
        term, coords = self.make_term(), self.make_coords()
        order = list(range(coords.shape[1]))
        i, j = self.same_type_beads
        order[i], order[j] = j, i
        energy, forces = _evaluate(term, coords)
        exchanged_energy, exchanged_forces = _evaluate(term, coords[:, order])
        assert relative_error(exchanged_energy, energy) < 1e-10
        assert relative_error(exchanged_forces, forces[:, order]) < 1e-10

    def test_frames_do_not_see_each_other(self) -> None:
        term, coords = self.make_term(), self.make_coords()
        energy, forces = _evaluate(term, coords)
        alone = [_evaluate(term, frame[None]) for frame in coords]
        assert relative_error(torch.cat([each[0] for each in alone]), energy) < 1e-10
        assert relative_error(torch.cat([each[1] for each in alone]), forces) < 1e-10

    def test_state_dict_restores_the_energy(self) -> None:
        term, coords = copy.deepcopy(self.make_term()), self.make_coords()
        with torch.no_grad():
            for value in (*term.parameters(), *term.buffers()):
                if value.is_floating_point():
                    value.mul_(1.01)
        blank = self.make_blank().to(torch.float64)
        blank.load_state_dict(term.state_dict())
        assert torch.equal(blank.energy(coords), term.energy(coords))


def _evaluate(term: EnergyTerm | Potential, coords: Tensor) -> tuple[Tensor, Tensor]:
    """Energies and forces as everywhere else, through a Potential."""
    potential = term if isinstance(term, Potential) else Potential(None, term)
    energy, forces = potential.eval().energy_and_forces(coords)
    assert energy is not None
    return energy, forces
