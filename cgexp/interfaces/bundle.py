"""Bundle: a trained model that stands alone, with its system, units, temperature, starts and what it was made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.analysis.tica import Tica
from cgexp.build import TARGET, build, is_spec
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, require_kind, shown
from cgexp.interfaces.files import read_files, write_files
from cgexp.interfaces.model_card import model_card
from cgexp.models.potential import Potential
from cgexp.parts.ranges import PLACES
from cgexp.parts.signatures import read_signature
from cgexp.progress import Report
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.stability import time_step_problem
from cgexp.systems.base import System
from cgexp.units import unit_system

POTENTIAL, TICA, STARTS, NATIVE = "potential.", "tica.", "starts", "native_structure"
WIDE = 2000  # units of a layer; no memory is taken for more unless the bundle holds as many
Spec = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Bundle:
    """An exported model, which needs neither the run nor the data that it was made from.

    potential: network and prior. model, prior: the config nodes that they are built from (model None: the prior alone).
    system: what is modelled, with bead types, masses and bonds. temperature: K, or kT for the toys, at which alone the
    model is valid. starts: [n, n_beads, n_dims], configurations to begin simulations with, length. simulation: the
    config node of the run's simulation, or None. tica: slow coordinates of the run's analysis, or None. facts: of the
    data, the run and the code that made it, JSON-able.
    """

    potential: Potential
    model: Spec | None
    prior: Spec
    system: System
    temperature: float
    starts: NDArray[np.floating]
    simulation: Spec | None
    tica: Tica | None
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        units = unit_system(self.system.units)
        return (
            f"<Bundle: {self.system.name}, {self.system.n_beads} beads, {units.energy} and {units.length}, at "
            f"{self.temperature:g} {units.temperature}; {self.potential!r}>"
        )

    def simulate(
        self,
        folder: str | Path,
        seed: int = 0,
        kernel: str = "auto",
        progress: Report | None = None,
        **settings: Any,
    ) -> Trajectory:
        """Langevin dynamics from ``starts``, with the settings of the run's simulation; a killed one goes on.

        folder: of the trajectory. settings: in place of the run's, as ``n_steps=200_000, n_replicas=10``. Raises
        InputError for settings that do not fit, and a time step that the prior forbids.
        """
        simulation = self.dynamics(settings)
        starts = torch.tensor(self.starts_of(simulation))
        units, masses = self.system.units, self.system.masses
        simulation.run(self.potential, starts, masses, units, Path(folder), seed, progress, kernel)
        return Trajectory.load(Path(folder))

    def dynamics(self, settings: Mapping[str, Any]) -> Simulation:
        """The run's simulation with other settings.

        Raises InputError for settings that do not fit, another temperature than the model's, and a time step that the
        prior forbids.
        """
        if self.simulation is None:
            raise InputError("the run of this bundle had no simulation: there are no settings to simulate it with")
        simulation = build({**self.simulation, "devices": 1, **settings}, Simulation)  # not those of the run's machine
        if simulation.temperature != self.temperature:
            raise InputError(
                f"temperature={simulation.temperature:g} is not that of the model, {self.temperature:g}, which is not "
                "valid at others: leave temperature out; tempering crosses barriers by higher ones"
            )
        self._require_time_step(simulation)
        return simulation

    def starts_of(self, simulation: Simulation) -> NDArray[np.floating]:
        """Where its replicas start, [n_walkers, n_beads, n_dims]: at those of the bundle, or of another kind.

        Raises InputError for a kind that the system cannot make without the data.
        """
        kind, own = simulation.starts, "data" if self.simulation is None else self.simulation.get("starts", "data")
        pool = self.starts
        if kind != own:
            if kind in ("data", "spread"):
                raise InputError(f"starts={kind} is of the data, but this bundle has the starts of its run, {own}")
            start = self.system.start(kind, self.starts)
            pool = self.starts[start.frames] if start.structure is None else start.structure[None].astype(pool.dtype)
        return pool[np.arange(simulation.n_walkers) % len(pool)]

    def _require_time_step(self, simulation: Simulation) -> None:
        stiffness = getattr(self.potential.prior, "stiffness", lambda: None)()
        if stiffness is None:
            return
        dynamics = simulation.integrator
        problem = time_step_problem(
            simulation.dt, stiffness, float(self.system.masses.min()), self.system.units, self.system.n_beads,
            dynamics.overdamped_friction,
        )  # fmt: skip
        if problem:
            raise InputError(f"dt={simulation.dt} {problem}")

    def save(self, path: str | Path) -> None:
        """Write the bundle into a folder, or into one file where ``path`` ends in .zip."""
        tensors = {f"{POTENTIAL}{name}": tensor for name, tensor in self.potential.state_dict().items()}
        tensors[STARTS] = torch.tensor(self.starts)
        record: dict[str, Any] = {
            "model": self.model,
            "prior": self.prior,
            "system": _without_files(self.system.spec),
            "temperature": self.temperature,
            "simulation": self.simulation,
            "tica": None,
            "facts": self.facts,
            **_described(self.system),
        }
        if self.system.native_structure is not None:
            tensors[NATIVE] = torch.tensor(self.system.native_structure)
        if self.tica is not None:
            arrays, record["tica"] = self.tica.to_arrays()
            tensors |= {f"{TICA}{name}": torch.tensor(array) for name, array in arrays.items()}
        write_files(Path(path), record, tensors, model_card(record, repr(self.potential)))


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle, a folder or a zip, on the CPU, with the precision that the model was saved in.

    Only classes of cgexp and of packages that you have allowed (``cgexp.allow_parts``) are made, and no file but those
    of the bundle is read. Raises InputError with one sentence if it is damaged, of a newer version, or something else.
    """
    require_kind(path, (str, Path), "the path of load_bundle", "that of a bundle's folder or zip")
    path = Path(path)
    record, tensors = read_files(path)
    try:
        return _made(record, tensors)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"{path} describes no model ({shown(repr(error))}): export the bundle again") from error


