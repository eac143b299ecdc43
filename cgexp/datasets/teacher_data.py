"""TeacherData: frames that a trained potential, the teacher, makes and labels itself, so that the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.recipe import Recipe
from cgexp.datasets.teacher_run import (
    check_time_step,
    load_teacher,
    potential_hash,
    production_frames,
    simulate_teacher,
    starting_frames,
    teacher_forces,
)
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import (
    ChoiceOfFrames,
    ContentFile,
    EvaluationOnly,
    NonNegative,
    Positive,
    PositiveInt,
    Region,
    Seed,
)
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.units import unit_system


@dataclass(kw_only=True)
class TeacherData(Recipe):
    """Frames of a potential's own simulation with its forces, which are exact: one block a replica, with their time.

    path: the teacher, a finished run's folder or the file of a potential; the file's content is part of the data set's
    identity. simulation: how the teacher is simulated; its burn-in is dropped. starts: file with frames to start from;
    None: those that the teacher was trained on. basin (peptides), x_range (toys, length): only such frames are started
    from and kept, so that the data set lacks the others; None: all. force_noise: standard deviation of Gaussian noise
    on each force component, energy/length, as instantaneous forces have; the labels then have no force_sem. n_frames:
    evenly spaced ones of those that were saved; None takes all. seed: of starts, dynamics and noise.
    reference_replicas, reference_steps, reference_lag_ps: of the teacher's own ensemble (teacher_equilibrium.py), which
    the analysis of a student compares with; the lag is that of its TICA. Raises InputError for settings that contradict
    each other.
    """

    path: ContentFile[str]
    simulation: Simulation
    starts: ContentFile[str | None] = None
    basin: ChoiceOfFrames[Region[Literal["folded", "misfolded", "transition", "unfolded"] | None]] = None
    x_range: ChoiceOfFrames[Region[tuple[float, float] | None]] = None
    force_noise: ChoiceOfFrames[NonNegative] = 0.0
    reference_replicas: EvaluationOnly[PositiveInt] = 100
    reference_steps: EvaluationOnly[PositiveInt] = 20000
    reference_lag_ps: EvaluationOnly[Positive] = 4.0
    seed: ChoiceOfFrames[Seed] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.simulation.temperature != self.temperature:
            raise InputError(
                f"dataset.simulation.temperature={self.simulation.temperature} but dataset.temperature="
                f"{self.temperature}: the teacher is a free energy at one temperature; remove the override of one"
            )
        if self.basin is not None and self.basin not in self.system.basins:
            raise InputError(
                f"dataset.basin={self.basin} but '{self.system.name}' tells no such basin apart: expected "
                f"{', '.join(self.system.basins) or 'dataset.x_range'}"
            )
        one_bead = self.system.n_beads == 1
        if self.x_range is not None and not (one_bead and self.x_range[0] < self.x_range[1]):
            raise InputError(
                f"dataset.x_range={list(self.x_range)} is not valid for '{self.system.name}': expected "
                "[lowest, highest] of a system of one bead; for others set dataset.basin"
            )
        if self.reference_steps % self.simulation.save_every:
            raise InputError(
                f"dataset.reference_steps={self.reference_steps} is not a multiple of dataset.simulation.save_every="
                f"{self.simulation.save_every}: change one"
            )

    def require(self) -> None:
        """The teacher is there, of this system and temperature, and can be simulated with the time step."""
        check_time_step(load_teacher(self.path, self.system, self.temperature, "dataset"), self.system, self.simulation)

    def make(self, folder: Path) -> Frames:
        """Simulate, choose and label; goes on with the simulation that ``folder`` holds.

        Raises InputError if there is no teacher of this system, no frame to start from, or too few frames result.
        """
        potential = load_teacher(self.path, self.system, self.temperature, "dataset")
        check_time_step(potential, self.system, self.simulation)
        starts = self._inside(self.starting_frames(), "to start from")
        trajectory = simulate_teacher(
            potential, self.system, self.simulation, starts, Path(folder) / "trajectory", self.seed, "teacher"
        )
        frames = production_frames(
            trajectory, self.simulation.burn_in, self.system, self.temperature, self.source, self.force_map
        )
        frames = self._inside(frames, "in the teacher's simulation")
        if self.n_frames is not None and len(frames) < self.n_frames:
            raise InputError(
                f"the teacher's simulation gave {len(frames)} frames but dataset.n_frames={self.n_frames}: "
                "raise dataset.simulation.n_steps or n_replicas, or lower n_frames"
            )
        return self.check(self._labelled(self.thin(frames)).with_labels(notes=self._notes(trajectory)))

    def starting_frames(self) -> Frames:
        """Frames that simulations of the teacher start from, of all regions.

        Raises InputError if there are none, or they are of another system.
        """
        frames = starting_frames(self.path, self.starts)
        if frames.system != self.system.name:
            raise InputError(
                f"the frames to start from are of system '{frames.system}' but the data set of '{self.system.name}': "
                "set dataset.system to that of the teacher, or dataset.starts to frames of this one"
            )
        return frames

    @property
    def source(self) -> str:
        """Where the frames come from, which names the teacher by its content."""
        return f"simulation of a teacher, sha256 {potential_hash(self.path, 'dataset')[:16]}"

    def _inside(self, frames: Frames, what: str) -> Frames:
        """The frames in the region that is asked for; InputError if there are none."""
        chosen = frames.select(self._is_inside(frames.coords))
        if not len(chosen):
            region = f"basin '{self.basin}'" if self.basin else f"x_range={self.x_range}"
            raise InputError(f"none of {len(frames)} frames {what} is in {region}: choose another one or other starts")
        return chosen

    def _is_inside(self, coords: NDArray[np.floating]) -> NDArray[np.bool_]:
        """coords [n, n_beads, n_dims] -> [n]."""
        if self.basin is not None:
            return self.system.basin_of(coords) == self.basin
        if self.x_range is not None:
            return np.asarray((coords[:, 0, 0] >= self.x_range[0]) & (coords[:, 0, 0] <= self.x_range[1]))
        return np.ones(len(coords), dtype=np.bool_)

    def _labelled(self, frames: Frames) -> Frames:
        """With the teacher's forces; a configuration where they are not finite is left out."""
        teacher = load_teacher(self.path, self.system, self.temperature, "dataset").double()
        exact = teacher_forces(teacher, frames.coords)
        good = np.isfinite(exact).all(axis=(1, 2))
        frames, forces = frames.select(good), exact[good].astype(np.float32)
        if not self.force_noise:
            return frames.with_labels(forces=forces, force_sem=np.zeros_like(forces))
        noise = np.random.default_rng(self.seed).standard_normal(forces.shape)
        return frames.with_labels(forces=(forces + self.force_noise * noise).astype(np.float32))

    def _notes(self, trajectory: Trajectory) -> str:
        time = unit_system(self.units).time
        settings = self.simulation
        notes = [
            f"{settings.n_replicas} replicas of {settings.n_steps} steps of {settings.dt:g} {time}, "
            f"{len(trajectory.failures)} of which failed and are left out",
            "all frames" if self.basin is None and self.x_range is None else f"only {self.basin or self.x_range}",
        ]
        if self.force_noise:
            notes.append(f"Gaussian noise of {self.force_noise:g} on each force component")
        return "; ".join(notes)
