"""Experiment: what a composed config holds. Each field says of what kind its part is, and which values a setting takes.

config/schema.py reads this from the source text, so that a config is checked before any of these classes is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.active.acquisition import Acquisition
from cgexp.active.settings import ActiveLearning
from cgexp.analysis.result import Analysis
from cgexp.build import build
from cgexp.config.compose import Config
from cgexp.config.schema import groups
from cgexp.config.sweep import Sweep
from cgexp.energy import EnergyTerm
from cgexp.parts.marks import FilledIn
from cgexp.parts.ranges import Seed
from cgexp.priors.prior import Prior
from cgexp.reference.oracles.oracle import Oracle
from cgexp.reference.recipe import Recipe
from cgexp.report.wandb import WandbSettings
from cgexp.simulation.simulation import Simulation
from cgexp.training.fit import Training
from cgexp.training.losses import Loss


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The config groups, of which None switches one off, and the settings beside them (conf/config.yaml)."""

    dataset: Recipe
    model: EnergyTerm
    prior: Prior
    loss: Loss
    optimizer: Annotated[Optimizer, FilledIn(("params",))]
    scheduler: Annotated[LRScheduler | None, FilledIn(("optimizer", "total_steps", "T_max"))]
    trainer: Training
    simulation: Simulation | None
    analysis: Analysis
    logger: WandbSettings
    sweep: Sweep
    oracle: Oracle | None
    acquisition: Acquisition | None
    active: ActiveLearning | None

    seed: Seed
    kernel: Literal["auto", "reference", "table", "compiled", "fused"]
    figures: Literal["all", "png", "none"]
    force: bool
    run: str | None
    outputs: str
    parts: Sequence[str]


@lru_cache(maxsize=None)
def _kinds() -> dict[str, type]:
    """The class of each group's part."""
    hints = get_type_hints(Experiment)
    return {name: next(c for c in (*get_args(hints[name]), hints[name]) if isinstance(c, type)) for name in groups()}


def make_parts(config: Config, names: Iterable[str]) -> dict[str, Any]:
    """The parts of these groups, each of its kind; None where a group is switched off."""
    return {name: None if config[name] is None else build(config[name], _kinds()[name]) for name in names}
