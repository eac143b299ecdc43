"""ToyOracle: the exact mean force of a toy potential, or the instantaneous force at an exact sample of y given x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.toy_data import sample_within
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.oracles.oracle import Coords, DirectOracle, Forces, fingerprint
from cgexp.parts.ranges import Seed
from cgexp.systems.toy import BATCH, N_Y, ToyPotential


@dataclass(kw_only=True)
class ToyOracle(DirectOracle):
    """Labels x of a toy potential.

    noise: 'none' gives the exact mean force, with standard error 0; 'sampled' the force -dV/dx at an exact draw of y
    given x, with its exact standard deviation as standard error. seed: of the draws.
    """

    system: ToyPotential
    noise: Literal["none", "sampled"] = "none"
    seed: Seed = 0

    name: ClassVar[str] = "toy"

    def __post_init__(self) -> None:
        ToyPotential.expect(self.system, "the toy oracle")
        if self.temperature != self.system.temperature:
            raise InputError(
                f"the oracle states temperature={self.temperature} but its system has {self.system.temperature}: "
                f"set oracle.temperature={self.system.temperature}"
            )

    @property
    def source(self) -> str:
        kind = "exact mean force" if self.noise == "none" else f"force at a draw of y given x, seed {self.seed}"
        return f"toy oracle: {kind}"

    def further(self, frames: Frames, n: int, generator: np.random.Generator) -> Coords:
        """Boltzmann samples in the range that the initial frames span."""
        x = frames.coords[frames.round < 0] if frames.round is not None else frames.coords
        points = sample_within(self.system, n, generator, float(x.min()), float(x.max()))
        return points[:, :1, None].astype(np.float32)

    def forces(self, coords: Coords) -> Forces:
        """Forces of coords [n, 1, 1], kT/length."""
        x = coords[:, 0, 0].astype(np.float64)
        if self.noise == "none":
            mean = self.system.mean_force(x)
            return Forces(mean.reshape(-1, 1, 1), np.zeros((len(x), 1, 1)))
        generators = [np.random.default_rng((self.seed, fingerprint(configuration))) for configuration in coords]
        force = self.system.force_x(np.stack([x, draw_y(self.system, x, generators)], axis=-1))
        sem = np.sqrt(self.system.force_variance(x))
        return Forces(force.reshape(-1, 1, 1), sem.reshape(-1, 1, 1))


def draw_y(toy: ToyPotential, x: NDArray[np.float64], generators: list[np.random.Generator]) -> NDArray[np.float64]:
    """Draw y from exp(-V(x, y)/kT) at each x [n], by one generator each; returns [n].

    A point of the quadrature grid is drawn by its weight after the whole grid was shifted by a uniform part of its
    spacing. Where the quadrature has converged, so that the sum does not depend on the shift, the draw is exact.
    """
    grid = np.linspace(*toy.y_range, N_Y)[:-1]
    spacing = grid[1] - grid[0]
    uniform = np.array([generator.random(2) for generator in generators]).reshape(-1, 2)
    drawn = np.empty(len(x))
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        y = grid + spacing * uniform[rows, :1]
        energy = toy.energy(np.stack(np.broadcast_arrays(x[rows, None], y), axis=-1))
        cumulative = np.cumsum(np.exp((energy.min(axis=1, keepdims=True) - energy) / toy.temperature), axis=1)
        index = (cumulative < uniform[rows, 1:] * cumulative[:, -1:]).sum(axis=1)
        drawn[rows] = np.take_along_axis(y, index[:, None], axis=1)[:, 0]
    return drawn
