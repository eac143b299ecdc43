"""System: what is modelled, as far as every stage needs to know it: beads, dimensions, units, masses, a distance."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from cgexp.parts.part import Part


class System(Part, ABC):
    """A coarse-grained system; a subclass sets the attributes in its ``__init__`` from plain config values.

    name: short name, recorded in frames. n_beads, n_dims: shape of one configuration. units: 'molecular' or
    'reduced'. bead_types: [n_beads], int64. masses: [n_beads], amu, or reduced.
    """

    name: str
    n_beads: int
    n_dims: int
    units: str
    bead_types: NDArray[np.int64]
    masses: NDArray[np.float64]

    @abstractmethod
    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance between configurations: a [n, n_beads, n_dims], b [m, n_beads, n_dims] -> [n, m], length unit."""
