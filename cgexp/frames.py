"""Frames: the one container for configurations and their labels. Shapes, units and finiteness are enforced here."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cgexp.errors import InputError
from cgexp.units import UnitSystem, unit_system

PER_FRAME = ("block", "time_ps", "weights", "parent", "round", "chosen")  # [n_frames]
LIKE_COORDS = ("forces", "force_sem")  # [n_frames, n_beads, n_dims]
ARRAYS = ("coords", "bead_types", *PER_FRAME, *LIKE_COORDS)
METADATA = ("units", "temperature", "system", "source", "force_map", "notes")
CHECKED = 2**14  # frames looked at at once
OPTIONAL_METADATA = ("force_field",)  # came later: left out where it says nothing, so that older content hashes hold


@dataclass(frozen=True, repr=False)
class Frames:
    """Configurations of a coarse-grained system, with optional reference forces.

    coords: [n_frames, n_beads, n_dims], float, in the length unit of ``units`` (Å, or 1 for the toys).
    bead_types: [n_beads], int. block: [n_frames], int: the contiguous stretch of the trajectory a frame comes from;
    frames of one block are correlated, so a split never cuts through a block.
    forces, force_sem: same shape as coords, energy/length (kcal/mol/Å or kT). force_sem is the standard error of a
    label about the mean force: 0 if it is exact, inf if it is not known, as of an instantaneous force (``join``).
    time_ps, weights, parent (index of the frame this one descends from, -1 for none), round (of active learning):
    [n_frames]. chosen: [n_frames], bool: frames whose configurations somebody chose, which are no draw of the ensemble.
    A label has the mean force as its mean wherever its configuration comes from, so that all frames are trained on;
    what takes frames for a sample of the ensemble takes ``sample``.
    system: name of the System. system_spec: config node that makes it again (systems.base.system_of); None in files of
    older versions. units: 'molecular' or 'reduced'. temperature: K, or kT for the toys. force_map: how atom forces
    became bead forces.
    force_field: name of the atoms' force field and solvent; '' if it is not known, or there are no atoms.
    Arrays may be read-only memory maps (numpy.load with mmap_mode="r"), which stay on disk. Raises InputError naming
    the field and the first bad frame.
    """

    coords: NDArray[np.floating]
    bead_types: NDArray[np.integer]
    block: NDArray[np.integer]
    units: str
    temperature: float
    system: str
    source: str
    force_map: str = "none"
    notes: str = ""
    force_field: str = ""
    forces: NDArray[np.floating] | None = None
    force_sem: NDArray[np.floating] | None = None
    time_ps: NDArray[np.floating] | None = None
    weights: NDArray[np.floating] | None = None
    parent: NDArray[np.integer] | None = None
    round: NDArray[np.integer] | None = None
    chosen: NDArray[np.bool_] | None = None
    system_spec: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ARRAYS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _readonly(value))
        unit_system(self.units)
        object.__setattr__(self, "temperature", _temperature(self.temperature))
        _check_shapes(self)
        for name in ("coords", "forces", "time_ps", "weights"):
            _check_finite(name, getattr(self, name))
        if self.force_sem is not None and np.isnan(self.force_sem).any():
            raise InputError("force_sem has entries that are no number: expected a standard error, or inf if not known")
        if self.weights is not None and (self.weights < 0).any():
            raise InputError(f"weights of frame {int(np.argmax(self.weights < 0))} are negative: expected >= 0")
        if self.weights is not None and len(self.weights) and not self.weights.any():
            raise InputError("weights are all zero: expected at least one frame that counts")
        if self.chosen is not None and self.chosen.dtype != np.bool_:
            raise InputError(f"chosen is an array of {self.chosen.dtype}: expected booleans, [n_frames]")
        if self.force_sem is not None and (self.force_sem < 0).any():
            raise InputError("force_sem has negative entries: a standard error is >= 0")

    def __len__(self) -> int:
        return len(self.coords)

    def __repr__(self) -> str:
        labels = ", ".join(name for name in (*LIKE_COORDS, *PER_FRAME[1:]) if getattr(self, name) is not None)
        temperature = f"{self.temperature:g} {'K' if self.units == 'molecular' else 'kT'}"
        return (
            f"<Frames: {len(self)} of {self.system}, {self.n_beads} beads in {self.n_dims} dimensions, {self.units} "
            f"units, {temperature}, with {labels or 'no labels'}>"
        )

    @property
    def n_beads(self) -> int:
        return int(self.coords.shape[1])

    @property
    def n_dims(self) -> int:
        return int(self.coords.shape[2])

    @property
    def unit_system(self) -> UnitSystem:
        return unit_system(self.units)

    @property
    def kT(self) -> float:
        """Thermal energy of the frames in their own energy unit."""
        return self.unit_system.kT(self.temperature)

    @property
    def metadata(self) -> dict[str, Any]:
        optional = {name: getattr(self, name) for name in OPTIONAL_METADATA if getattr(self, name)}
        return {name: getattr(self, name) for name in METADATA} | optional

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that are present, by name."""
        return {name: getattr(self, name) for name in ARRAYS if getattr(self, name) is not None}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of every array and of the metadata; the system counts by its name."""
        digest = hashlib.sha256(json.dumps(self.metadata, sort_keys=True).encode())
        for name, array in sorted(self.arrays.items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(plain_bytes(array))
        return digest.hexdigest()

    @cached_property
    def sample(self) -> Frames:
        """The frames that are a sample of the ensemble: all but those that were ``chosen``."""
        if self.chosen is None:
            return self
        return self.select(~self.chosen).with_labels(chosen=None)

    def select(self, index: ArrayLike) -> Frames:
        """Return the frames at ``index`` (integers, booleans or a slice) with all their labels."""
        chosen = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(chosen, slice):
            chosen = chosen if chosen.size else chosen.astype(np.intp)  # of an empty list
            self._require_index(chosen)
        per_frame = ("coords", *PER_FRAME, *LIKE_COORDS)
        return replace(self, **{name: array[chosen] for name, array in self.arrays.items() if name in per_frame})

    def _require_index(self, chosen: NDArray[np.generic]) -> None:
        if chosen.ndim == 1 and chosen.dtype == np.bool_ and len(chosen) == len(self):
            return
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise InputError(
                f"frames cannot be selected by an array {list(chosen.shape)} of {chosen.dtype}: expected a list of "
                f"integers, or {len(self)} booleans"
            )
        if chosen.size and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            raise InputError(
                f"there is no frame {chosen.max() if chosen.max() >= len(self) else chosen.min()}: expected 0 to "
                f"{len(self) - 1}"
            )

    def with_labels(self, **labels: Any) -> Frames:
        """Return a copy with some fields replaced."""
        return replace(self, **labels)


def concatenate(parts: Sequence[Frames]) -> Frames:
    """Join frames of one system into one container; blocks are renumbered so that they stay distinct.

    A label that only some parts have is refused, and so are parts of different units, temperature or beads.
    """
    if not parts:
        raise InputError("cannot join an empty list of frames: expected at least one part")
    first = parts[0]
    for part in parts[1:]:
        for name in ("units", "temperature", "system", "force_map"):
            if getattr(part, name) != getattr(first, name):
                raise InputError(
                    f"cannot join frames whose {name} differ: '{getattr(first, name)}' and '{getattr(part, name)}'"
                )
        if part.force_field and first.force_field and part.force_field != first.force_field:
            raise InputError(
                f"cannot join frames whose force fields differ: '{first.force_field}' and '{part.force_field}'"
            )
        if not np.array_equal(part.bead_types, first.bead_types):
            raise InputError("cannot join frames whose bead_types differ: they are different systems")
        if part.arrays.keys() != first.arrays.keys():
            odd = sorted(part.arrays.keys() ^ first.arrays.keys())
            raise InputError(f"cannot join frames of which only some have {', '.join(odd)}")
    joined: dict[str, Any] = {}
    for name in first.arrays:
        if name not in ("bead_types", "block"):
            joined[name] = np.concatenate([part.arrays[name] for part in parts])
    blocks, offset = [], 0
    for part in parts:
        _, dense = np.unique(part.block, return_inverse=True)
        blocks.append(dense + offset)
        offset += int(dense.max(initial=-1)) + 1
    return replace(first, block=np.concatenate(blocks), **joined)


def join(parts: Sequence[Frames]) -> Frames:
    """``concatenate`` for frames of which only some have a force_sem: it is inf, which means not known, in the others.

    A loss that weighs by it estimates the error of those (training/noise.py).
    """
    if all(part.force_sem is None for part in parts):
        return concatenate(parts)
    return concatenate(
        [
            part
            if part.force_sem is not None
            else part.with_labels(force_sem=np.full(part.coords.shape, np.inf, dtype=np.float32))
            for part in parts
        ]
    )


def were_selected(frames: Frames) -> bool:
    """Whether labels say that some of the configurations were selected, and not sampled.

    A mean force with an error is asked for at a configuration that one chose. Exact labels (force_sem 0), as a teacher
    gives to all frames of its own simulation, say nothing of the frames.
    """
    sem = frames.force_sem
    averaged = sem is not None and bool((np.isfinite(sem) & (sem > 0)).any())
    return averaged or any(label is not None for label in (frames.parent, frames.round, frames.chosen))


def plain_bytes(array: NDArray[Any]) -> memoryview:
    """The bytes of an array in the order of its indices; no copy where they lie in this order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _readonly(value: ArrayLike) -> NDArray[Any]:
    """The array in the machine's byte order, a copy unless nobody can change it."""
    array = np.asarray(value)
    kept = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if kept is array and _can_be_changed(array):
        kept = array.copy()
    kept.setflags(write=False)
    return kept


