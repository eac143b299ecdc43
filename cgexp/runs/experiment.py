"""Experiment: a config as typed parts, built once and handed on; after that no code reads the dict.

config/schema.py reads ``Parts`` from the source text, so that a config is checked before any of these classes is
imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.active.acquisition import Acquisition
from cgexp.active.settings import ActiveLearning
from cgexp.analysis.result import Analysis
from cgexp.build import Template, build
from cgexp.config.compose import Config
from cgexp.config.identity import experiment_name, run_id, teacher_id
from cgexp.config.schema import groups, settings
from cgexp.config.sweep import Sweep
from cgexp.datasets.recipe import Recipe
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.executor.workers import Workers
from cgexp.oracles.oracle import Oracle
from cgexp.parts.ranges import FilledIn, KernelName, Seed
from cgexp.priors.prior import Prior
from cgexp.report.tracker import TrackerSettings
from cgexp.runs.data import DataSet
from cgexp.simulation.simulation import Simulation
from cgexp.systems.base import System
from cgexp.training.fit import Training
from cgexp.training.losses import Loss


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The config groups, each with the kind of its part, and the settings beside them (conf/config.yaml).

    None switches a group off. A Template is made anew for each use.
    """

    dataset: Recipe
    model: Template[EnergyTerm]
    prior: Template[Prior]
    loss: Template[Loss]
    optimizer: Annotated[Template[Optimizer], FilledIn(("params",))]
    scheduler: Annotated[Template[LRScheduler] | None, FilledIn(("optimizer", "total_steps", "T_max"))]
    trainer: Training
    simulation: Simulation | None
    analysis: Analysis
    logger: TrackerSettings
    sweep: Sweep
    oracle: Oracle | None
    acquisition: Acquisition | None
    active: ActiveLearning | None
    executor: Workers | None

    seed: Seed
    kernel: KernelName
    figures: Literal["png", "pdf", "svg", "all", "none"]
    force: bool
    run: str | None
    outputs: str
    parts: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Experiment(Parts):
    """The parts of a config, and the config that they were made of, for what is written down."""

    config: Config

    @classmethod
    def of(cls, config: Config) -> Experiment:
        """Build the parts of a checked config. Raises InputError where one cannot be built."""
        return cls(config=config, **make_parts(config, groups()), **{name: config[name] for name in settings()})

    def changed(self, seed: int | None = None, **nodes: Mapping[str, Any]) -> Experiment:
        """The same with another seed, and with other arguments in the parts of the groups named."""
        config = {**self.config, **{group: {**self.config[group], **node} for group, node in nodes.items()}}
        config["seed"] = self.seed if seed is None else seed
        return replace(self, config=config, seed=config["seed"], **make_parts(config, nodes))

    @property
    def system(self) -> System:
        """What is modelled."""
        return self.dataset.system

    @property
    def name(self) -> str:
        """Of the experiment's option, or 'run'; runs lie in a folder of that name."""
        return experiment_name(self.config)

    def require_simulation(self) -> None:
        """Raise InputError if the analysis is of a simulation and there is none."""
        if self.simulation is None and self.analysis.needs_simulation:
            raise InputError(
                f"analysis={self.option('analysis')} compares a simulation with the data, but there is none "
                "(simulation=none): choose a simulation or another analysis"
            )

    def option(self, group: str) -> str | None:
        """The option that was chosen in a group."""
        return self.config["choices"].get(group)

    @cached_property
    def run_id(self) -> str:
        return run_id(self.config)

    @property
    def teacher_folder(self) -> Path:
        """Where the ensemble of a data set's teacher is kept, for all runs that share it."""
        return Path(self.outputs) / "data" / f"{self.dataset.name}-ensemble-{teacher_id(self.config)}"

    @property
    def data_set(self) -> DataSet:
        """Its data set, made or to be made."""
        return DataSet.of(self.config)


@lru_cache(maxsize=None)
def _kinds() -> dict[str, tuple[type, bool]]:
    """The class of each group's part, and whether it is a Template."""
    hints = get_type_hints(Parts)
    found = {}
    for name in groups():
        choices = [hint for hint in (*get_args(hints[name]), hints[name]) if hint is not type(None)]
        template = next((hint for hint in choices if get_origin(hint) is Template), None)
        kind = get_args(template)[0] if template else next(hint for hint in choices if isinstance(hint, type))
        found[name] = (kind, template is not None)
    return found


def make_parts(config: Config, names: Iterable[str]) -> dict[str, Any]:
    """The parts of these groups, each of its kind; None where a group is switched off."""
    parts: dict[str, Any] = {}
    for name in names:
        (kind, is_template), node = _kinds()[name], config[name]
        parts[name] = None if node is None else Template(node, kind) if is_template else build(node, kind)
    return parts
