"""Data sets that ship with the package: cgexp/data/<name>.npz with a data card <name>.json beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames
from cgexp.reference.mapping.force_maps import force_rms, virial
from cgexp.reference.recipe import Recipe
from cgexp.store import read_frames, read_json, write_frames, write_json

DATA = Path(__file__).parent.parent / "data"


def packaged_names(folder: Path = DATA) -> list[str]:
    """Names of the data sets that ship."""
    return sorted(path.stem for path in folder.glob("*.npz") if path.with_suffix(".json").is_file())


def load_card(name: str, folder: Path = DATA) -> dict[str, Any]:
    """The data card of a shipped set: what it is, how it was made, how good it is. Raises InputError if unknown."""
    known = packaged_names(folder)
    if name not in known:
        raise InputError(
            f"no data set '{name}' ships with the package{did_you_mean(name, known)}: "
            f"expected one of {', '.join(known) or '(none)'}"
        )
    card: dict[str, Any] = read_json(folder / f"{name}.json")
    return card


def load_packaged(name: str, folder: Path = DATA) -> Frames:
    """The frames of a shipped set. Raises InputError for an unknown name or if file and card disagree."""
    card = load_card(name, folder)
    path = folder / f"{name}.npz"
    frames = read_frames(path)
    if frames.content_hash != card["content_hash"]:
        raise InputError(f"{path} is not the data set its card describes: install the package again")
    return frames


def write_packaged(
    name: str, frames: Frames, protocol: Mapping[str, Any], made_by: str, folder: Path = DATA
) -> dict[str, Any]:
    """Write a data set with its card and return the card. protocol: how it was sampled. made_by: the command."""
    mean, error = virial(frames)
    card = {
        "name": name,
        "system": frames.system,
        "n_frames": len(frames),
        "n_beads": frames.n_beads,
        "n_blocks": len(np.unique(frames.block)),
        "units": frames.units,
        "length_unit": frames.unit_system.length,
        "force_unit": frames.unit_system.force,
        "temperature_K": frames.temperature,
        "force_map": frames.force_map,
        "source": frames.source,
        "protocol": dict(protocol),
        "notes": frames.notes,
        "content_hash": frames.content_hash,
        "force_rms": round(force_rms(frames), 4),
        "virial_kT": round(mean, 4),
        "virial_kT_sem": round(error, 4),
        "virial_expected_kT": -3.0,
        "made_by": made_by,
    }
    write_frames(folder / f"{name}.npz", frames, compress=True)
    write_json(folder / f"{name}.json", card)
    return card


@dataclass(kw_only=True)
class Packaged(Recipe):
    """The shipped data set called ``name``; with n_frames, that many of its frames, evenly spaced."""

    cached: ClassVar[bool] = False

    def make(self, folder: Path) -> Frames:
        """Load the frames; ``folder`` is not needed. Raises InputError if fewer frames ship than n_frames."""
        return self.check(self.thin(load_packaged(self.name)))
