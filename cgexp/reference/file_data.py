"""FramesFile: a data set of one's own, in a file written by cgexp.store.write_frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.reference.recipe import Recipe
from cgexp.store import read_frames


@dataclass(kw_only=True)
class FramesFile(Recipe):
    """The frames in the file ``path``; with n_frames, that many of them, evenly spaced."""

    path: str

    cached: ClassVar[bool] = False

    def make(self, folder: Path) -> Frames:
        """Read and verify; ``folder`` is not needed. Raises InputError if the file is missing, damaged or another."""
        try:
            frames = read_frames(Path(self.path))
        except InputError as error:
            reason = str(error).split(": ")[0]
            raise InputError(
                f"dataset.path={self.path} cannot be used ({reason}): give a file written by cgexp.store.write_frames"
            ) from error
        return self.check(self.thin(frames))
