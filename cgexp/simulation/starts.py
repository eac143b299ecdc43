"""Where replicas start: at frames of the data, all or those of one basin, or at ideal structures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.systems.basins import basin_of
from cgexp.systems.farthest import farthest_points
from cgexp.systems.peptide import Peptide

BOND, RISE = 3.8, 3.4  # Å: consecutive C-alpha atoms (trans), and how far a residue takes a beta strand
SPREAD_CANDIDATES = 10_000  # frames that farthest points are chosen from: 0.03 s a choice, of ten beads

Starts = Callable[[Frames, System, int, int], Tensor]


def make_starts(kind: str, frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Starts of one of the kinds in STARTS: [n_replicas, n_beads, n_dims] in the precision of the frames.

    Raises InputError for an unknown kind, or one that this system does not have.
    """
    if kind not in STARTS:
        raise InputError(f"unknown simulation.starts={kind}{did_you_mean(kind, STARTS)}: expected {', '.join(STARTS)}")
    return STARTS[kind](frames, system, n_replicas, seed)


def choose_starts(frames: Frames, n_replicas: int, seed: int) -> Tensor:
    """One random frame from each of ``n_replicas`` random blocks: [n_replicas, n_beads, n_dims].

    No block serves twice before all have served once, which spreads the starts over the data.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(frames.block, kind="stable")
    _, first, sizes = np.unique(frames.block[order], return_index=True, return_counts=True)
    rounds = -(-n_replicas // len(first))
    chosen = np.concatenate([generator.permutation(len(first)) for _ in range(rounds)])[:n_replicas]
    index = order[first[chosen] + generator.integers(sizes[chosen])]
    return torch.tensor(frames.coords[index])


def extended_chain(n_beads: int) -> NDArray[np.float64]:
    """C-alpha atoms of an ideal beta strand: a planar zigzag of bonds of 3.8 Å that rises 3.4 Å a residue, [n, 3]."""
    bead = np.arange(n_beads)
    chain = np.stack([RISE * bead, np.sqrt(BOND**2 - RISE**2) * (bead % 2), np.zeros(n_beads)], axis=-1)
    return np.asarray(chain - chain.mean(axis=0))


def _data(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    return choose_starts(frames, n_replicas, seed)


def _spread(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Farthest points of the data, the first far from a random frame; none serves twice before all have served."""
    n_candidates = min(len(frames), SPREAD_CANDIDATES)
    candidates = frames.coords[np.arange(n_candidates) * len(frames) // n_candidates]
    anywhere = candidates[[np.random.default_rng(seed).integers(n_candidates)]]
    first = farthest_points(system, candidates, anywhere, 1)
    others = farthest_points(system, candidates, candidates[first], min(n_replicas, n_candidates) - 1)
    return torch.tensor(candidates[np.resize(np.concatenate([first, others]), n_replicas)])


def _folded(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Frames of the folded basin; the native structure where the data have none."""
    peptide = _peptide(system, "folded")
    found = _basin(frames, peptide, "folded")
    if len(found):
        return choose_starts(found, n_replicas, seed)
    _require_ca(peptide, "folded")
    return _repeated(peptide.native(), frames, n_replicas)


def _unfolded(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Frames of the unfolded basin; the extended chain where the data have none."""
    found = _basin(frames, _peptide(system, "unfolded"), "unfolded")
    return choose_starts(found, n_replicas, seed) if len(found) else _extended(frames, system, n_replicas, seed)


def _extended(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """The same extended chain for all, which their velocities and noise tell apart."""
    peptide = _peptide(system, "extended")
    _require_ca(peptide, "extended")
    return _repeated(extended_chain(peptide.n_beads), frames, n_replicas)


# one function a kind; Simulation's annotation of ``starts`` names the same
STARTS: dict[str, Starts] = {
    "data": _data, "folded": _folded, "unfolded": _unfolded, "extended": _extended, "spread": _spread,
}  # fmt: skip


def _basin(frames: Frames, peptide: Peptide, basin: str) -> Frames:
    try:
        native = peptide.native()
    except InputError as error:
        raise InputError(
            f"simulation.starts={basin} tells basins apart by the native structure, which is not known for "
            f"'{peptide.sequence}': use simulation.starts=data or extended"
        ) from error
    return frames.select(basin_of(frames.coords[:, peptide.ca], native) == basin)


def _peptide(system: System, kind: str) -> Peptide:
    if not isinstance(system, Peptide):
        raise InputError(
            f"simulation.starts={kind} is made for peptides, and the data are of {system.name}: use "
            "simulation.starts=data or spread"
        )
    return system


def _require_ca(peptide: Peptide, kind: str) -> None:
    if peptide.beads != "ca":
        raise InputError(
            f"simulation.starts={kind} finds no frames in these data and can build C-alpha atoms alone, but the beads "
            f"are {peptide.beads}: use simulation.starts=data or spread"
        )


def _repeated(chain: NDArray[np.float64], frames: Frames, n_replicas: int) -> Tensor:
    return torch.tensor(np.repeat(chain[None].astype(frames.coords.dtype), n_replicas, axis=0))
