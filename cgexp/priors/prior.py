"""Prior: the part of the energy that is fitted once and keeps a simulation where the data is."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from cgexp.build import build
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import Positive
from cgexp.priors.term import PriorFit, PriorTerm
from cgexp.store import read_record, write_record
from cgexp.systems.base import System
from cgexp.units import unit_system

FORMAT = 1
log = logging.getLogger(__name__)


class Prior(EnergyTerm):
    """Sum of prior terms; with no terms, zero.

    terms: name -> term. temperature: K (kT for the toys), that of the data it is fitted on. ``fit`` records the
    units and the content hash of the data; ``save`` writes all of it in words and numbers, ``load`` needs no data.
    fitted_on: shipped data set that a run fits the terms on (runs/stages.py) where its own frames are selected and no
    sample of an ensemble, which Boltzmann inversion takes them for; None: its own.
    """

    def __init__(self, terms: dict[str, PriorTerm], temperature: Positive, fitted_on: str | None = None) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self.temperature = temperature
        self.fitted_on = fitted_on
        self.units: str | None = None
        self.data_hash: str | None = None

    def items(self) -> list[tuple[str, PriorTerm]]:
        """Names and terms."""
        return [(name, cast(PriorTerm, term)) for name, term in self.terms.items()]

    def fit(self, frames: Frames, system: System) -> None:
        """Fit every term to the frames of ``system``; a term is left out where the system has nothing that it is of.

        Raises InputError if they have another temperature or other beads, or do not suit a term.
        """
        if (frames.n_beads, frames.n_dims) != (system.n_beads, system.n_dims):
            raise InputError(
                f"frames of '{frames.system}' have {frames.n_beads} beads in {frames.n_dims} dimensions but system "
                f"'{system.name}' has {system.n_beads} in {system.n_dims}: give the system whose beads these are"
            )
        if abs(frames.temperature - self.temperature) > 1e-6 * self.temperature:
            raise InputError(
                f"the prior is for temperature {self.temperature} but the frames of '{frames.system}' are at "
                f"{frames.temperature} {frames.unit_system.temperature}: set prior.temperature={frames.temperature}"
            )
        for name, term in self.items():
            if system.n_dims == 3 and system.n_beads > 1 and not term.suits(system):
                log.warning("prior term %s is left out: '%s' has no %s", name, system.name, term.label)
                del self.terms[name]
        for _, term in self.items():
            term.fit(frames, system)
        self.units, self.data_hash = frames.units, frames.content_hash

    def agrees_with(self, other: EnergyTerm) -> bool:
        """Whether another term is a prior of the same formulas, parameters, units and temperature.

        To the precision of the other, as a potential is saved in another one than a prior.
        """
        if not isinstance(other, Prior):
            return False
        like = next((value for value in other.buffers() if value.is_floating_point()), None)
        own = self if like is None else copy.deepcopy(self).to(like.dtype)
        facts = [{**prior.describe(), "data_hash": None} for prior in (own, other)]
        return facts[0] == facts[1]

    def left(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The config node of this prior without the terms that ``fit`` has left out."""
        return {**spec, "terms": {name: term for name, term in spec["terms"].items() if name in self.terms}}

    def energy(self, coords: Tensor) -> Tensor:
        """Energies [n_frames] of coords [n_frames, n_beads, n_dims], in the energy unit of the fitted frames."""
        if len(self.terms) == 0:
            return coords.new_zeros(coords.shape[0])
        self._require_fit()
        return torch.stack([term.energy(coords) for _, term in self.items()]).sum(0)

    def stiffness(self) -> float | None:
        """Largest force constant of the terms, energy/length^2, or None where no term states one."""
        constants = [constant for _, term in self.items() if (constant := term.stiffness()) is not None]
        return max(constants, default=None)

    def fit_quality(self, frames: Frames) -> dict[str, PriorFit]:
        """For each term, data and fitted energy on a grid: see PriorTerm.fit_quality."""
        self._require_fit()
        return {name: term.fit_quality(frames) for name, term in self.items()}

    def describe(self) -> dict[str, Any]:
        """JSON-able record of conventions, parameters, units, temperature and the hash of the fitted data."""
        units = self._require_fit()
        return {
            "format": FORMAT,
            "units": units,
            "temperature": self.temperature,
            "temperature_unit": unit_system(units).temperature,
            "data_hash": self.data_hash,
            "terms": {name: term.describe(units) for name, term in self.items()},
        }

    def save(self, path: Path) -> None:
        """Write ``describe()`` as JSON; numbers in float64 survive the round trip exactly."""
        write_record(path, self.describe())

    @classmethod
    def load(cls, path: Path) -> Prior:
        """Read a prior written by ``save``; raises InputError if the file is something else."""
        record = read_record(path)
        if "terms" not in record or record.get("format") != FORMAT:
            raise InputError(f"{path} holds no prior of format {FORMAT}: expected a file written by Prior.save")
        terms = {}
        try:
            for name, described in record["terms"].items():
                terms[name] = build({"_target_": described["_target_"], **described["arguments"]}, PriorTerm)
                terms[name].restore(described)
            prior = cls(terms, record["temperature"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path} describes no terms of a prior ({error!r}): delete it and run again") from error
        prior.units, prior.data_hash = record["units"], record["data_hash"]
        return prior

    def get_extra_state(self) -> Tensor:
        """Temperature, units and data hash as bytes of JSON: a tensor, as all that state_dicts are handled with."""
        facts = {"temperature": self.temperature, "units": self.units, "data_hash": self.data_hash}
        return torch.tensor(list(json.dumps(facts, sort_keys=True).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        facts = json.loads(bytes(state.cpu().tolist()))
        self.temperature, self.units, self.data_hash = facts["temperature"], facts["units"], facts["data_hash"]

    def _require_fit(self) -> str:
        if self.units is None:
            raise InputError("the prior has not been fitted: call prior.fit(frames) or load a fitted one")
        return self.units
