"""KnownEnergySamples: Langevin dynamics of a molecule whose energy is known, with its exact forces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.datasets.langevin import Dynamics
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.toy_data import N_PREVIEW, stated_points
from cgexp.frames import Frames
from cgexp.parts.ranges import NonNegativeInt, Positive, PositiveInt
from cgexp.systems.known_energy import KnownEnergy


@dataclass(kw_only=True)
class KnownEnergySamples(Recipe):
    """Frames of many walkers, which start from the system's own samples, with exact forces and their time.

    n_walkers; friction: 1/time; dt, save_interval (a multiple of dt), block_length: time. A block is a stretch of one
    walker of at least block_length. seed: of the data alone. Resumes in ``folder``. Raises InputError if n_frames is
    not stated or the temperature is not the system's.
    """

    system: KnownEnergy
    n_walkers: PositiveInt
    friction: Positive
    dt: Positive
    save_interval: Positive
    block_length: Positive
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        KnownEnergy.expect(self.system, f"data set '{self.name}'")
        self.n_points = stated_points(self, self.system.temperature, "dataset.system.temperature")

    def preview(self) -> Frames:
        """A few of the system's own samples, which the walkers start from."""
        few = replace(self, n_frames=min(self.n_points, N_PREVIEW))
        coords = self.system.sample(few.n_points, np.random.default_rng(self.seed)).astype(np.float32)
        return few._frames(coords, np.arange(few.n_points), None, "samples of the system")

    def make(self, folder: Path) -> Frames:
        """Simulate and label with the forces at the coordinates that are kept."""
        system = self.system
        starts = system.sample(min(self.n_walkers, self.n_points), np.random.default_rng(self.seed))
        dynamics = Dynamics(self.temperature, self.friction, self.dt, self.save_interval, self.block_length)
        walks = dynamics.walk(_Surface(system), starts, system.masses, self.n_points, folder, self.seed)
        source = f"Langevin dynamics, {len(starts)} walkers, friction {self.friction:g}, seed {self.seed}"
        return self._frames(walks.coords, walks.block, walks.time.astype(np.float32), source)

    def _frames(
        self, coords: NDArray[np.float32], block: NDArray[np.int64], time: NDArray[np.float32] | None, source: str
    ) -> Frames:
        frames = Frames(
            coords=coords,
            forces=self.system.forces(coords).astype(np.float32),
            bead_types=self.system.bead_types,
            block=block,
            time_ps=time,
            units=self.units,
            temperature=self.temperature,
            system=self.system.name,
            source=source,
            force_map=self.force_map,
        )
        return self.check(frames)


class _Surface(nn.Module):
    def __init__(self, system: KnownEnergy) -> None:
        super().__init__()
        self.system = system

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        """coords [n, n_beads, n_dims] -> energy [n], forces of the shape of coords."""
        return self.system.energy_and_forces(coords)
