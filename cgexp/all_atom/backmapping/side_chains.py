"""Side chains: which of their bonds turn, and random turns that keep clear of the other residues."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.structure import AllAtom

N_DRAWS = 20  # at most, of one side chain
CLEARANCE = 3.0  # Å between heavy atoms of different residues; a draw that keeps it is taken at once

Indices = NDArray[np.int64]
Positions = NDArray[np.float64]


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
