"""System: what is modelled, with every fact that a stage asks for, so that no stage asks which class it is."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cgexp.build import TARGET, build
from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.systems.metric import euclidean, superposed_rmsd
from cgexp.systems.whole import make_whole

Coords = NDArray[np.floating]


@dataclass(frozen=True)
class Symmetry:
    """What leaves the energy as it is: moving all beads, turning all beads, and a period of each coordinate.

    box: edges of a rectangular periodic box, [n_dims], length; None: no box.
    """

    translation: bool = False
    rotation: bool = False
    box: tuple[float, ...] | None = None


class Start(NamedTuple):
    """Where replicas of a kind start: at the frames of the data in the mask [n_frames], or where there are none at
    ``structure`` [n_beads, n_dims]."""

    frames: NDArray[np.bool_]
    structure: NDArray[np.float64] | None = None


class System(Part, ABC):
    """A coarse-grained system; a subclass sets the facts in its ``__init__``, from plain config values that it keeps.

    name: recorded in frames; systems of one name are the same. n_beads, n_dims: shape of one configuration. units:
    'molecular' or 'reduced'. bead_types: [n_beads], int64. masses: [n_beads], amu, or reduced. bonds: [n_bonds, 2],
    bonded beads, the lower index first. bond_length: their median distance in any data, length; None: any.
    trace: [n_trace], the beads of the chain that an analysis measures; empty where there is no chain. labels: what
    figures call them. native_structure: of these beads, [n_trace, n_dims], length, or None. residues: names of the
    residues, for molecular viewers. bead_atoms: (residue index, atom name) of every bead, likewise.
    metric: how ``distance`` measures; 'own' where a subclass overrides it. symmetry: of the energy. basins: the names
    that ``basin_of`` gives; empty where it tells none. start_kinds: of simulations, beside 'data' and 'spread'.
    kind: what such a system is, in words. analysis: option of the config group ``analysis`` that is made for such
    systems. figures: of active learning, that only such systems have.
    """

    name: str
    n_beads: int
    n_dims: int
    units: str
    bead_types: NDArray[np.int64]
    masses: NDArray[np.float64]
    bonds: NDArray[np.int64] = np.zeros((0, 2), dtype=np.int64)
    trace: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    labels: Sequence[str] = ()
    residues: Sequence[str] = ()
    bead_atoms: Sequence[tuple[int, str]] = ()
    native_structure: NDArray[np.float64] | None = None
    bond_length: float | None = None
    metric: Literal["euclidean", "superposed", "own"] = "euclidean"
    symmetry: Symmetry = Symmetry()
    basins: Sequence[str] = ()
    start_kinds: Sequence[str] = ()
    kind: ClassVar[str] = "a system"
    analysis: ClassVar[str]
    figures: ClassVar[Sequence[str]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "distance" in cls.__dict__ and cls.metric != "own":
            raise TypeError(f"{cls.__name__} overrides distance, so its metric must be 'own'")

    @classmethod
    def expect(cls, system: System, what: str) -> Self:
        """``system``, if it is of this class; else InputError, which begins with ``what`` was given it."""
        if not isinstance(system, cls):
            raise InputError(f"{what} has system '{system.name}': expected {cls.kind}")
        return system

    @property
    def spec(self) -> dict[str, Any]:
        """The config node that makes this system again, as ``build`` takes it."""
        arguments = {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }
        plain = {name: _plain(value) for name, value in arguments.items()}
        return {TARGET: f"{type(self).__module__}.{type(self).__qualname__}", **plain}

    def native(self) -> NDArray[np.float64]:
        """A copy of the native structure, [n_trace, n_dims]; InputError if it is not known."""
        if self.native_structure is None:
            raise InputError(f"system '{self.name}' has no native structure: leave out what is measured against one")
        return self.native_structure.copy()

    def distance(self, a: Coords, b: Coords) -> NDArray[np.float64]:
        """Distance of configurations by ``metric``: a [n, n_beads, n_dims], b [m, n_beads, n_dims] -> [n, m], length.

        'euclidean': of all coordinates together. 'superposed': the RMSD over all beads after the best rotation and
        translation; mirror images differ. Raises ValueError for other shapes.
        """
        for coords in (a, b):
            if coords.ndim != 3 or coords.shape[1:] != (self.n_beads, self.n_dims):
                raise ValueError(f"coords have shape {list(coords.shape)}: expected [n, {self.n_beads}, {self.n_dims}]")
        return superposed_rmsd(a, b) if self.metric == "superposed" else euclidean(a, b)

    def whole(self, coords: Coords) -> Coords:
        """The same configurations [n, n_beads, n_dims] with bonded beads beside each other, not at other images."""
        box = self.symmetry.box
        return coords if box is None else make_whole(coords, self.bonds, np.asarray(box))

    def basin_of(self, coords: Coords) -> NDArray[np.str_]:
        """The name of each configuration's basin, [n], one of ``basins``; InputError where none are told apart."""
        raise InputError(f"system '{self.name}' tells no basins apart: leave basins out for these data")

    def start(self, kind: str, coords: Coords) -> Start:
        """Where replicas of one of ``start_kinds`` start, given the data's coords; InputError for another kind."""
        kinds = ("data", "spread", *self.start_kinds)
        raise InputError(
            f"simulation.starts={kind} is not made for system '{self.name}'{did_you_mean(kind, kinds)}: expected one "
            f"of {', '.join(kinds)}"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, System):
        return value.spec
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def system_of(frames: Frames) -> System:
    """The system that frames carry the config node of; InputError if they carry none, as files of older versions do."""
    if frames.system_spec is None:
        raise InputError(
            f"the frames of '{frames.system}' do not carry their system, as those of older versions: give it, as in "
            "frames.with_labels(system_spec=system.spec)"
        )
    try:
        system = build(frames.system_spec, System)
    except InputError as error:
        raise InputError(f"the frames of '{frames.system}' carry a system that cannot be made: {error}") from error
    if system.name != frames.system:
        raise InputError(f"the frames of '{frames.system}' carry the system '{system.name}': make the file again")
    return system


def farthest_points(
    system: System, candidates: NDArray[np.floating], known: NDArray[np.floating], n: int
) -> NDArray[np.int64]:
    """Indices [n] of candidates [k, n_beads, n_dims], each the farthest from ``known`` [m, ...] and those before.

    n: at most k. Without known ones, the first candidate is chosen first.
    """
    nearest = system.distance(candidates, known).min(axis=1) if len(known) else np.full(len(candidates), np.inf)
    chosen: list[int] = []
    for _ in range(n):
        best = int(np.argmax(nearest))
        chosen.append(best)
        nearest = np.minimum(nearest, system.distance(candidates, candidates[[best]])[:, 0])
        nearest[chosen] = -1.0
    return np.array(chosen, dtype=np.int64)
