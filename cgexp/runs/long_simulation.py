"""A long simulation of a bundle alone, written as it goes into files of molecular viewers; it needs no run, no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cgexp.errors import InputError, did_you_mean
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.stream import CHECKPOINT, OBSERVABLES, Stream
from cgexp.interfaces.viewers import (
    FORMATS,
    TOPOLOGY,
    Dcd,
    require_h5py,
    require_viewable,
    topology_of,
    trajectory_name,
    write_h5md,
    write_pdb,
)  # fmt: skip
from cgexp.progress import Report
from cgexp.runs.lock import lock
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import HEADER
from cgexp.store import write_json
from cgexp.units import MOLECULAR

H5MD = "h5md"
KNOWN = (*FORMATS, H5MD)
DEVICES = ("cpu", "cuda")
CONTENTS = "contents.json"
TEMPERING = {"_target_": "cgexp.simulation.tempering.Tempering"}
UNITS = {"xtc": "nm, ps", "dcd": "Å, AKMA time (0.04888821 ps)", H5MD: "Å, ps", "pdb": "Å"}


@dataclass(frozen=True)
class Written:
    """What a folder holds. n_failed: replicas that failed. trajectories: their files."""

    folder: Path
    simulation: Simulation
    n_failed: int
    trajectories: list[str]

    @property
    def nanoseconds(self) -> float:
        """Length of each replica, ns of the coarse-grained dynamics."""
        return self.simulation.n_steps * self.simulation.dt / 1000.0


def simulate_long(
    bundle: Bundle,
    folder: Path,
    settings: Mapping[str, Any],
    format: str = "xtc",
    seed: int = 0,
    kernel: str = "auto",
    device: str = "cpu",
    progress: Report | None = None,
) -> Written:
    """Simulate into ``folder``; called again it goes on, also to a larger ``n_steps``, as if it had run through.

    settings: in place of those of the bundle's simulation; those of parts have dots, as ``tempering.n_rungs``. format:
    'xtc', 'dcd', or 'h5md', for which DCD files are turned into H5MD at the end. Memory holds ``chunk_frames`` saved
    frames twice, whatever ``n_steps`` is. Raises InputError for settings that do not fit, a system that viewers cannot
    show, a folder that another simulation was begun in or that holds files of these names, an unknown format or device,
    and H5MD without h5py.
    """
    if format not in KNOWN:
        raise InputError(f"format={format} is not valid{did_you_mean(format, KNOWN)}: expected {', '.join(KNOWN)}")
    require_viewable(bundle.system)
    if format == H5MD:
        require_h5py()  # files are turned into it at the end, perhaps days later
    simulation = bundle.dynamics(nested(bundle, settings))
    with lock(folder):
        stream = _stream(bundle, simulation, folder, "dcd" if format == H5MD else format)
        _require_own(stream)
        starts = torch.tensor(bundle.starts_of(simulation)).to(_device(device))
        simulation.run(
            bundle.potential, starts, bundle.system.masses, bundle.system.units, folder, seed, progress, kernel,
            store=stream,
        )  # fmt: skip
        names = [trajectory_name(replica, stream.format) for replica in range(simulation.n_replicas)]
        if format == H5MD:
            assert isinstance(stream.format, Dcd)
            names = [_to_h5md(folder / name, stream.format) for name in names]
        latest = stream.latest()
        assert latest is not None  # n_steps is positive
        return Written(folder, simulation, len(latest[1]["failures"]), names)


def nested(bundle: Bundle, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose names have dots, as nodes of the bundle's simulation with other values."""
    own, found = bundle.simulation or {}, {}
    for name, value in settings.items():
        part, dot, key = name.partition(".")
        if not dot:
            found[name] = value
            continue
        node = found.get(part, own.get(part)) or (TEMPERING if part == "tempering" else None)
        if not isinstance(node, Mapping):
            raise InputError(f"{name}={value} is not valid: {part} has no settings of its own")
        found[part] = {**node, key: value}
    return found


def _stream(bundle: Bundle, simulation: Simulation, folder: Path, format: str) -> Stream:
    system, every = bundle.system, simulation.save_every
    made = FORMATS[format](system.n_beads, simulation.dt, every, every, system.symmetry.box)

    def describe() -> None:  # with the first frames, when the folder is this simulation's
        write_pdb(folder / TOPOLOGY, topology_of(system), bundle.starts[0])
        write_json(folder / CONTENTS, _contents(bundle, simulation, stream))

    stream = Stream(folder, system, made, simulation.n_replicas, simulation.n_rungs, describe)
    return stream


def _require_own(stream: Stream) -> None:
    """Raise InputError for a folder with files that this simulation would replace, as of another format or a run's."""
    others, advice = sorted({*stream.folder.glob("chunk-*.npz"), *stream.folder.glob("replica-*")}), ""
    if (stream.folder / HEADER).is_file():
        kept = {stream.format.suffix, H5MD}
        others = [path for path in others if path.suffix.removeprefix(".") not in kept]
        advice = ", or go on in the format that it was begun with"
    else:
        own = (TOPOLOGY, OBSERVABLES, CONTENTS, CHECKPOINT)
        others += [path for name in own if (path := stream.folder / name).exists()]
    if others:
        raise InputError(
            f"{stream.folder} holds {others[0].name} of something else: choose another folder with to=<folder>{advice}"
        )


def _contents(bundle: Bundle, simulation: Simulation, stream: Stream) -> dict[str, Any]:
    """What the folder holds, for people and programs."""
    tempering = simulation.tempering
    return {
        "system": bundle.system.name,
        "temperature_K": bundle.temperature,
        "temperatures_K": None if tempering is None else tempering.temperatures(simulation.temperature).tolist(),
        "trajectory": "the study temperature of a ladder" if simulation.n_rungs > 1 else "one walker",
        "frame_interval_ps": simulation.dt * simulation.save_every,
        "time": "of the coarse-grained dynamics, which is no physical time",
        "topology": TOPOLOGY,
        "units": UNITS,
        "observables": {
            "file": OBSERVABLES,
            "columns": stream.columns,
            "units": {"energy": MOLECULAR.energy, "lengths": MOLECULAR.length, "time": MOLECULAR.time},
            "std": "over the replicas at one time",
        },
        "settings": HEADER,
    }


def _to_h5md(dcd: Path, format: Dcd) -> str:
    path = dcd.with_suffix(f".{H5MD}")
    write_h5md(path, dcd, format)
    return path.name


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        if device.type in DEVICES:
            return device
    except (RuntimeError, AssertionError):
        pass
    raise InputError(f"device={name} is not there: expected cpu, or cuda on a machine with a GPU")
