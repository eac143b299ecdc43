"""Data of the toy systems: 2D points with exact forces, coarse-grained to x with instantaneous forces -dV/dx."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.datasets.langevin import Dynamics
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import Coordinate, NonNegativeInt, Positive, PositiveInt, Region
from cgexp.systems.toy import ToyPotential

# The envelope of rejection sampling: cells over x_range and y_range, the density's maximum on a sub-grid of each.
CELLS = (300, 300)
SUB_POINTS = 5  # a side, both edges included
RAREST = 1e-3  # fraction of all samples that a range of x must hold
MARGIN = 1.1  # over that maximum; a density above it is refused, so the samples are exact

N_PREVIEW = 2000  # frames
NOWHERE = Path()  # the folder of recipes that keep nothing in it

Points = NDArray[np.float64]


@dataclass(kw_only=True)
class ToyRecipe(Recipe):
    """A data set of a toy system. seed: of the data alone, so that models of different seeds share their data.

    Raises InputError if n_frames is not stated or the temperature is not the system's.
    """

    system: ToyPotential
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.n_points = stated_points(self, self.system.temperature, "dataset.system.temperature")

    def preview(self) -> Frames:
        """A few of the independent points that ``make`` gives."""
        return replace(self, n_frames=min(self.n_points, N_PREVIEW)).make(NOWHERE)

    def coarse_grain(self, points: NDArray[np.floating], block: NDArray[np.integer], source: str) -> Frames:
        """Frames of x [n, 1, 1] with the instantaneous force at each 2D point [n, 2]."""
        points = points.astype(np.float32)  # forces are those of the rounded points that are kept
        frames = Frames(
            coords=points[:, :1, None],
            forces=self.system.force_x(points).astype(np.float32)[:, None, None],
            bead_types=self.system.bead_types,
            block=block,
            units=self.units,
            temperature=self.temperature,
            system=self.system.name,
            source=source,
            force_map=self.force_map,
        )
        return self.check(frames)


@dataclass(kw_only=True)
class UniformPoints(ToyRecipe):
    """Independent points uniform in a square: not an equilibrium ensemble. lower, upper: its edges, length."""

    lower: Coordinate = -5.0
    upper: Coordinate = 5.0

    def make(self, folder: Path) -> Frames:
        points = uniform_points(self.n_points, self.lower, self.upper, self.seed)
        source = f"uniform points in [{self.lower:g}, {self.upper:g}]^2, seed {self.seed}"
        return self.coarse_grain(points, np.arange(self.n_points), source)


@dataclass(kw_only=True)
class ExactSamples(ToyRecipe):
    """Independent samples of exp(-V/kT) in 2D by rejection, exact; each frame is a block of its own.

    within: from and to which x samples are kept, length, for data that lack a basin; None: all.
    """

    within: Region[tuple[Coordinate, Coordinate] | None] = None

    def make(self, folder: Path) -> Frames:
        generator = np.random.default_rng(self.seed)
        source = f"independent Boltzmann samples by rejection, seed {self.seed}"
        if self.within is None:
            points = sample_boltzmann(self.system, self.n_points, generator)
        else:
            points = sample_within(self.system, self.n_points, generator, *self.within)
            source += f", x in [{self.within[0]:g}, {self.within[1]:g}] only"
        return self.coarse_grain(points, np.arange(self.n_points), source)


@dataclass(kw_only=True)
class LangevinSamples(ToyRecipe):
    """Frames of 2D Langevin dynamics (BAOAB, mass 1) of many walkers, which start from exact Boltzmann samples.

    n_walkers; friction 1/time; dt, save_interval (a multiple of dt), block_length: time. A block is a stretch of one
    walker of at least block_length, which is to exceed the correlation time of x. Resumes in ``folder``.
    """

    n_walkers: PositiveInt
    friction: Positive
    dt: Positive
    save_interval: Positive
    block_length: Positive

    def preview(self) -> Frames:
        """Exact samples, such as the walkers start from."""
        few = replace(self, n_frames=min(self.n_points, N_PREVIEW))
        points = sample_boltzmann(self.system, few.n_points, np.random.default_rng(self.seed))
        return few.coarse_grain(points, np.arange(few.n_points), "independent Boltzmann samples by rejection")

    def make(self, folder: Path) -> Frames:
        n_walkers = min(self.n_walkers, self.n_points)
        starts = sample_boltzmann(self.system, n_walkers, np.random.default_rng(self.seed))
        dynamics = Dynamics(self.temperature, self.friction, self.dt, self.save_interval, self.block_length)
        walks = dynamics.walk(
            _Surface(self.system), starts[:, None], self.system.masses, self.n_points, folder, self.seed
        )
        source = f"Langevin dynamics in 2D, {n_walkers} walkers, friction {self.friction:g}, seed {self.seed}"
        return self.coarse_grain(walks.coords[:, 0], walks.block, source)


class _Surface(nn.Module):
    """The 2D potential as something to simulate: one bead in two dimensions."""

    def __init__(self, system: ToyPotential) -> None:
        super().__init__()
        self.system = system

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        """coords [n, 1, 2] -> energy [n], forces [n, 1, 2], kT."""
        with torch.enable_grad():
            coords = coords.detach().requires_grad_()
            energy = self.system.potential(coords[:, 0, 0], coords[:, 0, 1])
            (gradient,) = torch.autograd.grad(energy.sum(), coords)
        return energy.detach(), -gradient


def stated_points(recipe: Recipe, temperature: float, key: str) -> int:
    """Number of points of a toy's recipe, whose system is at ``temperature`` (kT), set by the config key ``key``.

    Raises InputError if n_frames is not stated or the temperature is not the system's.
    """
    if recipe.n_frames is None:
        raise InputError(f"data set '{recipe.name}' needs a number of frames: set dataset.n_frames=<number>")
    if recipe.temperature != temperature:
        raise InputError(
            f"data set '{recipe.name}' states temperature={recipe.temperature} but its system has {temperature}: "
            f"set {key}={recipe.temperature}"
        )
    return recipe.n_frames


def uniform_points(n_points: int, lower: float, upper: float, seed: int) -> Points:
    """Independent points [n_points, 2] uniform in the square [lower, upper]^2; InputError if that is empty."""
    if not lower < upper:
        raise InputError(f"dataset.lower={lower} is not below dataset.upper={upper}: give a square")
    return np.random.default_rng(seed).uniform(lower, upper, (n_points, 2))


def sample_boltzmann(system: ToyPotential, n_points: int, generator: np.random.Generator) -> Points:
    """Independent samples [n_points, 2] of exp(-V/kT) within x_range and y_range.

    Rejection from a density that is constant in each cell of a grid and lies above the true one; InputError if it
    turns out not to, which would bias the samples.
    """
    envelope, lowest = _envelope(system)
    edges = [np.linspace(*limits, n + 1) for limits, n in zip((system.x_range, system.y_range), CELLS, strict=True)]
    cumulative = np.cumsum(envelope.ravel())
    parts: list[Points] = []
    while sum(map(len, parts)) < n_points:
        n_tries = 1000 + int(1.5 * (n_points - sum(map(len, parts))))
        cell = np.searchsorted(cumulative, generator.random(n_tries) * cumulative[-1], side="right")
        cell = np.minimum(cell, envelope.size - 1)
        index = np.unravel_index(cell, CELLS)
        tries = np.stack(
            [low[i] + (low[i + 1] - low[i]) * generator.random(n_tries) for low, i in zip(edges, index, strict=True)],
            axis=1,
        )
        ratio = np.exp((lowest - system.energy(tries)) / system.temperature) / envelope.ravel()[cell]
        if ratio.max() > 1.0:
            raise InputError(
                f"system '{system.name}' varies too fast for rejection sampling: narrow its x_range and y_range"
            )
        parts.append(tries[generator.random(n_tries) < ratio])
    return np.concatenate(parts)[:n_points]


def sample_within(
    system: ToyPotential, n_points: int, generator: np.random.Generator, low: float, high: float
) -> Points:
    """Independent samples [n_points, 2] of exp(-V/kT) with x from ``low`` to ``high``.

    Raises InputError if fewer than one in a thousand of all samples lie there.
    """
    kept: list[Points] = []
    n_kept = n_tried = 0
    while n_kept < n_points:
        points = sample_boltzmann(system, max(10_000, n_points), generator)
        kept.append(points[(points[:, 0] >= low) & (points[:, 0] <= high)])
        n_tried, n_kept = n_tried + len(points), n_kept + len(kept[-1])
        if n_kept < RAREST * n_tried:
            raise InputError(
                f"only {n_kept} of {n_tried} samples of system '{system.name}' have x in [{low:g}, {high:g}]: expected "
                f"at least one in {1 / RAREST:.0f}; widen the range"
            )
    return np.concatenate(kept)[:n_points]


def _envelope(system: ToyPotential) -> tuple[Points, float]:
    """Upper bound of exp(-(V - lowest V)/kT) in each cell, CELLS, and the lowest V."""
    lines = [
        np.linspace(*limits, n * (SUB_POINTS - 1) + 1)
        for limits, n in zip((system.x_range, system.y_range), CELLS, strict=True)
    ]
    energy = system.energy(np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1))
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(energy, SUB_POINTS, axis=axis)
        energy = windows[(slice(None),) * axis + (slice(None, None, SUB_POINTS - 1),)].min(axis=-1)
    lowest = float(energy.min())
    return MARGIN * np.exp((lowest - energy) / system.temperature), lowest