def _can_be_changed(array: NDArray[np.generic]) -> bool:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    # of another kind; a map of a file for reading only is taken as it is, since its data may be larger than the memory
    return owner is not None and not isinstance(owner, mmap.mmap)


def _temperature(given: Any) -> float:
    """A plain number; InputError for anything else, as a quantity with a unit."""
    try:
        if isinstance(given, str | bytes | bool) or hasattr(given, "unit") or hasattr(given, "units"):
            raise TypeError
        number = given if type(given) in (int, float) else float(given)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"frames have temperature {given!r}, a {type(given).__name__}: expected a number: K, or kT in reduced units"
        ) from error
    if not 0 < number < float("inf"):
        raise InputError(f"frames have temperature {number}: expected a positive number")
    return number  # type: ignore[no-any-return]


def _check_shapes(frames: Frames) -> None:
    coords = frames.coords
    if coords.ndim != 3:
        raise InputError(f"coords have shape {list(coords.shape)}: expected [n_frames, n_beads, n_dims]")
    n_frames, n_beads, _ = coords.shape
    if not np.issubdtype(coords.dtype, np.floating):
        raise InputError(f"coords have type {coords.dtype}: expected floating point numbers")
    for name in LIKE_COORDS:
        value = getattr(frames, name)
        if value is not None and value.shape != coords.shape:
            beads = value.shape[1] if value.ndim == 3 else "?"
            raise InputError(
                f"{name} have shape {list(value.shape)} ({beads} beads) but coords have shape {list(coords.shape)} "
                f"({n_beads} beads): expected the same shape; map atoms to beads first"
            )
    for name in PER_FRAME:
        value = getattr(frames, name)
        if value is not None and value.shape != (n_frames,):
            raise InputError(f"{name} has shape {list(value.shape)}: expected [n_frames] = [{n_frames}]")
    if frames.bead_types.shape != (n_beads,):
        raise InputError(f"bead_types has shape {list(frames.bead_types.shape)}: expected [n_beads] = [{n_beads}]")


def _check_finite(name: str, value: NDArray[Any] | None) -> None:
    if value is None or all(np.isfinite(value[k : k + CHECKED]).all() for k in range(0, len(value), CHECKED)):
        return
    bad = ~np.isfinite(value).reshape(len(value), -1).all(axis=1)
    raise InputError(
        f"{name} of frame {int(np.argmax(bad))} (and {int(bad.sum()) - 1} more) are not finite: remove or repair them"
    )


LEGACY = {"ff14SB + OBC2": "ff14SB + OBC2 + ACE"}  # what sources called it before the surface term was a choice


def stated_force_field(force_field: str, source: str) -> str:
    """Name of the force field that frames state; '' if it is not known. Older frames say it in their ``source``."""
    if force_field:
        return force_field
    _, said, rest = source.partition("OpenMM, ")
    return current_name(rest.split(",")[0]) if said else ""


def current_name(force_field: str) -> str:
    """The name today of a force field that older frames call otherwise."""
    return LEGACY.get(force_field, force_field)


def force_field_of(frames: Frames) -> str:
    """Name of the force field that the atoms of frames were simulated in; '' if it is not known."""
    return stated_force_field(frames.force_field, frames.source)
