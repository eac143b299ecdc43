"""ReleaseOracle: a short free run from each configuration; what comes back are other frames, thermally sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import TIME_STEP, derived_seed
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.oracles.averaging import restrain, whole
from cgexp.oracles.openmm_oracle import OpenMMOracle, PeptideJob
from cgexp.parts.ranges import NonNegative, Positive, PositiveInt

RESTRAINT = 24.0  # kcal/mol/Å^2 (1e4 kJ/mol/nm^2) on the C-alpha atoms while the others warm up
WARM_UP_PS = 0.5


@dataclass(frozen=True, kw_only=True)
class ReleaseJob(PeptideJob):
    """Warms every start up with its CA atoms restrained, lets go, and keeps what follows after the dropped steps."""

    drop_steps: int
    keep_steps: int
    save_steps: int

    def label(self) -> dict[str, NDArray[Any]]:
        starts, n_attempts = self.starts()
        system, beads = make_system(self.peptide.topology, self.force_field), self.force_map.beads
        held = pack_system(restrain(system, beads, self.configuration, RESTRAINT))
        free = pack_system(system)
        coords, forces = [], []
        for number, start in enumerate(starts):
            seed = self.seed_of(self.n_attempts + number)
            shared: dict[str, Any] = {"temperature": self.temperature, "seed": seed, "platform": self.platform}
            state = run_quench(
                Quench(system=held, positions=start, n_steps=round(WARM_UP_PS / TIME_STEP), **shared)
            ).state
            n_steps = self.drop_steps + self.keep_steps
            result = run_segment(
                Segment(
                    system=free,
                    state=state,
                    n_steps=n_steps,
                    save_steps=self.save_steps,
                    **{**shared, "seed": derived_seed(seed, 1)},  # a fresh context would repeat the quench's noise
                )
            )
            assert result.forces is not None
            kept = slice(self.drop_steps // self.save_steps, None)
            coords.append(result.coords[kept, beads])
            forces.append(self.force_map.apply(result.forces[kept]).astype(np.float32))
        n_frames = len(coords[0])
        times = TIME_STEP * (self.drop_steps + self.save_steps * np.arange(1, n_frames + 1))
        return {
            "coords": np.concatenate(coords),
            "forces": np.concatenate(forces),
            "time_ps": np.tile(times, len(starts)).astype(np.float32),
            "start": np.repeat(np.arange(len(starts)), n_frames),
            "n_attempts": np.full(n_frames * len(starts), n_attempts),
        }


@dataclass(kw_only=True)
class ReleaseOracle(OpenMMOracle):
    """Frames of free all-atom runs (4 fs, 1/ps, rigid bonds to hydrogen) that start at the given configurations.

    The C-alpha atoms leave the configuration within a picosecond: many other frames come back, each with its parent,
    one block a start. drop_ps: after the release, discarded. release_ps: kept. save_ps: between frames; all ps.
    allow_biased_force_map: why a map known to be biased is acceptable; empty refuses it.
    """

    n_starts: PositiveInt = 1
    n_attempts: PositiveInt = 4
    force_map: str = "constraint_group"
    allow_biased_force_map: str = ""
    drop_ps: NonNegative = 2.0
    release_ps: Positive = 4.0
    save_ps: Positive = 0.2

    name: ClassVar[str] = "openmm_release"
    constrained: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.save_ps, TIME_STEP, "save_ps", "time steps")
        whole(self.drop_ps, self.save_ps, "drop_ps", "save_ps")
        whole(self.release_ps, self.save_ps, "release_ps", "save_ps")

    @property
    def notes(self) -> str:
        return (
            f"short runs from selected configurations, {self.drop_ps:g} ps after their release: not an equilibrium "
            "ensemble, so no population or free energy may be read from it"
        )

    def _refuse_bias(self, made: LinearMap) -> None:
        if len(self.allow_biased_force_map.split()) < 2:
            super()._refuse_bias(made)

    def _job(self, **shared: Any) -> ReleaseJob:
        drop, keep, save = (round(ps / TIME_STEP) for ps in (self.drop_ps, self.release_ps, self.save_ps))
        return ReleaseJob(drop_steps=drop, keep_steps=keep, save_steps=save, **shared)
