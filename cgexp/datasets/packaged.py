"""Data sets that ship with the package: cgexp/data/<name>.npz with a data card <name>.json beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.unbiasedness import assess, force_rms, not_applicable
from cgexp.cards import AGAIN, DATA, MANIFEST, load_card, manifest_with, packaged_names
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames, force_field_of
from cgexp.parts.ranges import AddedLater, ChoiceOfFrames, Region, Seed
from cgexp.quantised import dequantise, quantise
from cgexp.store import read_arrays, read_frames, rounded, write_arrays, write_bytes, write_frames, write_json

Content = TypeVar("Content")
FIRST_BLOCKS = "first_block_by_run"  # of a card: runs whose blocks follow one another, and where each begins
JUDGED = ("burn_in_ps", "stretch_ps", "effective_size", "runs")  # facts of a card that are printed


def find_packaged(system: str, temperature: float, force_map: str, folder: Path = DATA) -> list[str]:
    """Names of the shipped sets of a system at a temperature (K) whose main forces are of a map."""
    wanted = {"system": system, "temperature_K": temperature, "force_map": force_map}
    cards = {name: load_card(name, folder) for name in packaged_names(folder)}
    return [name for name, card in cards.items() if all(card[fact] == value for fact, value in wanted.items())]


def map_path(name: str, folder: Path = DATA) -> Path:
    """File of the force map that a shipped set was made with, for ``read_map`` and for the all-atom oracles."""
    return folder / f"{name}.map.npz"


def load_packaged(name: str, folder: Path = DATA, force_map: str | None = None) -> Frames:
    """The frames of a shipped set, with the forces of ``force_map`` where the set ships several (None: its main one).

    Raises InputError for an unknown name or map, or if a file is missing, damaged, or not the one of the card.
    """
    card = load_card(name, folder)
    path = folder / f"{name}.npz"
    frames = _read(read_frames, path)
    if frames.system_spec is None:  # a set that was made before frames carried their system
        frames = frames.with_labels(system_spec=card.get("system_spec"))
    if frames.content_hash != card["content_hash"]:
        raise InputError(f"{path} is not the data set its card describes: {AGAIN}")
    if force_map in (None, frames.force_map):
        return frames
    known = card.get("other_force_maps", {})
    if force_map not in known:
        maps = ", ".join((frames.force_map, *known))
        raise InputError(
            f"data set '{name}' has no forces of map '{force_map}': expected one of {maps}; set dataset.force_map"
        )
    frames = _with_forces(frames, _read_forces(folder / f"{name}.forces.npz", force_map), force_map)
    if frames.content_hash != known[force_map]["content_hash"]:
        raise InputError(f"{path} is not the data set its card describes: {AGAIN}")
    return frames


def write_packaged(
    name: str,
    frames: Frames,
    protocol: Mapping[str, Any],
    made_by: str,
    folder: Path = DATA,
    *,
    steps: Mapping[str, float] | None = None,
    other_forces: Mapping[str, NDArray[np.floating]] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a data set with its card and return the card.

    protocol: how it was sampled. made_by: the command. steps: rounding of the arrays kept as 16-bit integers (see
    ``write_frames``). other_forces: forces on the same frames by other maps, map name -> [n_frames, n_beads, 3],
    rounded like the main ones (so steps must name 'forces'). facts: more entries of the card.
    """
    steps = dict(steps or {})
    frames = rounded(frames, steps)
    card: dict[str, Any] = {
        "name": name,
        "system": frames.system,
        "system_spec": None if frames.system_spec is None else dict(frames.system_spec),
        "n_frames": len(frames),
        "n_beads": frames.n_beads,
        "n_blocks": len(np.unique(frames.block)),
        "units": frames.units,
        "length_unit": frames.unit_system.length,
        "force_unit": frames.unit_system.force,
        "temperature_K": frames.temperature,
        "source": frames.source,
        "force_field": force_field_of(frames),
        "protocol": dict(protocol),
        "notes": frames.notes,
        "made_by": made_by,
        **_force_facts(frames),
        **(facts or {}),
    }
    if steps:
        card["rounding_at_most"] = {array: step / 2.0 for array, step in steps.items()}
    if other_forces:
        card["other_force_maps"] = {
            force_map: _force_facts(rounded(_with_forces(frames, forces, force_map), steps))
            for force_map, forces in other_forces.items()
        }
        step = steps["forces"]
        write_arrays(
            folder / f"{name}.forces.npz",
            {force_map: quantise(forces, step) for force_map, forces in other_forces.items()},
            {"step": step},
            compress=True,
        )
    write_frames(folder / f"{name}.npz", frames, compress=True, steps=steps)
    write_json(folder / f"{name}.json", card)
    write_bytes(folder / MANIFEST, manifest_with(name, folder))
    return card


