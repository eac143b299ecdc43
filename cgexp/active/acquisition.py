"""Acquisition: which frames of a pool are worth a label. The rules are in modules of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.tica import Tica
from cgexp.errors import InputError
from cgexp.kernels.coverage import largest
from cgexp.models.potential import Potential
from cgexp.parts.part import Part
from cgexp.systems.base import System

Coords = NDArray[np.floating]


@dataclass(frozen=True)
class Context:
    """What a rule may ask beside the frames.

    system: says what the distance of two configurations is. models: an ensemble trained on the known frames. tica: the
    reference's, None where there is none. seed: of all randomness of the choice, one for each round.
    """

    system: System
    models: Sequence[Potential] = ()
    tica: Tica | None = None
    seed: int = 0


class Acquisition(Part, ABC):
    """A rule; a subclass implements ``choose``. Its choice depends on nothing but the arguments of ``select``."""

    def select(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        """Indices [n] of ``n`` different candidates, in the order of choice; where two are as good, the first.

        candidates: [m, n_beads, n_dims], the pool, length unit. known: [k, n_beads, n_dims], the labelled frames.
        Raises InputError if the pool has fewer than n frames, or one that is not finite, ValueError for shapes that are
        not those of the system.
        """
        check_shapes(context.system, candidates, known)
        if n > len(candidates):
            raise InputError(
                f"{n} frames are to be selected from a pool of {len(candidates)}: simulate more or save more often, or "
                "select fewer"
            )
        unfit = ~np.isfinite(candidates).all(axis=(1, 2))
        if unfit.any():
            raise InputError(
                f"{unfit.sum()} of {len(candidates)} candidates are not finite, the first at index {unfit.argmax()}: "
                "leave out frames of replicas that have failed"
            )
        if n < 1:
            return np.zeros(0, dtype=np.int64)
        return self.choose(candidates, known, n, context)

    @abstractmethod
    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        """As ``select``, of arguments that are known to be sound, and n >= 1."""


class ScoreRule(Acquisition):
    """A rule that gives every candidate a number by itself and takes the highest; a subclass implements ``scores``."""

    @abstractmethod
    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        """[m], the higher the better; no NaN."""

    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        return largest(self.scores(candidates, known, context), n)


def check_shapes(system: System, *several: Coords) -> None:
    """Raise ValueError unless all are [n, n_beads, n_dims] of the system."""
    for coords in several:
        if coords.ndim != 3 or coords.shape[1:] != (system.n_beads, system.n_dims):
            raise ValueError(
                f"coords have shape {list(coords.shape)}: expected [n, {system.n_beads}, {system.n_dims}] of "
                f"'{system.name}'"
            )
