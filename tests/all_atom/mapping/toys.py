"""Systems of atoms that are sampled exactly and whose potential of mean force is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.frames import Frames

TEMPERATURE = 350.0
KT = 0.0019872042586 * TEMPERATURE
FLEXIBLE = np.zeros((0, 2), dtype=np.int64)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Atoms and their forces, [n_frames, n_atoms, 3], in Å and kcal/mol/Å."""

    coords: Values
    forces: Values
    sites: BeadSites

    def frames(self, force_map: LinearMap, n_blocks: int = 50) -> Frames:
        return frames_of(self.coords[:, force_map.beads], force_map.apply(self.forces), n_blocks, force_map.name)


def frames_of(coords: Values, forces: Values, n_blocks: int, force_map: str = "none") -> Frames:
    return Frames(
        coords=coords,
        forces=forces,
        bead_types=np.zeros(coords.shape[1], dtype=np.int64),
        block=np.arange(len(coords)) * n_blocks // len(coords),
        units="molecular",
        temperature=TEMPERATURE,
        system="chain",
        source="test",
        force_map=force_map,
    )


class RotorChain:
    """CA beads, each with a rigidly bonded HA, a CB on a spring, and a C on springs between HA and the next CA.

    U = sum of 1/2 k |y|^2 over the springs, with y their vectors. Since U does not depend on the directions of the
    rigid bonds once the y are given, the y are Gaussian and the directions uniform, all independent.
    """

    RIGID, SIDE, LEFT, RIGHT = 1.1, 300.0, 8.0, 24.0  # Å, and kcal/mol/Å^2 of CB-CA, C-HA and CA-C

    def __init__(self, n_residues: int = 4) -> None:
        self.n_residues = n_residues
        atoms = [(residue, name) for residue in range(n_residues) for name in ("CA", "HA", "CB", "C")]
        rigid = np.array([[4 * residue, 4 * residue + 1] for residue in range(n_residues)])
        self.sites = BeadSites(atoms, 4 * np.arange(n_residues), rigid)

    def sample(self, n_frames: int, seed: int) -> Sample:
        generator = np.random.default_rng(seed)

        def spring(stiffness: float) -> Values:
            return generator.normal(size=(n_frames, self.n_residues, 3)) * np.sqrt(KT / stiffness)

        side, left, right = spring(self.SIDE), spring(self.LEFT), spring(self.RIGHT)
        direction = generator.normal(size=side.shape)
        rigid = self.RIGID * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        steps = (rigid + left + right)[:, :-1]
        alpha = np.concatenate([np.zeros((n_frames, 1, 3)), np.cumsum(steps, axis=1)], axis=1)
        coords = np.stack([alpha, alpha + rigid, alpha + side, alpha + rigid + left], axis=2)
        right[:, -1] = 0.0  # nothing follows the last residue
        forces = np.zeros_like(coords)
        forces[:, :, 0] = self.SIDE * side
        forces[:, 1:, 0] -= self.RIGHT * right[:, :-1]
        forces[:, :, 1] = self.LEFT * left
        forces[:, :, 2] = -self.SIDE * side
        forces[:, :, 3] = self.RIGHT * right - self.LEFT * left
        shape = (n_frames, 4 * self.n_residues, 3)
        return Sample(coords.reshape(shape), forces.reshape(shape), self.sites)

    def mean_force(self, distance: Values) -> Values:
        """Exact mean force on the first bead towards the second at their distance, kcal/mol/Å.

        The distance has density r^2 exp(-k r^2 / 2kT) sinh(x)/x with x = k d r / kT and k of both springs in series.
        """
        stiffness = self.LEFT * self.RIGHT / (self.LEFT + self.RIGHT)
        scaled = stiffness * self.RIGID / KT
        return np.asarray(stiffness * distance - KT * (scaled / np.tanh(scaled * distance) - 1.0 / distance))


class Network:
    """Atoms in a harmonic potential 1/2 x K x, the same for every dimension; flexible."""

    def __init__(self, n_residues: int = 3, seed: int = 0) -> None:
        names = ("CA", "HA", "CB", "C")
        atoms = [(residue, name) for residue in range(n_residues) for name in names]
        self.sites = BeadSites(atoms, 4 * np.arange(n_residues), FLEXIBLE)
        factor = np.random.default_rng(seed).normal(size=(len(atoms), len(atoms)))
        self.stiffness = 20.0 * (factor @ factor.T / len(atoms) + 0.3 * np.eye(len(atoms)))

    def sample(self, n_frames: int, seed: int) -> Sample:
        normal = np.random.default_rng(seed).normal(size=(n_frames, 3, len(self.stiffness)))
        root = np.linalg.cholesky(KT * np.linalg.inv(self.stiffness))
        coords = np.einsum("ab,fdb->fad", root, normal)
        return Sample(coords, -np.einsum("ab,fbd->fad", self.stiffness, coords), self.sites)

    @property
    def bead_precision(self) -> Values:
        """Inverse covariance of the beads, 1/Å^2, [n_beads, n_beads]; kT times it are the PMF's second derivatives."""
        covariance = KT * np.linalg.inv(self.stiffness)
        return np.asarray(np.linalg.inv(covariance[np.ix_(self.sites.beads, self.sites.beads)]))
