"""A first all-atom guess on a CA trace: library residues superposed, peptide planes, turned side chains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.library import FragmentLibrary, window_of
from cgexp.all_atom.structure import AllAtom
from cgexp.systems.metric import superpose

Positions = NDArray[np.float64]


class PeptidePlanes:
    """The peptide planes of a peptide, shaped as it is built, and the residues that hang between them."""

    def __init__(self, peptide: AllAtom) -> None:
        self._index = {atom: number for number, atom in enumerate(peptide.atoms)}
        residues = np.array([residue for residue, _ in peptide.atoms])
        self._ca = peptide.ca
        self._planes = [self._plane(peptide.sequence, residue) for residue in range(len(self._ca) - 1)]
        self._shapes = [
            (peptide.positions[plane] - origin) @ axes.T
            for plane in self._planes
            for origin, axes in [self._frame(peptide.positions, plane)]
        ]
        fixed = np.concatenate([self._ca, *self._planes])
        self._rest = [np.setdiff1d(np.flatnonzero(residues == residue), fixed) for residue in range(len(self._ca))]
        self._backbone = [[self._index[residue, name] for name in ("N", "CA", "C")] for residue in range(len(self._ca))]

    def build(self, positions: Positions, tilts: NDArray[np.floating]) -> Positions:
        """Return positions [n_atoms, 3] (Å) with ideal planes, and each residue turned to fit the planes it joins.

        A plane keeps the direction of its O, but for a tilt (rad, [n_residues - 1]) about the line between its CA
        atoms. CA atoms stay where they are.
        """
        built = positions.copy()
        for plane, shape, tilt in zip(self._planes, self._shapes, tilts, strict=True):
            origin, axes = self._frame(positions, plane)
            turn = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(tilt), np.sin(tilt)], [0.0, -np.sin(tilt), np.cos(tilt)]])
            built[plane] = origin + shape @ turn @ axes
        for rest, backbone in zip(self._rest, self._backbone, strict=True):
            rotation, translation = superpose(positions[backbone], built[backbone])
            built[rest] = positions[rest] @ rotation + translation
        return built

    def _plane(self, sequence: str, residue: int) -> list[int]:
        """C and O of a residue, N and H of the next; proline has no such H."""
        names = [(residue, "C"), (residue, "O"), (residue + 1, "N")]
        names += [(residue + 1, "H")] if sequence[residue + 1] != "P" else []
        return [self._index[name] for name in names]

    def _frame(self, positions: Positions, plane: list[int]) -> tuple[Positions, Positions]:
        """Midpoint of the two CA atoms, and axes in rows: along their line, towards O, and across the plane."""
        residue = int(np.searchsorted(self._ca, plane[0], side="right")) - 1
        first, second, oxygen = positions[[self._ca[residue], self._ca[residue + 1], plane[1]]]
        along = (second - first) / np.linalg.norm(second - first)
        towards = oxygen - first - (oxygen - first) @ along * along
        towards /= np.linalg.norm(towards)
        return (first + second) / 2.0, np.stack([along, towards, np.cross(along, towards)])


N_DRAWS = 20  # at most, of one side chain
CLEARANCE = 3.0  # Å between heavy atoms of different residues; a draw that keeps it is taken at once

Indices = NDArray[np.int64]


class Turn(NamedTuple):
    """A bond from atom ``start`` to ``end``, and the atoms that turn about it."""

    start: int
    end: int
    moved: Indices


class SideChains:
    """The side chains of a peptide that can turn about their single bonds (chi torsions)."""

    def __init__(self, peptide: AllAtom) -> None:
        atoms = list(peptide.topology.atoms())
        self._heavy = np.array([atom.element.symbol != "H" for atom in atoms])
        self._residue = np.array([atom.residue.index for atom in atoms])
        self._neighbours: list[list[int]] = [[] for _ in atoms]
        for bond in peptide.topology.bonds():
            self._neighbours[bond[0].index].append(bond[1].index)
            self._neighbours[bond[1].index].append(bond[0].index)
        index = {atom: number for number, atom in enumerate(peptide.atoms)}
        betas = {residue: index[residue, "CB"] for residue, name in index if name == "CB"}
        turns = {residue: self._turns(index[residue, "CA"], beta) for residue, beta in betas.items()}
        self.turns = {residue: found for residue, found in turns.items() if found}

    def draw(self, positions: Positions, random: np.random.Generator) -> Positions:
        """Return positions [n_atoms, 3] (Å) with every side chain turned at random, clear of the others where possible.

        Angles are uniform: relaxing the bonded terms then brings each to one of its own minima.
        """
        for residue in random.permutation(list(self.turns)):
            positions = self._draw_one(positions, int(residue), random)
        return positions

    def _draw_one(self, positions: Positions, residue: int, random: np.random.Generator) -> Positions:
        moved = self.turns[residue][0].moved
        moved = moved[self._heavy[moved]]
        others = positions[self._heavy & (self._residue != residue)]
        best, best_clearance = positions, -1.0
        for _ in range(N_DRAWS):
            drawn = positions.copy()
            for turn in self.turns[residue]:
                drawn[turn.moved] = _turned(drawn, turn, random.uniform(0.0, 2.0 * np.pi))
            clearance = np.linalg.norm(drawn[moved][:, None] - others[None], axis=-1).min()
            if clearance > best_clearance:
                best, best_clearance = drawn, clearance
            if clearance > CLEARANCE:
                break
        return best

    def _turns(self, start: int, end: int) -> list[Turn]:
        """Turns about the bond from ``start`` to ``end`` and the bonds beyond it, the nearest to the backbone first."""
        moved = self._beyond(start, end)
        if start in moved:  # a ring
            return []
        single = max(len(self._neighbours[start]), len(self._neighbours[end])) == 4
        moves_heavy_atoms = self._heavy[moved].sum() > 1
        turns = [Turn(start, end, np.array(moved))] if single and moves_heavy_atoms else []
        for beyond in self._neighbours[end]:
            if beyond != start and self._heavy[beyond]:
                turns += self._turns(end, beyond)
        return turns

    def _beyond(self, start: int, end: int) -> list[int]:
        """Atoms reached from ``end`` without the bond to ``start``; they include ``start`` if the bond is in a ring."""
        found, front = {end}, [end]
        while front:
            atom = front.pop()
            steps = [other for other in self._neighbours[atom] if other not in found and {atom, other} != {start, end}]
            found.update(steps)
            front += steps
        return sorted(found)


def _turned(positions: Positions, turn: Turn, angle: float) -> Positions:
    """Positions of the moved atoms after a turn by ``angle`` (rad) about the bond (Rodrigues' formula)."""
    axis = positions[turn.end] - positions[turn.start]
    axis = axis / np.linalg.norm(axis)
    arms = positions[turn.moved] - positions[turn.end]
    along = np.outer(arms @ axis, axis)
    return positions[turn.end] + along + (arms - along) * np.cos(angle) + np.cross(axis, arms) * np.sin(angle)


N_CANDIDATES = 10  # fragments drawn among, per residue
SLACK = 0.3  # Å of RMSD by which a candidate may be worse than the best


class Stitch:
    """Fragments for one CA trace, looked up once; every ``draw`` combines them anew. ca: [n_residues, 3], Å."""

    def __init__(self, library: FragmentLibrary, ca: NDArray[np.float64]) -> None:
        self._library = library
        self._ca = ca
        names = [name for _, name in library.atoms]
        self._residue = np.array([residue for residue, _ in library.atoms])
        self._ca_index = np.array([index for index, name in enumerate(names) if name == "CA"])
        self._candidates = [self._candidates_of(residue) for residue in range(len(ca))]

    def draw(self, random: np.random.Generator) -> NDArray[np.float64]:
        """All-atom positions [n_atoms, 3] in Å with every CA on the trace; bonds between residues are not yet sound.

        Each residue comes from one of the frames whose window of five CA atoms fits the trace best, drawn evenly among
        those nearly as good as the best.
        """
        positions = np.empty((len(self._residue), 3))
        for residue, candidates in enumerate(self._candidates):
            atoms = np.flatnonzero(self._residue == residue)
            positions[atoms] = self._placed(int(random.choice(candidates)), residue, atoms)
        return positions

    def _candidates_of(self, residue: int) -> NDArray[np.int64]:
        frames, distance = self._library.nearest(self._ca, residue, N_CANDIDATES)
        return frames[distance <= distance[0] + SLACK]

    def _placed(self, frame: int, residue: int, atoms: NDArray[np.int64]) -> NDArray[np.float64]:
        """The atoms of a residue of a library frame, turned to fit the trace around it, with its CA on the trace."""
        source = self._library.positions[frame].astype(np.float64)
        window = window_of(residue, len(self._ca))
        rotation, _ = superpose(source[self._ca_index[window]], self._ca[window])
        return (source[atoms] - source[self._ca_index[residue]]) @ rotation + self._ca[residue]
