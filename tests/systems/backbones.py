"""Synthetic frames of backbone beads that tests share: an ideal backbone with flexible torsions and thermal noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide

PHI, PSI, OMEGA = -120.0, 140.0, 180.0  # degrees
SPREAD = 15.0  # degrees, of phi and psi
NOISE = 0.04  # Å, of every coordinate


def backbone_frames(
    sequence: str = "AGPTY", n_frames: int = 200, seed: int = 0, temperature: float = 300.0, n_blocks: int = 10
) -> Frames:
    """Frames of an extended L-peptide as N, CA, CB, C, O beads, with random forces, in molecular units."""
    rng = np.random.default_rng(seed)
    peptide = Peptide(sequence, beads="backbone5")
    atoms = _backbone(sequence, n_frames, rng)
    coords = np.stack([atoms[atom] for atom in peptide.bead_atoms], axis=1)
    coords += rng.normal(scale=NOISE, size=coords.shape)
    return Frames(
        coords=coords,
        bead_types=peptide.bead_types,
        block=np.arange(n_frames) * n_blocks // n_frames,
        time_ps=np.arange(n_frames) * 0.2,
        units="molecular",
        temperature=temperature,
        system=peptide.name,
        system_spec=peptide.spec,
        source="generated for a test",
        force_map="constraint_group",
        forces=rng.normal(scale=5.0, size=coords.shape),
    )


def _backbone(sequence: str, n_frames: int, rng: np.random.Generator) -> dict[tuple[int, str], NDArray[np.float64]]:
    """Positions [n_frames, 3] of every N, CA, CB, C and O, by residue and name."""

    def torsion(mean: float) -> NDArray[np.float64]:
        return mean + rng.normal(scale=SPREAD, size=n_frames)

    atoms: dict[tuple[int, str], NDArray[np.float64]] = {}
    psi = [torsion(PSI) for _ in sequence]
    for residue in range(len(sequence)):
        if residue == 0:
            atoms[0, "N"] = np.zeros((n_frames, 3))
            atoms[0, "CA"] = np.tile([1.46, 0.0, 0.0], (n_frames, 1))
            atoms[0, "C"] = np.tile(
                [1.46 + 1.52 * np.cos(np.radians(69.0)), 1.52 * np.sin(np.radians(69.0)), 0.0], (n_frames, 1)
            )
        else:
            before = [atoms[residue - 1, name] for name in ("N", "CA", "C")]
            atoms[residue, "N"] = _place(*before, 1.33, 116.0, psi[residue - 1])
            atoms[residue, "CA"] = _place(
                before[1], before[2], atoms[residue, "N"], 1.46, 122.0, np.full(n_frames, OMEGA)
            )
            atoms[residue, "C"] = _place(
                before[2], atoms[residue, "N"], atoms[residue, "CA"], 1.52, 111.0, torsion(PHI)
            )
        n, ca, c = (atoms[residue, name] for name in ("N", "CA", "C"))
        atoms[residue, "CB"] = _place(c, n, ca, 1.53, 110.5, np.full(n_frames, -122.6))
        atoms[residue, "O"] = _place(n, ca, c, 1.23, 120.5, psi[residue] + 180.0)
    return atoms


def _place(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    bond: float,
    angle: float,
    dihedral: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The atom bonded to c, with its angle to b and its dihedral to a in degrees."""
    along = _unit(c - b)
    normal = _unit(np.cross(b - a, along))
    side = np.cross(normal, along)
    theta, phi = np.radians(angle), np.radians(dihedral)[:, None]
    return c + bond * (-np.cos(theta) * along + np.sin(theta) * (np.cos(phi) * side + np.sin(phi) * normal))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
