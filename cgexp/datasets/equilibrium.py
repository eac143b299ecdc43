"""Equilibrium ensembles that ship: weighted frames, the walkers they come from, and the TICA fitted on these, once.

Beside ``<name>.npz`` and its card lie ``<name>.walkers.npz``, the continuous (demultiplexed) walkers of replica
exchange, and ``<name>.tica.npz``. The card names the runs, and which blocks of the frames are whose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.tica import Tica
from cgexp.cards import AGAIN, DATA, load_card, packaged_names
from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.quantised import dequantise, quantise
from cgexp.store import read_arrays, write_arrays

WALKERS, TICA = "{}.walkers.npz", "{}.tica.npz"
RUNS, FILES = "runs", "files_sha256"  # of the card; only equilibrium ensembles have them


@dataclass(frozen=True)
class Walkers:
    """Continuous walkers that change temperature, one after the other, each in the order of time.

    coords: [n, n_beads, 3], Å. walker: [n], counted through all runs. time_ps: since the start of its run, [n].
    temperature: K, at which the frame was sampled, [n]. energy: potential energy of all atoms, kcal/mol, [n].
    """

    coords: NDArray[np.float32]
    walker: NDArray[np.int64]
    time_ps: NDArray[np.float32]
    temperature: NDArray[np.float32]
    energy: NDArray[np.float32]

    def frames(self, like: Frames) -> Frames:
        """As frames of one block a walker, for TICA; all else from ``like``. They have no common temperature."""
        return Frames(
            coords=self.coords,
            bead_types=like.bead_types,
            block=self.walker,
            time_ps=self.time_ps,
            units=like.units,
            temperature=like.temperature,
            system=like.system,
            system_spec=like.system_spec,
            source=like.source,
            notes="walkers that change temperature: not an ensemble at one temperature",
        )


def write_walkers(path: Path, walkers: Walkers, step: float) -> None:
    """Write walkers with coordinates in 16-bit multiples of ``step``, Å."""
    arrays = {**vars(walkers), "coords": quantise(walkers.coords, step), "walker": walkers.walker.astype(np.int16)}
    write_arrays(path, arrays, {"step": step}, compress=True)


def load_walkers(name: str, folder: Path = DATA) -> Walkers:
    """The walkers of a shipped ensemble. Raises InputError if there are none, or if they are not those of its card."""
    arrays, meta = read_arrays(_verified(name, WALKERS, folder))
    coords = dequantise(arrays.pop("coords"), meta["step"])
    return Walkers(coords=coords, walker=arrays.pop("walker").astype(np.int64), **arrays)


def load_tica(name: str, folder: Path = DATA) -> Tica:
    """The TICA of a shipped ensemble, which all later comparisons use; never fitted again."""
    return Tica.from_arrays(*read_arrays(_verified(name, TICA, folder)))


def file_hashes(name: str, folder: Path = DATA) -> dict[str, str]:
    """SHA-256 of the files beside the frames, for the card."""
    paths = [folder / kind.format(name) for kind in (WALKERS, TICA)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _verified(name: str, kind: str, folder: Path) -> Path:
    """The file of this kind. Raises InputError if it is not the one that the card of the ensemble describes."""
    card, path = load_card(name, folder), folder / kind.format(name)
    runs_of(name, card)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != card[FILES][path.name]:
        raise InputError(f"{path} is not the file that its card describes: {AGAIN}")
    return path


def runs_of(name: str, card: dict[str, Any]) -> list[dict[str, Any]]:
    """The independent runs that an ensemble was made by. Raises InputError if its card names none."""
    if RUNS not in card:
        raise InputError(
            f"data set '{name}' is not an equilibrium ensemble: expected one of {', '.join(find_equilibria()) or '-'}"
        )
    runs: list[dict[str, Any]] = card[RUNS]
    return runs


def find_equilibria(folder: Path = DATA, *, system: str | None = None, temperature_K: float | None = None) -> list[str]:
    """Names of the shipped equilibrium ensembles, those of a system and at a temperature alone if these are given."""
    cards = {name: load_card(name, folder) for name in packaged_names(folder)}
    return [
        name
        for name, card in cards.items()
        if RUNS in card and system in (None, card["system"]) and temperature_K in (None, card["temperature_K"])
    ]


def load_equilibrium(name: str, folder: Path = DATA) -> Equilibrium:
    """A shipped ensemble with its TICA. Raises InputError if unknown, damaged, or no equilibrium ensemble."""
    runs = runs_of(name, load_card(name, folder))
    return Equilibrium.of_runs(name, load_packaged(name, folder), load_tica(name, folder), runs)
