"""BeadArrays: C-alpha coords and forces in two .npy files (Majewski et al. 2023; the tutorial of torchmd-cg)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgexp.datasets.published.download import check_shape
from cgexp.datasets.published.recipe import Content, Index, Published, Values, in_blocks
from cgexp.parts.ranges import FileNames, PositiveInt


@dataclass(kw_only=True)
class BeadArrays(Published):
    """``coords_file`` and ``forces_file`` in ``folder``, both [n_frames, n_beads, 3].

    forces_file: of total forces; those that a prior was taken off ('deltaforces') are refused by their size.
    block_frames: consecutive frames that are kept together in a split, as if from one trajectory.
    """

    coords_file: FileNames
    forces_file: FileNames
    block_frames: PositiveInt

    def content(self) -> Content:
        """Both files mapped into memory."""
        paths = Path(self.folder) / self.coords_file, Path(self.folder) / self.forces_file
        for path in paths:
            self.download.require(path)
        coords, forces = (self.download.array(path) for path in paths)
        check_shape(paths[0], coords, self.n_beads, "beads")
        check_shape(paths[1], forces, self.n_beads, "beads", len(coords))

        def read(index: Index) -> tuple[Values, Values]:
            return np.asarray(coords[index]), np.asarray(forces[index])

        return Content(read, *in_blocks(len(coords), self.block_frames, self.save_ps))
