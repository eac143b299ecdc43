"""Simulation: many replicas of a coarse-grained system under a trained potential, resumable after a kill."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.errors import InputError
from cgexp.executor.local import local_executor
from cgexp.kernels.evaluator import Evaluate, make_evaluator
from cgexp.parts.part import Part
from cgexp.parts.ranges import AddedLater, EvaluationOnly, ExecutionOnly, Positive, PositiveInt, Share
from cgexp.progress import Report, silent
from cgexp.simulation.graphed import Steps, make_steps
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Bath, Integrator
from cgexp.simulation.replicas import Replicas
from cgexp.simulation.shares import Chunk, Shares
from cgexp.simulation.tempering import Ladders, Tempering
from cgexp.simulation.trajectory import HEADER, BackgroundWriter, Store
from cgexp.store import Chunks, claim, read_record, write_record
from cgexp.units import unit_system

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(kw_only=True)
class Simulation(Part):
    """Settings of a simulation; ``run`` makes it.

    integrator: the dynamics. dt: ps or reduced time. temperature: K or kT. n_steps: a multiple of save_every; the
    n_steps / save_every frames after each save_every steps are saved, the start is not. burn_in: fraction of saved
    frames that analysis drops. health: limits of a replica. chunk_frames: saved frames a file; a kill loses at most
    the file that is being filled and the one that is being written. precision: of the dynamics; saved frames are
    float32. starts: where replicas start, 'data', 'spread' or a kind that the system states (simulation/replicas.py).
    tempering: each of the n_replicas is a ladder of replicas at several temperatures, of which the lowest, that of the
    simulation, is saved. devices: processes on a CPU, or GPUs, that share the replicas (simulation/shares.py), which
    are the same on any number of them.
    Raises InputError if n_steps does not divide or the ladder does not ascend.
    """

    integrator: Integrator
    dt: Positive
    temperature: Positive
    n_replicas: PositiveInt
    n_steps: PositiveInt
    save_every: PositiveInt
    burn_in: EvaluationOnly[Share] = 0.0
    health: HealthCheck = field(default_factory=HealthCheck)
    chunk_frames: ExecutionOnly[PositiveInt] = 10
    precision: Literal["float32", "float64"] = "float32"
    starts: AddedLater[str] = "data"
    tempering: AddedLater[Tempering | None] = None
    devices: ExecutionOnly[PositiveInt] = 1

    def __post_init__(self) -> None:
        if self.n_steps % self.save_every:
            raise InputError(
                f"simulation.n_steps={self.n_steps} is not a multiple of save_every={self.save_every}: "
                f"set simulation.n_steps={-(-self.n_steps // self.save_every) * self.save_every}"
            )
        if self.devices > 1 and (self.tempering is not None or self.devices > self.n_replicas):
            raise InputError(
                f"simulation.devices={self.devices} share replicas, of which there are {self.n_replicas}, and without "
                "tempering: set simulation.devices=1"
            )
        if self.n_rungs > 1 and self.tempering is not None and self.tempering.highest <= self.temperature:
            raise InputError(
                f"simulation.tempering.highest={self.tempering.highest} is not above simulation.temperature="
                f"{self.temperature}: expected a ladder of ascending temperatures"
            )

    @property
    def n_rungs(self) -> int:
        """Temperatures of a ladder; 1 without tempering."""
        return 1 if self.tempering is None else self.tempering.n_rungs

    @property
    def n_walkers(self) -> int:
        """Replicas of all temperatures, one batch: as many starts are needed."""
        return self.n_replicas * self.n_rungs

    def run(
        self,
        potential: nn.Module,
        starts: Tensor,
        masses: NDArray[np.floating],
        units: str,
        folder: Path,
        seed: int,
        progress: Report | None = None,
        kernel: str = "reference",
        graph: bool | None = None,
        store: Store | None = None,
    ) -> None:
        """Simulate into ``folder`` (see Trajectory); called again on the same folder it goes on, or has nothing to do.

        With a larger n_steps a finished one goes on, as if it had been begun so.

        potential: has ``energy_and_forces(coords)`` -> energy [n] or None, forces, free of any graph; a copy is used.
        starts: [n_walkers, n_beads, n_dims], whose device is used. masses: [n_beads], amu or reduced. seed: of
        velocities and noise. kernel: see make_evaluator; graph: see make_steps; a simulation may go on with others.
        store: takes the chunks in place of the folder, and the energies of their frames, [n, n_replicas], as well. A
        resumed run equals an uninterrupted one bit for bit on CPU. Raises InputError if starts do not fit, the folder
        holds another simulation or cannot be written, there are fewer GPUs than devices, all replicas have failed, or
        tempering finds no energy.
        """
        self._require_starts(starts, len(masses))
        folder, starts = Path(folder), starts.detach().to(PRECISIONS[self.precision])
        if starts.is_cuda:
            self._require_gpus(torch.cuda.device_count())
        chunks = Chunks(folder) if store is None else store
        last = chunks.latest()
        header = self._header(starts, masses, units, seed) | {"potential": content_hash(potential)}
        _claim(folder, header, begun=last is not None)
        evaluate = make_evaluator(kernel, potential, starts)
        mass = torch.as_tensor(np.asarray(masses, dtype=np.float64)).to(starts)
        bath = Bath.at(self.dt, self.temperature, mass, unit_system(units))
        ladders = self._ladders(starts, units)
        if ladders is not None:
            bath = ladders.heated(bath)
        replicas = self._present(last, starts, evaluate, bath, ladders, seed)
        report, energies = progress or silent, store is not None
        with BackgroundWriter(chunks) as writer, self._executor() as executor:
            shares = executor and Shares(self, potential, starts, bath, kernel, graph, energies, executor)
            steps = None if shares else make_steps(self.integrator, evaluate, bath, replicas, graph)
            while replicas.step < self.n_steps:
                self._refuse_all_failed(replicas)
                if shares:
                    chunk = shares.chunk(replicas)
                    report(replicas.step, self.n_steps, replicas.summary())
                else:
                    assert steps is not None
                    chunk = self.chunk(replicas, ladders, steps, report, energies)
                writer.append(*chunk)

    def _present(
        self, last: tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]] | None, starts: Tensor, evaluate: Evaluate,
        bath: Bath, ladders: Ladders | None, seed: int,
    ) -> Replicas:  # fmt: skip
        """The replicas, and the ladders', of the last chunk; without one as they begin."""
        if last is not None:
            arrays, meta = last
            replicas = Replicas.restore(arrays, meta, starts, evaluate)
            if ladders is not None:
                ladders.restore(arrays)
        else:
            replicas = Replicas.begin(starts, self.integrator, evaluate, bath, seed)
            replicas.check(self.health, bath)
        self.require_energy(replicas.state.energy is not None)
        return replicas

    def require_energy(self, conservative: bool) -> None:
        """Raise InputError if the simulation compares energies and the potential has none."""
        if self.tempering is not None and not conservative:
            raise InputError(
                "simulation.tempering compares energies, and this model has none: set simulation.tempering=null"
            )

    def _require_starts(self, starts: Tensor, n_beads: int) -> None:
        if starts.ndim != 3 or len(starts) != self.n_walkers or starts.shape[1] != n_beads:
            rungs = "" if self.tempering is None else " x tempering.n_rungs"
            raise InputError(
                f"starts have shape {list(starts.shape)}: expected [simulation.n_replicas{rungs}, n_beads, n_dims] "
                f"with {self.n_walkers} replicas of {n_beads} beads"
            )

    def _require_gpus(self, n_gpus: int) -> None:
        """Raise InputError unless each device of the simulation is a GPU of its own."""
        if self.devices > n_gpus:
            raise InputError(
                f"simulation.devices={self.devices} but there are {n_gpus} GPUs: set simulation.devices to that"
            )

    def _executor(self) -> AbstractContextManager[Executor | None]:
        """The processes of the devices; None for one device, which is this process's."""
        return nullcontext() if self.devices == 1 else local_executor(self.devices)

    def chunk(
        self, replicas: Replicas, ladders: Ladders | None, steps: Steps, report: Report, energies: bool,
        to_the_end: bool = False,
    ) -> Chunk:  # fmt: skip
        """Make steps until a chunk is full, with to_the_end also where all replicas have failed; return it."""
        begun = time.perf_counter()
        stops = [self.save_every, self.health.every, *([ladders.tempering.every] if ladders is not None else [])]
        saved: list[int] = []
        frames: list[NDArray[np.float32]] = []
        energy: list[NDArray[np.float64]] = []
        while replicas.step < self.n_steps and len(frames) < self.chunk_frames:
            if not (to_the_end or replicas.n_alive(self.n_rungs)):
                break
            steps(replicas, min(every - replicas.step % every for every in stops))
            replicas.check(self.health, steps.bath)
            saving = replicas.step % self.save_every == 0
            if saving:
                saved.append(replicas.step)
                frames.append(replicas.state.coords[:: self.n_rungs].to("cpu", torch.float32, copy=True).numpy())
                if energies and replicas.state.energy is not None:
                    energy.append(replicas.state.energy[:: self.n_rungs].to("cpu", torch.float64, copy=True).numpy())
                report(replicas.step, self.n_steps, replicas.summary())
            if ladders is not None and replicas.step % ladders.tempering.every == 0:
                ladders.exchange(replicas)
        shape = (0, self.n_replicas, *replicas.state.coords.shape[1:])
        coords = np.stack(frames) if frames else np.zeros(shape, dtype=np.float32)
        arrays = {"coords": coords, "step": np.array(saved, dtype=np.int64), **replicas.arrays()}
        if ladders is not None:
            arrays |= ladders.arrays()
        if energy:
            arrays["energy"] = np.stack(energy)
        meta = {"step": replicas.step, "failures": list(replicas.failures), "wall_s": time.perf_counter() - begun}
        return arrays, meta

    def _header(self, starts: Tensor, masses: NDArray[np.floating], units: str, seed: int) -> dict[str, Any]:
        """What the trajectory depends on besides the potential; a resumed simulation must agree with both."""
        settings = {
            name: value for name, value in asdict(self).items() if name not in ("burn_in", "chunk_frames", "devices")
        }
        settings["integrator"]["name"] = type(self.integrator).__name__
        if self.tempering is None:
            del settings["tempering"]  # as in folders from before there was any
        else:
            settings["tempering"]["temperatures"] = self.tempering.temperatures(self.temperature).tolist()
        digest = hashlib.sha256(starts.cpu().numpy().tobytes()).hexdigest()
        settings.update(units=units, seed=seed, masses=[float(m) for m in masses], starts=digest)
        return {**settings, "device": starts.device.type, "shape": list(starts.shape)}

    def _ladders(self, starts: Tensor, units: str) -> Ladders | None:
        if self.tempering is None:
            return None
        kT = [unit_system(units).kT(temperature) for temperature in self.tempering.temperatures(self.temperature)]
        return Ladders.begin(self.tempering, torch.tensor(kT, dtype=torch.float64).to(starts.device), self.n_replicas)

    def _refuse_all_failed(self, replicas: Replicas) -> None:
        if not replicas.n_alive(self.n_rungs):
            last, of_study = replicas.failures[-1], "" if self.n_rungs == 1 else f" at {self.temperature:g}"
            raise InputError(
                f"all {self.n_replicas} replicas{of_study} have failed, the last at step {last['step']} "
                f"({last['reason']}): lower simulation.dt, train longer or add a prior"
            )


def _claim(folder: Path, header: dict[str, Any], begun: bool) -> None:
    """Write the header of a new or longer simulation, or refuse a folder that holds another or a longer one."""
    if not (folder / HEADER).is_file() and begun:
        raise InputError(f"{folder} lacks {HEADER}, which says what it holds: delete the folder and run again")
    n_steps = header["n_steps"]
    before = read_record(folder / HEADER).get("n_steps") if (folder / HEADER).is_file() else n_steps
    longer = isinstance(before, int) and before < n_steps
    claim(folder / HEADER, {**header, "n_steps": before if longer else n_steps}, later=("potential",))
    if longer:  # the same simulation, to go on
        write_record(folder / HEADER, header)


def content_hash(potential: nn.Module) -> str:
    """SHA-256 of a potential's parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(potential.state_dict().items()):
        digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
