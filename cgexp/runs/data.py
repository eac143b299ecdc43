"""The data stage: a recipe is made once, kept in a cache that all runs share, and read from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.all_atom.mapping.unbiasedness import assess
from cgexp.build import build
from cgexp.config.compose import Config
from cgexp.config.identity import data_id
from cgexp.datasets.recipe import Recipe
from cgexp.executor.workers import Workers
from cgexp.frames import Frames
from cgexp.runs.lock import lock
from cgexp.store import read_frames, write_frames, write_json
from cgexp.systems.base import System


@dataclass(frozen=True)
class DataSet:
    """A recipe, the config node that it was made of, and the folder in which its frames are kept."""

    recipe: Recipe
    spec: Mapping[str, Any]
    folder: Path

    @classmethod
    def of(cls, config: Config) -> DataSet:
        """That of a config, of which nothing else is read."""
        folder = Path(config["outputs"]) / "data" / f"{config['dataset']['name']}-{data_id(config)}"
        return cls(build(config["dataset"], Recipe), config["dataset"], folder)

    @property
    def path(self) -> Path:
        """Where the frames are kept, if the recipe is one whose frames are."""
        return self.folder / "frames.npz"

    @property
    def is_there(self) -> bool:
        """Whether nothing need be made."""
        return not self.recipe.is_kept or self.path.is_file()

    def at_hand(self) -> Frames | None:
        """The frames, if they are there, or such as the recipe gives at once; None if there are neither."""
        return self.get()[0] if self.is_there else self.recipe.preview()

    def get(self, again: bool = False, workers: Workers | None = None) -> tuple[Frames, Path | None]:
        """Return the frames and the file they are kept in (None for a set that is not ours to keep).

        Made under a lock, so that the jobs of a sweep make it once; a making that was killed goes on where it was.
        ``again`` makes it anew. workers: where, see ``Recipe.make_on``.
        """
        recipe, path = self.recipe, self.path
        if not recipe.is_kept:
            return recipe.check(recipe.make_on(self.folder, workers)), None
        if again:
            path.unlink(missing_ok=True)
        if not path.is_file():
            with lock(self.folder, wait=True):
                if not path.is_file():
                    frames = recipe.check(recipe.make_on(self.folder / "work", workers))
                    write_json(self.folder / "card.json", data_card(frames, self.spec, recipe.system))
                    write_frames(path, frames)
        return recipe.check(read_frames(path)), path


def data_card(frames: Frames, spec: Mapping[str, Any], system: System) -> dict[str, Any]:
    """The facts of a data set for the screen, with units."""
    units = frames.unit_system
    card: dict[str, Any] = {
        **frames.metadata,
        "content_hash": frames.content_hash,
        "n_frames": len(frames),
        "n_beads": frames.n_beads,
        "n_dims": frames.n_dims,
        "n_blocks": len(np.unique(frames.block)),
        **({} if frames.chosen is None else {"n_chosen": int(frames.chosen.sum())}),
        "length_unit": units.length,
        "recipe": spec,
    }
    if frames.forces is not None:
        card[f"force_rms ({units.force})"] = float(np.sqrt(np.square(frames.forces, dtype=np.float64).mean()))
        if len(system.bonds):
            card.update(assess(frames.sample, pairs=system.bonds).card)
    return card
