"""Farthest points of a peptide of two beads, whose distance is that of its bond length."""

from __future__ import annotations

import numpy as np

from cgexp.systems.base import farthest_points
from cgexp.systems.peptide import Peptide


def test_farthest_points_spread_out() -> None:
    peptide = Peptide("AG")
    lengths = np.array([1.0, 1.1, 2.0, 5.0, 5.1, 9.0])
    frames = np.zeros((6, 2, 3))
    frames[:, 1, 0] = lengths
    chosen = farthest_points(peptide, frames, frames[:1], 3)
    assert lengths[chosen].tolist() == [9.0, 5.0, 2.0]
    assert sorted(farthest_points(peptide, frames, frames[:1], 6).tolist()) == list(range(6))
    assert farthest_points(peptide, frames, frames[:0], 2).tolist() == [0, 5]
