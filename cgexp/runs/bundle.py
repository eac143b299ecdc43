"""A run's trained potential as a bundle, alone or with a ready script for ASE, OpenMM or LAMMPS beside it."""

from __future__ import annotations

from pathlib import Path

from cgexp.analysis.tica import Tica
from cgexp.build import build
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.interfaces import ready
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.mlcg_weights import write_mlcg_weights
from cgexp.interfaces.programs import bundle_for
from cgexp.interfaces.torchscript import write_torchscript
from cgexp.runs.folder import command
from cgexp.runs.load import Run, load
from cgexp.runs.provenance import code_version
from cgexp.simulation.replicas import make_starts
from cgexp.simulation.simulation import Simulation
from cgexp.store import read_arrays, write_bytes

MOST_STARTS = 1000  # configurations of the data that a bundle keeps to start simulations from
READY = Path(ready.__file__).parent  # the scripts
PROGRAMS = {"ase": "ASE", "openmm": "OpenMM", "lammps": "LAMMPS", "torchscript": "TorchScript", "mlcg": "mlcg"}
IN_CPP = ("energy.cpp", "CMakeLists.txt")  # an example that goes with TorchScript
FILES = {  # of READY, that go with a bundle
    **{program: (f"simulate_{program}.py",) for program in PROGRAMS},
    "torchscript": ("simulate_torchscript.py", *IN_CPP),
    "mlcg": ("mlcg_schnet.py",),
}


def export_bundle(run: Path, to: Path, program: str | None = None) -> Bundle:
    """Write the trained potential of the run in folder ``run`` as a bundle into ``to``; return the bundle.

    program: a key of PROGRAMS, lays a ready script for it beside the bundle, 'torchscript' the energy as TorchScript
    and an example in C++, too, 'mlcg' the network's weights in its layout; None: none. Raises InputError if the run has
    no trained potential, lost its data, or is of a system that the program cannot take.
    """
    if program is not None and to.suffix == ".zip":
        raise InputError(f"to={to} is a zip but as={program} comes with a script: give a folder, or as=bundle")
    bundle = bundle_of(load(run))
    if program is not None:
        bundle_for(PROGRAMS[program], bundle)
    if program == "torchscript":  # first what may be refused
        write_torchscript(to, bundle)
    elif program == "mlcg":
        write_mlcg_weights(to, bundle)
    for name in FILES.get(program or "", ()):
        write_bytes(to / name, (READY / name).read_bytes())
    bundle.save(to)
    return bundle


def bundle_of(run: Run) -> Bundle:
    """The bundle of a run that has trained. Raises InputError if it has not, or its data are gone."""
    folder, config = run.folder, run.config
    if not folder.potential.is_file():
        raise InputError(f"{folder.path} has no trained potential: `{command('train', folder.path)}` makes it")
    potential = run.potential  # first, since it is compared with the record
    _, meta = read_arrays(folder.potential)
    system, frames = build(config["dataset"], Recipe).system, run.frames
    node = config["simulation"]
    simulation = None if node is None else build(node, Simulation)
    kind, n = ("data", MOST_STARTS) if simulation is None else (simulation.starts, simulation.n_walkers)
    tica, made = folder.definition("tica"), folder.read_provenance()["stages"].get("train", {})
    folder.require_recorded(tica)
    return Bundle(
        potential=potential,
        model=meta["specs"]["model"],
        prior=meta["specs"]["prior"],
        system=system,
        temperature=frames.temperature,
        starts=make_starts(kind, frames.sample, system, n, config["seed"])[:MOST_STARTS].numpy(),
        simulation=node,
        tica=Tica.from_arrays(*read_arrays(tica)) if tica.is_file() else None,
        facts={
            "data": {**frames.metadata, "n_frames": len(frames), "content_hash": frames.content_hash},
            "run": f"{folder.path.resolve().parent.name}/{folder.path.resolve().name}",
            "finished": made.get("finished"),
            "code": code_version() if made.get("code") is None else made["code"],
            "weights": meta.get("weights"),
            "metrics": folder.read_metrics() if folder.metrics.is_file() else {},
        },
    )
