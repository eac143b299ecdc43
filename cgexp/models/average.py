"""Average: the mean of the energies of several trained networks, as one model; nothing more is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.features import check_fits
from cgexp.models.potential import POTENTIAL_FILE, Potential, read_potential
from cgexp.parts.ranges import RunFolders
from cgexp.systems.base import System


class Average(EnergyTerm):
    """U = mean of the members' energies, so that the force is the mean of their forces.

    Where members differ by their initial weights and the order of their batches, part of their errors is independent;
    of that part the mean of n has 1/n of the variance, while an error that they share stays. exp(-U/kT) is the
    geometric mean of the members' Boltzmann factors: one ensemble, and no mixture of theirs. A constant of an energy,
    which forces do not determine, has no effect.

    members: networks with an energy, whose weights are fixed.
    """

    trains: ClassVar[bool] = False

    def __init__(self, members: Annotated[list[EnergyTerm], MinLen(1)]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.n_beads, self.n_dims = (_shared(name, members) for name in ("n_beads", "n_dims"))
        self.requires_grad_(False)

    def energy(self, coords: Tensor) -> Tensor:
        return torch.stack([member.energy(coords) for member in self.networks]).mean(0)

    @property
    def networks(self) -> list[EnergyTerm]:
        """The members."""
        return [member for member in self.members if isinstance(member, EnergyTerm)]


class AverageOfRuns(Average):
    """The mean of the networks of finished runs, which have one prior: that of this run, as fitted on its data.

    runs: folders of runs that have trained, of one system with the same beads, temperature and prior: a network has
    learned what its own prior leaves of the forces. Seeds, data, losses and kinds of networks may differ. Its potential
    holds all weights, and needs the folders no more. Every frame may have been trained on by a member, so that there is
    no ``loss_validation``, and ``loss_train`` is of all frames. Raises InputError for a folder without a network, or
    with one that has no energy.
    """

    def __init__(self, runs: RunFolders) -> None:
        places = [Path(run).resolve() for run in runs]  # a link leads to a run that may be named as well
        double = next((run for i, run in enumerate(runs) if places[i] in places[:i]), None)
        if double is not None:
            raise InputError(f"model.runs names {double} twice: name each run once, as all count the same")
        potentials, self._made_of = {}, {}
        for run in runs:
            potentials[run], self._made_of[run] = _trained(run)
        super().__init__([_network(potential) for potential in potentials.values()])
        widest = max((parameter.dtype for parameter in self.parameters()), key=lambda dtype: dtype.itemsize)
        self.to(widest)
        self.priors = {run: potential.prior for run, potential in potentials.items()}

    def fit(self, frames: Frames, system: System) -> None:
        """Learns nothing from frames; raises InputError if a member is of another system, or of other beads."""
        for run, made_of in self._made_of.items():
            other = made_of.get("system", system.name)  # older potentials do not say
            if other != system.name:
                raise InputError(
                    f"model.runs={run} is of system '{other}' but the data set of '{system.name}': average networks of "
                    "one system"
                )
        for run, member in zip(self._made_of, self.networks, strict=True):
            n_beads = getattr(member, "n_beads", system.n_beads) or system.n_beads
            check_fits(f"model.runs={run}", n_beads, getattr(member, "n_dims", None) or system.n_dims, frames)
            types = getattr(member, "bead_types", None)
            if isinstance(types, Tensor) and types.tolist() != frames.bead_types.tolist():
                raise InputError(
                    f"the network of model.runs={run} is of bead_types {types.tolist()} but the data set of "
                    f"{frames.bead_types.tolist()}: average networks of the same beads"
                )

    def saved_spec(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        members = [dict(made_of["specs"]["model"]) for made_of in self._made_of.values()]
        return {"_target_": f"{Average.__module__}.{Average.__qualname__}", "members": members}


def _trained(run: str) -> tuple[Potential, Mapping[str, Any]]:
    """The potential of a run and what its file says of it; InputError where there is no network with an energy."""
    file = Path(run) / POTENTIAL_FILE
    if not file.is_file():
        raise InputError(
            f"model.runs={run} holds no trained network: give folders that `cgexp run` or `cgexp train` printed"
        )
    potential, made_of = read_potential(file)
    if potential.network is None:
        raise InputError(f"model.runs={run} is a prior alone (model=none): name runs that have trained a network")
    if not potential.conservative:
        raise InputError(
            f"model.runs={run} predicts forces and has no energy to average: name runs of a model with an energy"
        )
    return potential, made_of


def _network(potential: Potential) -> EnergyTerm:
    assert potential.network is not None
    return potential.network


def _shared(name: str, members: Sequence[EnergyTerm]) -> int | None:
    """What all members say of their beads or dimensions, None if none does; InputError where they differ."""
    found = sorted({value for member in members if isinstance(value := getattr(member, name, None), int)})
    if len(found) > 1:
        raise InputError(f"networks of {name} {' and '.join(map(str, found))} have no average: name runs of one system")
    return found[0] if found else None
