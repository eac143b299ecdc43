"""WeightedArchive: C-alpha coords, forces and weights in one .npz file (Köhler et al. 2023, 'flowm')."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cgexp.datasets.published.download import check_shape
from cgexp.datasets.published.recipe import Content, Index, Published, Values, in_blocks
from cgexp.errors import InputError
from cgexp.parts.ranges import FileNames, PositiveInt


@dataclass(kw_only=True)
class WeightedArchive(Published):
    """Arrays of the file ``archive`` in ``folder``: coords and forces [n_frames, n_beads, 3], weights [n_frames].

    coords_key, forces_key, weights_key: their names; weights_key null leaves the frames without weights. Units are
    tested without weights: thermally sampled locally, the frames obey the identities whatever the starts they are from.
    block_frames: consecutive frames that are kept together in a split, as if from one trajectory.
    """

    archive: FileNames
    coords_key: str
    forces_key: str
    weights_key: str | None
    block_frames: PositiveInt

    def content(self) -> Content:
        """The arrays, read whole."""
        path = Path(self.folder) / self.archive
        keys = [self.coords_key, self.forces_key, *([self.weights_key] if self.weights_key else [])]
        arrays = self.download.arrays(path, keys)
        coords, forces = arrays[self.coords_key], arrays[self.forces_key]
        check_shape(path / self.coords_key, coords, self.n_beads, "beads")
        check_shape(path / self.forces_key, forces, self.n_beads, "beads", len(coords))
        weights = arrays[self.weights_key].squeeze() if self.weights_key else None
        if weights is not None and weights.shape != (len(coords),):
            raise InputError(
                f"{path / str(self.weights_key)} has shape {list(weights.shape)} but there are {len(coords)} frames: "
                "expected [n_frames], one weight a frame"
            )

        def read(index: Index) -> tuple[Values, Values]:
            return coords[index], forces[index]

        return Content(read, *in_blocks(len(coords), self.block_frames, self.save_ps), weights)
