"""The data stage: a recipe is made once, kept in a cache that all runs share, and read from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cgexp.build import build
from cgexp.config.compose import Config
from cgexp.config.identity import data_id
from cgexp.frames import Frames
from cgexp.reference.mapping.unbiasedness import assess
from cgexp.reference.recipe import Recipe
from cgexp.runs.lock import lock
from cgexp.store import read_frames, write_frames, write_json
from cgexp.systems.base import System


def data_folder(config: Config) -> Path:
    """Where the data set of this recipe is kept."""
    return Path(config["outputs"]) / "data" / f"{config['dataset']['name']}-{data_id(config)}"


def get_data(config: Config, again: bool = False) -> tuple[Frames, Recipe, Path | None]:
    """Return the frames, the recipe, and the file they are kept in (None for a set that is not ours to keep).

    Made under a lock, so that the jobs of a sweep make it once; a making that was killed goes on where it was.
    ``again`` makes it anew.
    """
    recipe = build(config["dataset"], Recipe)
    if not recipe.cached:
        return recipe.check(recipe.make(data_folder(config))), recipe, None
    folder = data_folder(config)
    path = folder / "frames.npz"
    if again:
        path.unlink(missing_ok=True)
    if not path.is_file():
        with lock(folder, wait=True):
            if not path.is_file():
                frames = recipe.check(recipe.make(folder / "work"))
                write_json(folder / "card.json", data_card(frames, config["dataset"], recipe.system))
                write_frames(path, frames)
    return recipe.check(read_frames(path)), recipe, path


def data_card(frames: Frames, spec: dict[str, Any], system: System) -> dict[str, Any]:
    """What a person wants to know of a data set, with units."""
    units = frames.unit_system
    card: dict[str, Any] = {
        **frames.metadata,
        "content_hash": frames.content_hash,
        "n_frames": len(frames),
        "n_beads": frames.n_beads,
        "n_dims": frames.n_dims,
        "n_blocks": len(np.unique(frames.block)),
        "length_unit": units.length,
        "recipe": spec,
    }
    if frames.forces is not None:
        card[f"force_rms ({units.force})"] = float(np.sqrt(np.square(frames.forces, dtype=np.float64).mean()))
        if len(system.bonds):
            card.update(assess(frames, pairs=system.bonds).card)
    return card
