"""Observables of the beads in a system's trace: coords [n_frames, n_trace, 3] in its length unit -> [n_frames, n].

Of a peptide the trace are its C-alpha beads, whatever others there are, so that mappings can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp import geometry
from cgexp.systems.base import System
from cgexp.systems.bond_graph import BondGraph
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.peptide import SEPARATION

Values = NDArray[np.float64]
Coords = NDArray[np.floating]
_AT_ONCE = 2**22  # distances that are computed at a time: 100 MB of differences


def bonds(coords: Coords, graph: BondGraph) -> Values:
    """Distances of bonded beads: [n_frames, n_bonds]."""
    return geometry.distances(_tensor(coords), graph.bonds()).numpy()


def angles(coords: Coords, graph: BondGraph) -> Values:
    """Angles between bonds that share a bead: [n_frames, n_angles], rad in [0, pi]."""
    return geometry.angles(_tensor(coords), graph.angles()).numpy()


def dihedrals(coords: Coords, graph: BondGraph) -> Values:
    """Dihedrals about bonds: [n_frames, n_dihedrals], rad in (-pi, pi]."""
    return geometry.dihedrals(_tensor(coords), graph.dihedrals()).numpy()


def pair_distances(coords: Coords, pairs: NDArray[np.int64] | None = None) -> Values:
    """Distances of pairs [n_pairs, 2] of beads: [n_frames, n_pairs]; of all, ordered by first, then second bead."""
    index = geometry.pair_list(coords.shape[1]) if pairs is None else torch.as_tensor(pairs)
    found = np.empty((len(coords), len(index)))
    for part in _parts(len(coords), len(index)):
        found[part] = geometry.distances(_tensor(coords[part]), index).numpy()
    return found


def end_to_end(coords: Coords) -> Values:
    """Distance of the first and the last bead: [n_frames, 1]."""
    coords = np.asarray(coords, dtype=np.float64)
    return np.linalg.norm(coords[:, -1] - coords[:, 0], axis=-1)[:, None]


def radius_of_gyration(coords: Coords) -> Values:
    """Root mean square distance of the beads from their centroid, all beads alike: [n_frames, 1]."""
    coords = np.asarray(coords, dtype=np.float64)
    centred = coords - coords.mean(axis=1, keepdims=True)
    return np.sqrt(np.square(centred).sum(axis=-1).mean(axis=1))[:, None]


def contact_pairs(n_trace: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and second bead of every pair at least SEPARATION (3) beads apart in the trace: each [n_pairs]."""
    first, second = np.triu_indices(n_trace, SEPARATION)
    return first, second


def contacts(trace: Coords, cutoff: float) -> NDArray[np.bool_]:
    """Which pairs are nearer than ``cutoff``: coords of the trace [n_frames, n_trace, 3] -> [n_frames, n_pairs]."""
    first, second = contact_pairs(trace.shape[1])
    found = np.empty((len(trace), len(first)), dtype=np.bool_)
    for rows in _parts(len(trace), len(first)):
        part = np.asarray(trace[rows], dtype=np.float64)
        found[rows] = np.square(part[:, first] - part[:, second]).sum(axis=-1) < cutoff**2
    return found


def _parts(n_frames: int, n_pairs: int) -> Iterator[slice]:
    """Slices of frames that have at most _AT_ONCE distances, or are single frames."""
    n_rows = max(1, _AT_ONCE // max(n_pairs, 1))
    yield from (slice(start, start + n_rows) for start in range(0, n_frames, n_rows))


class Quantity(NamedTuple):
    """An observable: how it is measured on the trace, how it stands on an axis, its period on a circle.

    measure: (coords [n_frames, n_trace, 3], the system) -> [n_frames, n_coordinates]. unit: '{length}' stands for the
    system's. needs_native: whether a system without a native structure has none.
    """

    measure: Callable[[Coords, System], Values]
    label: str
    unit: str
    period: float | None = None
    needs_native: bool = False


# One entry a quantity: its W1 with resolution, JS, KL and density follow. Units other than Å: report/table.py.
QUANTITIES = {
    "bond": Quantity(lambda c, system: bonds(c, BondGraph.of_trace(system)), "bond", "{length}"),
    "angle": Quantity(lambda c, system: angles(c, BondGraph.of_trace(system)), "angle between bonds", "rad"),
    "dihedral": Quantity(
        lambda c, system: dihedrals(c, BondGraph.of_trace(system)), "dihedral", "rad", period=2.0 * np.pi
    ),
    "end_to_end": Quantity(lambda c, _: end_to_end(c), "end-to-end distance", "{length}"),
    "rg": Quantity(lambda c, _: radius_of_gyration(c), "radius of gyration", "{length}"),
    "rmsd": Quantity(
        lambda c, system: superposed_rmsd(c, system.native()[None]), "RMSD to native", "{length}", needs_native=True
    ),
}


def observables_of(coords: Coords, system: System) -> dict[str, Values]:
    """Every quantity of QUANTITIES that the system has, by name, each [n_frames, n_coordinates], n_coordinates > 0.

    coords: of all beads of the system, [n_frames, n_beads, 3].
    """
    trace = coords[:, system.trace]
    wanted = {n: q for n, q in QUANTITIES.items() if system.native_structure is not None or not q.needs_native}
    measured = {name: quantity.measure(trace, system) for name, quantity in wanted.items()}
    return {name: values for name, values in measured.items() if values.shape[1]}


def _tensor(coords: Coords) -> torch.Tensor:
    return torch.tensor(np.asarray(coords), dtype=torch.float64)
