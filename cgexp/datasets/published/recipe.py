"""Published: the recipe that all published sets share: read local files, convert units, and put them to the test."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.published.download import Download
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.stated_units import Stated, check_forces, check_lengths, verdict_in_words
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import OwnFile, Positive, PositiveInt
from cgexp.systems.peptide import Peptide
from cgexp.units import LENGTHS, force_factors

Scalar = TypeVar("Scalar", bound=np.generic)

N_CHECKED = 50_000  # frames, evenly spaced, on which units are tested: enough for 1 K

Index = NDArray[np.int64]
Values = NDArray[np.floating]


@dataclass(frozen=True)
class Content:
    """What the files of a set hold, in their own units; nothing is read before ``read(index)``.

    read: frames -> coords and forces of the beads, [n, n_beads, 3]. block, time_ps, weights: [n_frames].
    """

    read: Callable[[Index], tuple[Values, Values]]
    block: Index
    time_ps: Values | None
    weights: Values | None = None


@dataclass(kw_only=True)
class Published(Recipe):
    """A set of C-alpha coords and forces in local files, whose numbers are in the units that the config states.

    folder: where the files lie. address, size: from where they are downloaded, and how large that is. source: what the
    set is, in words. length_unit, force_unit: of the files; kT is that of ``temperature``. save_ps: time between
    consecutive frames; None leaves them without time, so that TICA cannot be fitted on them. force_field: of the atoms,
    as cards name it ('' if not known): frames of another are not compared with an ensemble that ships.
    """

    system: Peptide
    folder: OwnFile[str]
    address: str
    size: str
    source: str
    force_field: str = ""
    length_unit: Literal["A", "nm"] = "A"
    force_unit: Literal["kcal/mol/A", "kcal/mol/nm", "kJ/mol/A", "kJ/mol/nm", "kT/A", "kT/nm"] = "kcal/mol/A"
    save_ps: Positive | None = None

    cached: ClassVar[bool] = False  # the files are on disk already

    @property
    def all_atom_force_field(self) -> str:
        return self.force_field

    @property
    def place(self) -> str:
        return self.folder

    @abstractmethod
    def content(self) -> Content:
        """Open the files and check their shapes."""

    def make(self, folder: Path) -> Frames:
        """Read, convert, and test units and temperature; ``folder`` is not needed.

        Raises InputError if a file is missing, damaged or of another shape, or if the numbers contradict the config.
        """
        content = self.content()
        n_frames = len(content.block)
        self.test(self._frames(content, spread(n_frames, N_CHECKED)))
        return self.check(self._frames(content, spread(n_frames, self.n_frames or n_frames)))

    def test(self, frames: Frames, forces: bool = True) -> None:
        """Raise InputError unless lengths (and forces) are those of the system at the stated temperature."""
        stated = Stated(self.length_unit, self.force_unit)
        check_lengths(frames, self.peptide, self.name, stated)
        if forces:
            check_forces(frames, self.peptide, self.name, stated, bool(self.allow_biased_force_map.strip()))

    def verdict(self, frames: Frames) -> str:
        """What the identities say of the force map, in words."""
        return verdict_in_words(frames, self.peptide)

    @property
    def peptide(self) -> Peptide:
        if Peptide.expect(self.system, f"data set '{self.name}'").beads != "ca":
            raise InputError(
                f"data set '{self.name}' has system '{self.system.name}': expected a peptide of beads 'ca'"
            )
        return self.system

    @property
    def download(self) -> Download:
        return Download(self.address, self.size, "dataset.folder to where it is")

    def _frames(self, content: Content, index: Index) -> Frames:
        coords, forces = content.read(index)
        length, force = LENGTHS[self.length_unit], force_factors(self.temperature)[self.force_unit]
        notes = f"from {self.address}; read as {self.length_unit} and {self.force_unit}"
        if self.allow_biased_force_map.strip():
            notes += f"; biased force map allowed: {self.allow_biased_force_map.strip()}"
        return Frames(
            coords=(coords * length).astype(np.float32),
            forces=(forces * force).astype(np.float32),
            bead_types=self.system.bead_types,
            block=content.block[index],
            time_ps=_at(content.time_ps, index),
            weights=_at(content.weights, index),
            units="molecular",
            temperature=self.temperature,
            system=self.system.name,
            source=self.source,
            force_map=self.force_map,
            force_field=self.force_field,
            notes=notes,
        )


def in_blocks(n_frames: int, block_frames: PositiveInt, save_ps: float | None) -> tuple[Index, Values | None]:
    """Block and time (ps) of consecutive frames, cut every ``block_frames``; no time if save_ps is None."""
    index = np.arange(n_frames)
    time = None if save_ps is None else (save_ps * (index % block_frames)).astype(np.float32)
    return index // block_frames, time


def spread(n_frames: int, n: int) -> Index:
    """``n`` frames of all, evenly spaced as in ``Recipe.thin``; all if there are fewer."""
    return np.linspace(0, n_frames - 1, min(n, n_frames)).round().astype(np.int64)


def _at(values: NDArray[Scalar] | None, index: Index) -> NDArray[Scalar] | None:
    return None if values is None else values[index]