def _made(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bundle:
    starts = tensors[STARTS].numpy()
    lengths = {size for tensor in tensors.values() for size in tensor.shape}
    for name in ("model", "prior", "system", "simulation"):
        _require_harmless(record[name], name, starts.shape, lengths)
    system = build(record["system"], System)
    if NATIVE in tensors:
        system.native_structure = tensors[NATIVE].numpy()
    _require_same(record, system, starts.shape)
    state = {name.removeprefix(POTENTIAL): value for name, value in tensors.items() if name.startswith(POTENTIAL)}
    tica = {name.removeprefix(TICA): value.numpy() for name, value in tensors.items() if name.startswith(TICA)}
    return Bundle(
        potential=_potential(record["model"], record["prior"], state),
        model=record["model"],
        prior=record["prior"],
        system=system,
        temperature=float(record["temperature"]),
        starts=starts,
        simulation=record["simulation"],
        tica=None if record["tica"] is None else Tica.from_arrays(tica, record["tica"]),
        facts=dict(record["facts"]),
    )


def _potential(model: Spec | None, prior: Spec, state: dict[str, Tensor]) -> Potential:
    potential = Potential(None if model is None else build(model, EnergyTerm), build(prior, EnergyTerm))
    try:
        potential.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise InputError("its tensors do not fit the model it names: export the bundle again") from error
    return potential.eval()


def _described(system: System) -> dict[str, Any]:
    """What a system is, in plain numbers, for programs that cannot build it."""
    units = unit_system(system.units)
    return {
        "units": {name: getattr(units, name) for name in ("name", "length", "energy", "force", "time", "mass")},
        "beads": {
            "name": system.name,
            "n_beads": system.n_beads,
            "n_dims": system.n_dims,
            "types": system.bead_types.tolist(),
            "masses": system.masses.tolist(),
            "bonds": system.bonds.tolist(),
            "residues": list(system.residues),
            "atoms": [list(atom) for atom in system.bead_atoms],
        },
    }


def _require_same(record: Mapping[str, Any], system: System, shape: tuple[int, ...]) -> None:
    """Raise InputError if the system that is built here has other facts than the one that was written."""
    for name, facts in _described(system).items():
        differ = [fact for fact, value in facts.items() if record[name].get(fact) != value]
        if differ:
            raise InputError(f"its system '{system.name}' has other {', '.join(differ)} in this version of cgexp")
    if len(shape) != 3 or not shape[0] or shape[1:] != (system.n_beads, system.n_dims):
        raise InputError(f"its starts have shape {list(shape)}: expected [n, {system.n_beads}, {system.n_dims}]")


def _nodes(spec: Any) -> Iterator[Spec]:
    """The config nodes in a spec that describe objects, itself included."""
    if is_spec(spec):
        yield spec
    for child in spec.values() if isinstance(spec, Mapping) else spec if isinstance(spec, list | tuple) else ():
        yield from _nodes(child)


def _files(node: Spec) -> list[str]:
    """Arguments of a config node that name a file or folder."""
    signature = read_signature(str(node[TARGET]))
    return [] if signature is None else [name for name in node if not PLACES.isdisjoint(signature.marks(name))]


def _without_files(spec: Spec) -> dict[str, Any]:
    """A system's spec without the files that it was made from: what was read there is in the bundle."""
    files = _files(spec)
    return {name: None if name in files else value for name, value in spec.items()}


def _require_harmless(spec: Spec | None, place: str, shape: tuple[int, ...], lengths: Collection[int]) -> None:
    """Raise InputError if a config node names a file of this machine, or layers that would fill the memory.

    shape: of the starts. lengths: of all axes of all tensors, among which wide layers must be.
    """
    for node in _nodes(spec):
        for name in _files(node):
            if node[name] is not None:
                raise InputError(f"its {place} names a file, {shown(node[name])}: a bundle may not, and it is not read")
        for name, size in zip(("n_beads", "n_dims"), shape[1:], strict=False):
            if node.get(name, size) != size:
                raise InputError(f"its {place} has {name}={shown(node[name])} but its tensors have {size}")
        for name, value in node.items() if place in ("model", "prior") else ():
            if isinstance(value, int) and value > WIDE and "seed" not in name and value not in lengths:
                raise InputError(f"its {place} has {name}={shown(value)} but none of its tensors is as wide")
