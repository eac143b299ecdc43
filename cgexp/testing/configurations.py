"""Configurations to test on: random chains of beads that look like C-alpha traces, and frames made of them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cgexp.energy import EnergyTerm
from cgexp.frames import Frames
from cgexp.geometry import distances, pair_list
from cgexp.systems.base import system_of
from cgexp.systems.molecule import Molecule


def random_chains(n_frames: int, n_beads: int = 10, seed: int = 0, closest: float = 3.5) -> Tensor:
    """Self-avoiding chains [n_frames, n_beads, 3], float64, Å: bonds near 3.8, angles 1.3 to 2.3 rad, any dihedral.

    Beads three or more apart along the chain keep at least ``closest`` Å from each other.
    """
    generator = torch.Generator().manual_seed(seed)
    separated = pair_list(n_beads, 3)
    kept = torch.empty(0, n_beads, 3, dtype=torch.float64)
    while len(kept) < n_frames:
        chains = _grow(4 * n_frames, n_beads, generator)
        apart = (distances(chains, separated) > closest).all(dim=1)
        kept = torch.cat([kept, chains[apart]])
    return kept[:n_frames]


def chain_frames(n_frames: int, n_beads: int = 10, seed: int = 0, temperature: float = 300.0) -> Frames:
    """Frames of random chains with random forces, in molecular units."""
    coords = random_chains(n_frames, n_beads, seed).numpy()
    rng = np.random.default_rng(seed)
    types = np.arange(n_beads) % 4
    system = Molecule("random chain", n_beads, units="molecular", bead_types=types.tolist())
    return Frames(
        coords=coords,
        bead_types=types,
        block=np.arange(n_frames) // 10,
        units="molecular",
        temperature=temperature,
        system=system.name,
        system_spec=system.spec,
        source="generated for a test",
        forces=rng.normal(scale=5.0, size=coords.shape),
    )


def toy_frames(n_frames: int, n_dims: int = 1, seed: int = 0, temperature: float = 1.0) -> Frames:
    """Frames of one bead at normally distributed points, with random forces, in reduced units."""
    rng = np.random.default_rng(seed)
    coords = rng.normal(loc=0.5, scale=2.0, size=(n_frames, 1, n_dims))
    system = Molecule("random points", 1, n_dims)
    return Frames(
        coords=coords,
        bead_types=np.zeros(1, dtype=np.int64),
        block=np.arange(n_frames) // 10,
        units="reduced",
        temperature=temperature,
        system=system.name,
        system_spec=system.spec,
        source="generated for a test",
        forces=rng.normal(size=coords.shape),
    )


def fit_to(term: EnergyTerm, frames: Frames) -> EnergyTerm:
    """``term`` after it was fitted to frames of the system that they carry."""
    term.fit(frames, system_of(frames))
    return term


def random_rotations(n: int, seed: int = 0) -> Tensor:
    """Proper rotation matrices [n, 3, 3], float64."""
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(n, 3, 3, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r, dim1=1, dim2=2))[:, None, :]
    return q * torch.sign(torch.linalg.det(q))[:, None, None]


def _grow(n_frames: int, n_beads: int, generator: torch.Generator) -> Tensor:
    """Place each bead by bond length, angle and dihedral in the frame of the three before it."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n_frames, 1, generator=generator, dtype=torch.float64)

    before = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64).expand(n_frames, 3)
    along = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64).expand(n_frames, 3)
    beads = [torch.zeros(n_frames, 3, dtype=torch.float64)]
    while len(beads) < n_beads:
        normal = normalize(torch.linalg.cross(before, along), dim=1)
        side = torch.linalg.cross(normal, along)
        theta, phi = uniform(1.3, 2.3), uniform(-math.pi, math.pi)
        direction = -theta.cos() * along + theta.sin() * (phi.cos() * side + phi.sin() * normal)
        r = 3.8 + 0.06 * torch.randn(n_frames, 1, generator=generator, dtype=torch.float64)
        beads.append(beads[-1] + r * direction)
        before, along = along, direction
    return torch.stack(beads, dim=1)
