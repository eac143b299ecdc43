"""Data of a toy in the plane: points with both components of the exact force, without noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cgexp.datasets.recipe import Recipe
from cgexp.datasets.toy_data import N_PREVIEW, NOWHERE, stated_points, uniform_points
from cgexp.frames import Frames
from cgexp.parts.ranges import Coordinate, NonNegativeInt
from cgexp.systems.plane import Plane


@dataclass(kw_only=True)
class PlanePoints(Recipe):
    """Independent points uniform in a square, not an equilibrium ensemble, with the exact force at each.

    lower, upper: edges of the square, length. seed: of the points. Raises InputError if n_frames is not stated or the
    temperature is not the system's.
    """

    system: Plane
    lower: Coordinate = -5.0
    upper: Coordinate = 5.0
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.n_points = stated_points(self, self.system.temperature, "dataset.system.toy.temperature")

    def preview(self) -> Frames:
        """A few such points."""
        return replace(self, n_frames=min(self.n_points, N_PREVIEW)).make(NOWHERE)

    def make(self, folder: Path) -> Frames:
        """Frames with coords and forces [n_frames, 1, 2]; nothing is kept in ``folder``."""
        points = uniform_points(self.n_points, self.lower, self.upper, self.seed)
        points = points.astype(np.float32)  # forces are those of the rounded points that are kept
        frames = Frames(
            coords=points[:, None],
            forces=self.system.force(points).astype(np.float32)[:, None],
            bead_types=self.system.bead_types,
            block=np.arange(self.n_points),
            units=self.units,
            temperature=self.temperature,
            system=self.system.name,
            source=f"uniform points in [{self.lower:g}, {self.upper:g}]^2, seed {self.seed}",
            force_map=self.force_map,
        )
        return self.check(frames)