@dataclass(kw_only=True)
class Packaged(Recipe):
    """The shipped data set called ``name``; with n_frames, that many of its frames, evenly spaced.

    seed: the n_frames are drawn at random with it and kept in their order, each at most once; None: evenly spaced.
    force_map: which forces, where the set ships several. basin: of a peptide whose native structure is known, only
    frames of this basin, for data that lack the others; None: all. run: only frames of this one of the simulations that
    the set is of, as a reference made of the others is independent of them; None: of all.
    """

    basin: Region[Literal["folded", "misfolded", "transition", "unfolded"] | None] = None
    run: Region[str | None] = None
    seed: AddedLater[ChoiceOfFrames[Seed | None]] = None

    cached: ClassVar[bool] = False
    ships: ClassVar[bool] = True  # with a card that tells whether it has forces

    @property
    def all_atom_force_field(self) -> str:
        return str(load_card(self.name).get("force_field", ""))

    @property
    def place(self) -> str:
        return "ships with the package"

    def facts(self) -> dict[str, object]:
        """Of an equilibrium ensemble its errors and how far its runs agree; of a part of a set that it is one."""
        card = load_card(self.name)
        found = {fact: card[fact] for fact in JUDGED if fact in card}
        for judgement in ("values", "w1_tica_resolution"):
            found |= card.get(judgement, {})
        return found | ({} if self.basin is None else {"basin": f"{self.basin}: a part of the set, not an ensemble"})

    def preview(self) -> Frames:
        """All of them."""
        return self.make(Path())

    def make(self, folder: Path) -> Frames:
        """Load the frames; ``folder`` is not needed. Raises InputError if fewer frames ship than n_frames."""
        frames = load_packaged(self.name, force_map=self.force_map)
        if self.run is not None:
            frames = _of_run(frames, self.run, load_card(self.name))
        if self.basin is not None:
            frames = frames.select(self.system.basin_of(frames.coords) == self.basin)
            frames = frames.with_labels(
                notes=f"the {self.basin} frames alone, which are no equilibrium sample, of: {frames.notes}"
            )
        return self.check(self.thin(frames))

    def thin(self, frames: Frames) -> Frames:
        """``n_frames`` of the frames, drawn at random where ``seed`` says how."""
        if self.seed is None or self.n_frames is None or self.n_frames >= len(frames):
            return super().thin(frames)
        drawn = np.random.default_rng(self.seed).choice(len(frames), self.n_frames, replace=False)
        return frames.select(np.sort(drawn))


def _of_run(frames: Frames, run: str, card: Mapping[str, Any]) -> Frames:
    """The frames of one of the simulations that a set with this card is of."""
    firsts: Mapping[str, int] = card.get(FIRST_BLOCKS, {})
    if run not in firsts:
        known = f"expected one of {', '.join(firsts)}" if firsts else "its card does not tell runs apart: leave it out"
        raise InputError(
            f"dataset.run={run}: data set '{card['name']}' has no such run{did_you_mean(run, firsts)}: {known}"
        )
    number = np.searchsorted(sorted(firsts.values()), frames.block, side="right") - 1
    chosen = frames.select(number == sorted(firsts.values()).index(firsts[run]))
    return chosen.with_labels(notes=f"the frames of run '{run}' alone, of: {frames.notes}")


def _read(read: Callable[[Path], Content], path: Path) -> Content:
    """What ``read`` finds in a shipped file; its own advice is for files that a stage can write again."""
    try:
        return read(path)
    except InputError as error:
        raise InputError(f"{path} is missing or damaged: {AGAIN}") from error


def _read_forces(path: Path, force_map: str) -> NDArray[np.float32]:
    arrays, meta = _read(read_arrays, path)
    return dequantise(arrays[force_map], meta["step"])


def _with_forces(frames: Frames, forces: NDArray[np.floating], force_map: str) -> Frames:
    """The frames with forces of another map; what the notes say of the main map is left out."""
    notes = "; ".join(note for note in frames.notes.split("; ") if not note.startswith("force map: "))
    return frames.with_labels(forces=forces, force_map=force_map, notes=notes)


def _force_facts(frames: Frames) -> dict[str, Any]:
    selected = frames.force_sem is not None  # mean forces, at configurations that were chosen
    verdict = not_applicable("the frames were selected, not sampled") if selected else assess(frames)
    return {
        "force_map": frames.force_map,
        "force_rms": None if frames.forces is None else round(force_rms(frames), 4),
        "content_hash": frames.content_hash,
        **verdict.card,
    }
