"""Recipe: how a data set is made, with the facts about it that a config states and a check reads without making it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.build import build, is_spec, problems
from cgexp.errors import InputError
from cgexp.executor.workers import Workers
from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.parts.ranges import ChoiceOfFrames, ExecutionOnly, Name, Positive, PositiveInt
from cgexp.systems.base import System


@dataclass(kw_only=True)
class Recipe(Part, ABC):
    """A data set: its facts, and ``make`` to produce its frames. A subclass adds fields of its own.

    name: of the data set. system: what is modelled. n_beads, n_dims, units, temperature (K, or kT for the toys),
    force_map: facts that the frames must agree with. n_frames: how many frames, beside those that were chosen
    (Frames.chosen); None takes all there are.
    allow_biased_force_map: why a force map known to be biased is acceptable here; empty refuses it.
    stiffness: force constant of the stiffest bond, energy/length^2 (1/2 k x^2), and lightest_mass: of a bead; from them
    the time step is checked before anything is computed. cached: whether the frames are worth keeping on disk.
    fills_in: the function that gives the facts that a config leaves open (null), from its node.
    Raises InputError if the facts contradict the system.
    """

    name: ChoiceOfFrames[Name]
    system: System
    n_beads: PositiveInt
    n_dims: PositiveInt
    units: Literal["molecular", "reduced"]
    temperature: Positive
    force_map: ChoiceOfFrames[str]
    n_frames: ChoiceOfFrames[PositiveInt | None] = None
    allow_biased_force_map: ExecutionOnly[str] = ""
    stiffness: ExecutionOnly[Positive | None] = None
    lightest_mass: ExecutionOnly[Positive | None] = None
    cached: ClassVar[bool] = True
    fills_in: ClassVar[str] = "cgexp.datasets.recipe.facts_of"

    def __post_init__(self) -> None:
        for field in ("n_beads", "n_dims", "units"):
            stated, actual = getattr(self, field), getattr(self.system, field)
            if stated != actual:
                raise InputError(
                    f"data set '{self.name}' states {field}={stated} but its system '{self.system.name}' has {actual}: "
                    f"set dataset.{field}={actual}"
                )

    @property
    def all_atom_force_field(self) -> str:
        """Name of the force field that the frames were simulated in, as cards state it; '' if none or not known."""
        return ""

    @property
    def is_kept(self) -> bool:
        """Whether its frames are kept on disk once they are made."""
        return self.cached

    @property
    def called(self) -> str:
        """What a person knows the set by."""
        return self.name

    @property
    def place(self) -> str:
        """Where the frames are, in words, if they are not kept by the package."""
        return "not kept: made anew each time"

    def facts(self) -> dict[str, object]:
        """What is known of the set beside its frames, for its printed card."""
        return {}

    def require(self) -> None:
        """Raise InputError if something that ``make`` reads is missing or unfit; makes nothing and reads no frames."""

    def preview(self) -> Frames | None:
        """Frames of this set, or drawn as its frames are, that take a second at most; None where there are none.

        A check fits the prior on them. Raises InputError as ``make``; writes nothing.
        """
        return None

    @abstractmethod
    def make(self, folder: Path) -> Frames:
        """Produce the frames. ``folder`` is this recipe's own cache for partial results; the caller stores the result.

        Called again after a kill with the same folder, it continues from what is there.
        """

    def make_on(self, folder: Path, workers: Workers | None) -> Frames:
        """As ``make``, with what is long on ``workers``, for a recipe that can: same frames. None: as ``make``."""
        return self.make(folder)

    def check(self, frames: Frames) -> Frames:
        """``frames`` with their system, if they are what this recipe promises; InputError names what differs first."""
        promised: dict[str, Any] = {
            "n_beads": self.n_beads,
            "n_dims": self.n_dims,
            "units": self.units,
            "temperature": self.temperature,
            "force_map": self.force_map,
            "system": self.system.name,
        }
        for field, stated in promised.items():
            if getattr(frames, field) != stated:
                raise InputError(
                    f"data set '{self.name}' states {field}={stated} but its frames have {getattr(frames, field)}: "
                    f"correct the recipe or make the frames again"
                )
        if not np.array_equal(frames.bead_types, self.system.bead_types):
            raise InputError(
                f"frames of data set '{self.name}' have other bead_types than its system: map the beads alike"
            )
        n_frames = len(frames.sample)
        if self.n_frames is not None and n_frames != self.n_frames:
            raise InputError(
                f"data set '{self.name}' states n_frames={self.n_frames} but has {n_frames} frames: "
                f"set dataset.n_frames={n_frames} or make the frames again"
            )
        spec = self.system.spec
        return frames if frames.system_spec == spec else frames.with_labels(system_spec=spec)

    def verdict(self, frames: Frames) -> str:
        """What is known of the force map of these frames, in words; empty where the set's own card says it."""
        return ""

    def thin(self, frames: Frames) -> Frames:
        """``n_frames`` of the frames, evenly spaced; all of them if n_frames is None or more than there are.

        Chosen frames stay.
        """
        is_sampled = np.ones(len(frames), dtype=np.bool_) if frames.chosen is None else ~frames.chosen
        sampled = np.flatnonzero(is_sampled)
        if self.n_frames is None or self.n_frames >= len(sampled):
            return frames
        kept = sampled[evenly_spaced(self.n_frames, len(sampled))]
        return frames.select(np.sort(np.concatenate([kept, np.flatnonzero(~is_sampled)])))


def evenly_spaced(n: int, total: int) -> NDArray[np.int64]:
    """Which n of ``total`` frames a data set with ``n_frames`` takes, [n]."""
    return np.linspace(0, total - 1, n).round().astype(np.int64)


def facts_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a recipe's config node that follow from its system; none where something of that is missing or unknown.

    Raises InputError for a system that cannot be made, such as a sequence of letters that are no residues.
    """
    spec = node.get("system")
    if spec is None or not is_spec(spec) or any(problems(spec, (f"{System.__module__}.{System.__qualname__}",))):
        return {}  # the check says what is wrong, with its place
    system = build(spec, System)
    return {name: getattr(system, name) for name in ("n_beads", "n_dims", "units")}
