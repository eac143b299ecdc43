"""Arrays that stay on disk: those of an archive as they lie in it, and new ones for what does not fit into memory."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAP_FROM = 2 * 2**30  # bytes of an archive; smaller ones are read into memory
SMALLEST = 2**20  # bytes of an array that is worth a map
LOCAL_HEADER = 30  # bytes that stand before a member's name
LARGE, MOST_PACKED = 2**30, 100  # bytes; what our files shrink to at most when they are packed, as a factor


def read_members(path: Path, archive: Any) -> dict[str, NDArray[Any]]:
    """The arrays of an open ``.npz`` archive, by name; those of a large one are read-only maps of the file at ``path``.

    archive: what numpy.load returned. Raises ValueError if a few bytes of it would fill the memory.
    """
    members = archive.zip.infolist()
    size, packed = (sum(getattr(info, key) for info in members) for key in ("file_size", "compress_size"))
    if size > LARGE and size > MOST_PACKED * packed:
        raise ValueError("fills the memory")
    mapped = {
        info.filename.removesuffix(".npy"): _map_member(path, info)
        for info in members
        if size > MAP_FROM and info.file_size >= SMALLEST and info.compress_type == zipfile.ZIP_STORED
    }
    return {name: mapped[name] if name in mapped else archive[name] for name in archive.files}


def _map_member(path: Path, info: zipfile.ZipInfo) -> NDArray[Any]:
    """A member that is not compressed, where it lies in the file."""
    with open(path, "rb") as file:
        file.seek(info.header_offset + LOCAL_HEADER - 4)
        name, extra = struct.unpack("<HH", file.read(4))
        file.seek(info.header_offset + LOCAL_HEADER + name + extra)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError("an array of Python objects")
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def create(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """A new array of zeros in the file ``path``, which a NumPy file is; what is written to it goes there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
