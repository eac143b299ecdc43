"""Checks of a system: its facts agree, its metric and energy know its symmetry, its forces are those of its energy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.mapping.unbiasedness import virial
from cgexp.frames import Frames
from cgexp.systems.base import System, system_of
from cgexp.systems.known_energy import KnownEnergy
from cgexp.testing.configurations import random_rotations

N_SAMPLES = 4000


class SystemChecks:
    """Subclass for a system: ``make_system`` returns it, ``make_coords`` some configurations of it."""

    def make_system(self) -> System:
        raise NotImplementedError

    def make_coords(self) -> NDArray[np.float64]:
        """Configurations [n, n_beads, n_dims], whole, n at least 3."""
        system = self.make_system()
        return np.random.default_rng(0).normal(size=(8, system.n_beads, system.n_dims))

    def test_the_facts_have_the_stated_shapes(self) -> None:
        system = self.make_system()
        assert system.bead_types.shape == system.masses.shape == (system.n_beads,)
        assert (system.masses > 0).all()
        assert system.bonds.shape[1:] == (2,)
        assert (system.bonds[:, 0] < system.bonds[:, 1]).all()
        assert len(system.labels) == len(system.trace)
        for beads in (system.bonds, system.trace):
            assert not beads.size or 0 <= beads.min() <= beads.max() < system.n_beads
        if system.native_structure is not None:
            assert system.native_structure.shape == (len(system.trace), system.n_dims)

    def test_frames_carry_what_makes_the_system_again(self) -> None:
        system, coords = self.make_system(), self.make_coords()
        frames = Frames(
            coords=coords,
            bead_types=system.bead_types,
            block=np.arange(len(coords)),
            units=system.units,
            temperature=1.0,
            system=system.name,
            source="made for a check",
            system_spec=system.spec,
        )
        again = system_of(frames)
        assert type(again) is type(system)
        assert again.spec == system.spec

    def test_distance_is_one_of_points_and_knows_the_symmetry(self) -> None:
        system, coords = self.make_system(), self.make_coords()
        distance = system.distance(coords, coords)
        np.testing.assert_allclose(distance, distance.T, atol=1e-6)
        np.testing.assert_allclose(np.diag(distance), 0.0, atol=1e-6)
        apart = distance[~np.eye(len(coords), dtype=bool)]
        assert (apart > 0).all(), (
            "two configurations are the same but for their symmetry: jitter them (make_coords, sample)"
        )
        moved = coords
        if system.symmetry.translation and system.metric == "superposed":
            moved = moved + np.arange(1.0, 1.0 + system.n_dims)
        if system.symmetry.rotation and system.n_dims == 3:
            moved = np.einsum("nij,nbj->nbi", random_rotations(len(coords)).numpy(), moved)
        if system.symmetry.box is not None:
            moved = moved + np.asarray(system.symmetry.box)
        np.testing.assert_allclose(system.distance(moved, coords), distance, atol=1e-6)

    def test_whole_configurations_stay_and_cut_ones_are_mended(self) -> None:
        system, coords = self.make_system(), self.make_coords()
        np.testing.assert_array_equal(system.whole(coords), coords)
        if system.symmetry.box is not None:
            box = np.asarray(system.symmetry.box)
            whole = system.whole(coords - box * np.floor(coords / box))
            np.testing.assert_allclose(whole - whole[:, :1], coords - coords[:, :1], atol=1e-6)


class KnownEnergyChecks(SystemChecks):
    """Subclass for a system with a known energy. exact_samples: whether ``sample`` is of exp(-U/kT) itself."""

    exact_samples = True

    def make_system(self) -> KnownEnergy:
        raise NotImplementedError

    def make_coords(self) -> NDArray[np.float64]:
        return self.make_system().sample(8, np.random.default_rng(0))

    def test_forces_are_minus_the_derivative_of_the_energy(self) -> None:
        system, coords = self.make_system(), self.make_coords()
        forces, step = system.forces(coords), 1e-5
        assert np.abs(forces).max() > 1e-6, "no force acts on these configurations: jitter them (make_coords, sample)"
        for bead in range(system.n_beads):
            for axis in range(system.n_dims):
                shift = np.zeros(coords.shape[1:])
                shift[bead, axis] = step
                numeric = -(system.energy(coords + shift) - system.energy(coords - shift)) / (2.0 * step)
                np.testing.assert_allclose(forces[:, bead, axis], numeric, atol=1e-5 * np.abs(forces).max())

    def test_energy_knows_the_symmetry(self) -> None:
        system, coords = self.make_system(), self.make_coords()
        moved = coords + 0.3 if system.symmetry.translation else coords
        if system.symmetry.rotation:
            moved = np.einsum("nij,nbj->nbi", random_rotations(len(coords)).numpy(), moved)
        if system.symmetry.box is not None:  # each bead by itself
            moved = moved + np.asarray(system.symmetry.box) * np.arange(system.n_beads)[:, None]
        np.testing.assert_allclose(system.energy(moved), system.energy(coords), atol=1e-8)

    def test_samples_are_thermal_along_bonds(self) -> None:
        """<(x_I - x_J) . F_I> is -n_dims kT, whatever the energy; ``sample`` is then of exp(-U/kT) along the bonds."""
        system = self.make_system()
        if not self.exact_samples:
            pytest.skip("its samples are only near exp(-U/kT)")
        coords = system.sample(N_SAMPLES, np.random.default_rng(1))
        frames = Frames(
            coords=coords,
            forces=system.forces(coords),
            bead_types=system.bead_types,
            block=np.arange(N_SAMPLES),
            units=system.units,
            temperature=system.temperature,
            system=system.name,
            source="samples",
        )
        mean, sem = virial(frames, system.bonds)
        assert abs(mean + system.n_dims) < 5.0 * sem
