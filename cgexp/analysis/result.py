"""Evaluation: what an analysis hands on; and Analysis, its base. Nothing heavy is imported here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.curves import Notes
from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.systems.base import System

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Evaluation:
    """metrics: flat, name -> number, named as in docs/metrics.md, errors as ``<name>_sem``.

    curves: figure name -> what the figure's function takes: a dataclass of analysis.curves, or for a figure of one's
    own whatever that function expects. notes: remarks for the reader, None if there are none.
    definitions: name -> (arrays, metadata) of coordinates that must be kept to repeat the numbers (TICA), as
    store.write_arrays takes them.
    """

    metrics: dict[str, float]
    curves: dict[str, object]
    definitions: dict[str, tuple[dict[str, NDArray[Any]], dict[str, Any]]] = field(default_factory=dict)
    notes: Notes | None = None


class SwapStatistics(Protocol):
    """What an analysis reads of a parallel tempering; simulation.trajectory.Exchange is one."""

    @property
    def alive(self) -> NDArray[np.bool_]: ...
    @property
    def tried(self) -> NDArray[np.int64]: ...
    @property
    def round_trips(self) -> NDArray[np.int64]: ...
    @property
    def acceptance(self) -> NDArray[np.float64]: ...


class Simulated(Protocol):
    """What an analysis reads of a simulation; simulation.trajectory.Trajectory, which analysis/ may not import, is one.

    coords: [n_saved, n_replicas, n_beads, n_dims]. time: [n_saved]. alive: [n_replicas]. failures: of each failed
    replica its ``replica``, ``step``, ``time`` and ``reason``.
    """

    @property
    def coords(self) -> NDArray[np.float32]: ...
    @property
    def time(self) -> NDArray[np.float64]: ...
    @property
    def alive(self) -> NDArray[np.bool_]: ...
    @property
    def failures(self) -> list[dict[str, Any]]: ...
    @property
    def exchange(self) -> SwapStatistics | None: ...
    @property
    def continuous(self) -> bool: ...
    def production(self, burn_in: float) -> NDArray[np.float32]: ...


class Analysis(Part, ABC):
    """What the config group ``analysis`` makes.

    needs_simulation: whether there is nothing to do without one. n_bootstrap, seed: of the errors.
    """

    needs_simulation = False
    # name of a curve -> the function that draws it, by its dotted name, for figures of a package of one's own
    figures: ClassVar[Mapping[str, str]] = {}
    n_bootstrap: int = 100
    seed: int = 0

    def check(self, frames: Frames) -> None:
        """Raise InputError if ``evaluate`` could not use these frames; asked before anything is computed."""

    @abstractmethod
    def evaluate(
        self, system: System, potential: nn.Module, frames: Frames, trajectory: Simulated | None, burn_in: float
    ) -> Evaluation:
        """Compare a potential and its simulation (None if there is none) with a reference."""
