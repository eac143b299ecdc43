"""The mean force on frozen beads: averages over the conditional ensemble, and their standard errors.

Dynamics with the beads' atoms held still samples the other atoms from exp(-U/kT) at exactly these beads. If no bead
takes part in a constraint, the force on its atom averages to the mean force -dU_PMF/dx (the beads' coordinates and the
others are then separate). Forces on the other atoms average to zero, so that a map may add them with any weights: it
changes the noise, not the mean.

Peptide planes and side chains change their state more slowly than an average lasts, so the states must come from the
starts, in proportion. Each start is therefore annealed first, with the beads frozen throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import PlatformName, derived_seed
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.errors import InputError
from cgexp.units import KCAL_IN_KJ, NM_IN_ANGSTROM

if TYPE_CHECKING:
    from cgexp.all_atom.modules import openmm

N_BLOCKS = 8  # of each start's series, for the error within it
MINIMISER_ITERATIONS = 100
N_STAGES, N_HOT = 10, 4  # of annealing, of equal length; the first ones at the hot temperature, then evenly down
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Averaging:
    """How one start is averaged.

    temperature: K. equilibrate_ps: discarded; average_ps: kept; save_ps: between forces; all ps. anneal_ps: before all
    that, at hot_temperature and then in steps down to temperature; 0: none. friction: 1/ps. time_step: ps, for bonds to
    hydrogen that are not rigid. Raises InputError if the lengths do not fit one another.
    """

    temperature: float
    equilibrate_ps: float
    average_ps: float
    save_ps: float
    anneal_ps: float = 0.0
    hot_temperature: float = 700.0
    friction: float = 5.0
    time_step: float = 0.002
    platform: PlatformName = "auto"

    def __post_init__(self) -> None:
        if self.anneal_ps and not self.hot_temperature > self.temperature:
            raise InputError(
                f"hot_temperature={self.hot_temperature} is not above the temperature of {self.temperature} K: "
                "raise it, or set anneal_ps=0"
            )
        whole(self.save_ps, self.time_step, "save_ps", "time steps")
        whole(self.equilibrate_ps, self.save_ps, "equilibrate_ps", "save_ps")
        whole(self.anneal_ps, N_STAGES * self.time_step, "anneal_ps", f"{N_STAGES} stages")
        if whole(self.average_ps, self.save_ps, "ps_per_start", "save_ps") < N_BLOCKS:
            raise InputError(
                f"ps_per_start={self.average_ps} has fewer than {N_BLOCKS} forces, one every save_ps={self.save_ps}: "
                "expected as many for an error; raise ps_per_start"
            )

    @property
    def save_steps(self) -> int:
        return round(self.save_ps / self.time_step)

    @property
    def stages(self) -> list[tuple[float, int, int]]:
        """Temperature (K), number of steps, and steps between forces of every stage; only the last is averaged."""
        drop = (self.hot_temperature - self.temperature) / (N_STAGES - N_HOT)
        n_anneal = round(self.anneal_ps / self.time_step / N_STAGES)
        n_equilibrate, n_average = (round(ps / self.time_step) for ps in (self.equilibrate_ps, self.average_ps))
        stages = [
            *(
                (self.hot_temperature - drop * max(0, stage + 1 - N_HOT), n_anneal, n_anneal)
                for stage in range(N_STAGES)
            ),
            (self.temperature, n_equilibrate, n_equilibrate),
            (self.temperature, n_average, round(self.save_ps / self.time_step)),
        ]
        return [stage for stage in stages if stage[1]]


class MeanForce(NamedTuple):
    """A mean force and its standard errors, all [n_beads, n_dims]: kcal/mol/Å.

    sem: what the label is off by. between: from the spread of the starts' means. within: from blocks of each start's
    series, which would be the error if every start had seen everything.
    """

    mean: NDArray[np.float64]
    sem: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]


def force_series(
    system: openmm.System,
    beads: Indices,
    start: NDArray[np.floating],
    matrix: NDArray[np.float64],
    averaging: Averaging,
    seed: int,
) -> NDArray[np.float64]:
    """Mapped forces [n_average, n_beads, 3] (kcal/mol/Å) while the beads' atoms are frozen where ``start`` has them.

    system: openmm.System in which no bead is constrained. start: all atoms [n_atoms, 3], Å; all but the beads are
    minimised first. matrix: force map [n_beads, n_atoms]. Raises Unstable if the dynamics blow up.
    """
    shared: dict[str, Any] = {
        "system": pack_system(freeze(system, beads)),
        "friction": averaging.friction,
        "time_step": averaging.time_step,
        "platform": averaging.platform,
    }
    quench = Quench(
        positions=start,
        temperature=averaging.stages[0][0],
        seed=derived_seed(seed, 0),
        n_steps=0,
        max_iterations=MINIMISER_ITERATIONS,
        **shared,
    )
    state, forces = run_quench(quench).state, None
    for stage, (temperature, n_steps, save_steps) in enumerate(averaging.stages, start=1):
        segment = Segment(
            state=state,
            temperature=temperature,
            seed=derived_seed(seed, stage),
            n_steps=n_steps,
            save_steps=save_steps,
            **shared,
        )
        result = run_segment(segment)
        state, forces = result.state, result.forces
    assert forces is not None
    return np.matmul(matrix, forces, dtype=np.float64)


def mean_force(series: NDArray[np.floating]) -> MeanForce:
    """Average forces [n_starts, n_frames, n_beads, n_dims] over starts and frames.

    The spread of a few starts tells the whole error, slow side chains included, but each component of it is itself
    uncertain; the error within starts is precise, but blind to what no start has seen. So ``sem`` squared is the mean
    of two estimates: ``between`` squared; and ``within`` squared times the one factor, at least 1, that gives it the
    size of ``between`` over all components together. Its mean square is then that of ``between``, and no component is
    taken for exact because its few starts agree by chance.
    """
    n_starts = len(series)
    means = series.mean(axis=1)
    between = means.var(axis=0, ddof=1) / n_starts
    within = np.mean([block_variance(one) for one in series], axis=0) / n_starts
    excess = max(1.0, float(between.sum() / within.sum()))
    sem = np.sqrt((between + excess * within) / 2.0)
    return MeanForce(means.mean(axis=0), sem, np.sqrt(between), np.sqrt(within))


def block_variance(series: NDArray[np.floating]) -> NDArray[np.float64]:
    """Variance of the mean of a correlated series [n_frames, ...], from ``N_BLOCKS`` blocks of it: [...]."""
    length = len(series) // N_BLOCKS
    blocks = series[: length * N_BLOCKS].reshape(N_BLOCKS, length, *series.shape[1:]).mean(axis=1)
    return np.asarray(blocks.var(axis=0, ddof=1) / N_BLOCKS)


def whole(length: float, unit: float, name: str, unit_name: str) -> int:
    """``length / unit`` as an integer; InputError if it is none."""
    number = length / unit
    if abs(number - round(number)) > 1e-6:
        raise InputError(f"{name}={length} is not a whole number of {unit_name} ({unit} ps): change one")
    return round(number)


def freeze(system: openmm.System, atoms: Indices) -> openmm.System:
    """A copy of an openmm.System that holds ``atoms``, none of them constrained, still: their mass is 0."""
    frozen = import_openmm().mm.XmlSerializer.clone(system)
    for atom in atoms:
        frozen.setParticleMass(int(atom), 0.0)
    return frozen


def restrain(
    system: openmm.System, atoms: Indices, places: NDArray[np.floating], force_constant: float
) -> openmm.System:
    """A copy of an openmm.System with 1/2 k |r - place|^2 on ``atoms``.

    places: [n, 3], Å. force_constant: k, kcal/mol/Å^2.
    """
    mm, _, _ = import_openmm()
    force = mm.CustomExternalForce("0.5 * k * ((x - x0)^2 + (y - y0)^2 + (z - z0)^2)")
    force.addGlobalParameter("k", force_constant * KCAL_IN_KJ * NM_IN_ANGSTROM**2)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for atom, place in zip(atoms, places, strict=True):
        force.addParticle(int(atom), [float(value) / NM_IN_ANGSTROM for value in place])
    restrained = mm.XmlSerializer.clone(system)
    restrained.addForce(force)
    return restrained
