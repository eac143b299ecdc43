"""FramesFile: a data set of your own, in a file written by cgexp.store.write_frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cgexp.all_atom.mapping.unbiasedness import check_unbiased
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.recipe import facts_of as of_system
from cgexp.datasets.stated_units import Stated, check_forces, check_lengths, verdict_in_words
from cgexp.errors import InputError
from cgexp.frames import Frames, stated_force_field
from cgexp.parts.ranges import OwnFile
from cgexp.store import read_frames, read_header
from cgexp.systems.base import System

TESTED_BYTES = 2**28
SELECTED = (
    "force_sem",
    "parent",
    "round",
    "chosen",
)  # labels of frames that were chosen, on which the identities do not hold
NO_FILE = "dataset.path={} is no file: give one written by cgexp import, or by cgexp.store.write_frames"


def unusable(path: str, error: InputError) -> InputError:
    """A file of one's own is not made again by a stage, so the store's advice is left out."""
    reason = str(error).split(": ")[0]
    return InputError(f"dataset.path={path} cannot be used ({reason}): give a file written by cgexp.store.write_frames")


@dataclass(kw_only=True)
class FramesFile(Recipe):
    """The frames in the file ``path``; with n_frames, that many of them, evenly spaced.

    thermally_sampled: False for frames that were selected or relaxed; then forces and temperature cannot be tested.
    """

    path: OwnFile[str]
    thermally_sampled: bool = True

    cached: ClassVar[bool] = False
    fills_in: ClassVar[str] = "cgexp.datasets.file_data.facts_of"

    @property
    def all_atom_force_field(self) -> str:
        header = self._header()
        return stated_force_field(header.get("force_field") or "", str(header.get("source", "")))

    @property
    def called(self) -> str:
        """The name of the file."""
        return Path(self.path).name

    @property
    def place(self) -> str:
        return self.path

    def require(self) -> None:
        """The file is there, and of this system."""
        if not Path(self.path).is_file():
            raise InputError(NO_FILE.format(self.path))
        header = self._header()
        found = header.get("system")
        if found != self.system.name:
            raise InputError(
                f"dataset.path={self.path} holds frames of '{found}' but the data set's system is "
                f"'{self.system.name}': set dataset.system to that of the frames"
            )
        for name in ("units", "temperature", "force_map"):
            if header.get(name) != getattr(self, name):
                raise InputError(
                    f"dataset.{name}={getattr(self, name)} but the frames in dataset.path={self.path} have "
                    f"{header.get(name)}: set dataset.{name} to it"
                )

    def preview(self) -> Frames:
        """All of them."""
        return self.make(Path())

    def make(self, folder: Path) -> Frames:
        """Read, verify, and make molecules whole, test units and temperature; ``folder`` is not needed.

        Raises InputError if the file is missing, damaged or another, or if its numbers are not in Å and kcal/mol/Å.
        """
        try:
            frames = read_frames(Path(self.path))
        except InputError as error:
            raise unusable(self.path, error) from error
        frames = self._whole(frames)
        chosen = self.check(self.thin(frames))
        if len(self.system.bonds) and len(frames):
            self._test(_enough_of(frames), self.system)
        return chosen

    def verdict(self, frames: Frames) -> str:
        """What the identities say of the force map, in words."""
        return verdict_in_words(_enough_of(frames), self.system) if self._sampled(frames) else ""

    def _header(self) -> dict[str, Any]:
        try:
            return read_header(Path(self.path))
        except InputError as error:
            raise unusable(self.path, error) from error

    def _sampled(self, frames: Frames) -> bool:
        return self.thermally_sampled and not frames.arrays.keys() & set(SELECTED)

    def _whole(self, frames: Frames) -> Frames:
        coords = self.system.whole(frames.coords)
        return frames if coords is frames.coords else frames.with_labels(coords=coords)

    def _test(self, frames: Frames, system: System) -> None:
        stated = Stated(keys=False)
        check_lengths(frames, system, self.called, stated)
        if self._sampled(frames):
            allowed = bool(self.allow_biased_force_map.strip())
            if frames.units == "molecular":
                check_forces(frames, system, self.called, stated, allowed)
            else:
                check_unbiased(frames, pairs=system.bonds, allow_biased_map=allowed)


def _enough_of(frames: Frames) -> Frames:
    """Evenly spaced frames, of at most TESTED_BYTES of coordinates: what is tested on them has its own arrays."""
    n = max(1, TESTED_BYTES * len(frames) // max(1, frames.coords.nbytes))
    if n >= len(frames):
        return frames
    return frames.select(np.linspace(0, len(frames) - 1, n).round().astype(np.int64))


def facts_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of a config node says of its frames, where the node leaves it open.

    Raises InputError if there is no such file, or it holds no frames.
    """
    path = str(node.get("path"))
    if path == "???" or all(node.get(name) is not None for name in ("system", "units", "temperature", "force_map")):
        return of_system(node)
    if not Path(path).is_file():
        raise InputError(NO_FILE.format(path))
    try:
        header = read_header(Path(path))
    except InputError as error:
        raise unusable(path, error) from error
    system = node.get("system") or header.get("system_spec")
    if system is None:
        raise InputError(
            f"the frames in dataset.path={path} do not carry their system, as those of older versions: set "
            "dataset.system={_target_: ...} and dataset.n_beads"
        )
    known: dict[str, Any] = {name: header[name] for name in ("units", "temperature", "force_map") if name in header}
    return {"system": system, **of_system({"system": system}), **known}
