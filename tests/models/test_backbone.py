"""Potentials of a backbone of N, CA, CB, C and O beads: physics checks, and a simulation that keeps the molecule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.replicas import choose_starts
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import fit_to
from cgexp.testing.energy_checks import EnergyTermChecks
from tests.models.test_potential import CGNET, CGSCHNET, PEPTIDE_PRIOR, blank, fitted
from tests.systems.backbones import backbone_frames

SEQUENCE = "AGPY"
PEPTIDE = Peptide(SEQUENCE, beads="backbone5")
SIZE = {"n_beads": PEPTIDE.n_beads}


class TestCGSchNetAndBackbonePrior(EnergyTermChecks):
    specs = ({**CGSCHNET, **SIZE, "n_bead_types": 24}, PEPTIDE_PRIOR)

    def make_term(self):
        return fitted(*self.specs, backbone_frames(SEQUENCE))

    def make_blank(self):
        return blank(*self.specs)

    def make_coords(self):
        return torch.from_numpy(np.array(backbone_frames(SEQUENCE, n_frames=4, seed=1).coords))


class TestCGnetAndBackbonePrior(TestCGSchNetAndBackbonePrior):
    specs = ({**CGNET, **SIZE}, PEPTIDE_PRIOR)


def test_an_embedding_for_residues_alone_is_too_small() -> None:
    with pytest.raises(InputError, match=r"set model\.n_bead_types=24"):
        fit_to(CGSchNet(**SIZE), backbone_frames(SEQUENCE, n_frames=5))


def test_a_simulation_keeps_bonds_and_chirality(tmp_path: Path) -> None:
    frames = backbone_frames(SEQUENCE)
    potential: Potential = fitted(*TestCGSchNetAndBackbonePrior.specs, frames)
    simulation = Simulation(
        integrator=Baoab(1.0),
        dt=0.002,
        temperature=300.0,
        n_replicas=8,
        n_steps=500,
        save_every=50,
        health=HealthCheck(max_bond=6.0),
        precision="float64",
    )
    simulation.run(potential, choose_starts(frames, 8, 0), PEPTIDE.masses, PEPTIDE.units, tmp_path, seed=0)
    trajectory = Trajectory.load(tmp_path)
    assert trajectory.alive.all()
    coords = trajectory.coords.reshape(-1, PEPTIDE.n_beads, 3)
    bonds = np.linalg.norm(coords[:, PEPTIDE.bonds[:, 0]] - coords[:, PEPTIDE.bonds[:, 1]], axis=-1)
    assert 1.0 < bonds.min() < bonds.max() < 1.8
    where = {atom: coords[:, bead] for bead, atom in enumerate(PEPTIDE.bead_atoms)}
    for residue in (0, 2, 3):
        n, ca, cb, c = (where[residue, name] for name in ("N", "CA", "CB", "C"))
        assert (np.einsum("fd,fd->f", np.cross(n - ca, c - ca), cb - ca) > 0.0).all()
