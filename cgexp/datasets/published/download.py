"""Files that a user downloads: one that is missing or damaged says from where, how large, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError, did_you_mean
from cgexp.store import UNREADABLE

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


@dataclass(frozen=True)
class Download:
    """Where the files of a data set are from.

    address: of the file, of an archive, or, ending in '/', of the folder that holds a file of the same name or the
    archives. size: in words. key: of the config, that says where the files lie.
    """

    address: str
    size: str
    key: str

    def advice(self, path: Path) -> str:
        """What to do to have a sound ``path``."""
        if self.address.endswith(ARCHIVES):
            return f"download {self.address} ({self.size}) and unpack it so that {path} is there"
        if self.address.endswith("/") and path.suffix:
            return f"download {self.address}{path.name} ({self.size}) and save it as {path}"
        if self.address.endswith("/"):
            return f"download the archives in {self.address} ({self.size}) and unpack them so that {path} is there"
        return f"download {self.address} ({self.size}) and save it as {path}"

    def require(self, path: Path) -> None:
        """Raise InputError if ``path`` does not exist."""
        if not path.exists():
            raise InputError(f"{path} does not exist: {self.advice(path)}, or set {self.key}")

    def array(self, path: Path) -> NDArray[Any]:
        """The array of an .npy file, mapped into memory; InputError if it is missing, damaged or something else."""
        self.require(path)
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except UNREADABLE as error:
            raise self._damaged(path) from error
        if not isinstance(found, np.ndarray):
            raise InputError(f"{path} holds several arrays: expected one, as in an .npy file; {self.advice(path)}")
        return found

    def arrays(self, path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
        """These arrays of an .npz file; InputError if the file or one of them is missing or damaged."""
        self.require(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                known = list(archive.files)
                found = {name: archive[name] for name in names if name in known}
        except UNREADABLE as error:
            raise self._damaged(path) from error
        for name in names:
            if name not in found:
                raise InputError(
                    f"{path} has no array '{name}'{did_you_mean(name, known)}: it holds {', '.join(known) or 'none'}; "
                    "name the arrays with dataset.coords_key, forces_key and weights_key"
                )
        return found

    def _damaged(self, path: Path) -> InputError:
        return InputError(f"{path} is truncated or no NumPy file: {self.advice(path)}")


def check_shape(path: Path, array: NDArray[np.generic], n_points: int, what: str, n_frames: int | None = None) -> None:
    """Raise InputError unless the array in ``path`` is [n_frames, n_points, 3] numbers; what: 'beads' or 'atoms'."""
    advice = "map atoms to beads first, or take the file that belongs to this set" if what == "beads" else ""
    if array.ndim != 3 or array.shape[1:] != (n_points, 3) or not len(array):
        have = f" ({array.shape[1]} points a frame)" if array.ndim == 3 else ""
        raise InputError(
            f"{path} has shape {list(array.shape)}{have}: expected [n_frames, {n_points}, 3], {n_points} {what}; "
            + (advice or "set dataset.n_atoms and dataset.ca_atoms if it is another system")
        )
    if array.dtype.kind != "f":
        raise InputError(f"{path} holds numbers of type {array.dtype}: expected floating point numbers")
    if n_frames is not None and len(array) != n_frames:
        raise InputError(
            f"{path} has {len(array)} frames but the coords have {n_frames}: take coords and forces of one set"
        )
