"""Arrays as 16-bit multiples of a step, which is how the sets that ship are so small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError


def quantise(values: NDArray[np.floating], step: float) -> NDArray[np.int16]:
    """``values`` in units of ``step``, rounded to 16-bit integers. Raises InputError if they do not fit."""
    scaled = np.rint(np.asarray(values, dtype=np.float64) / step)
    limit = np.iinfo(np.int16).max
    if scaled.size and np.abs(scaled).max() > limit:
        raise InputError(
            f"values up to {np.abs(values).max():.6g} do not fit 16 bits in steps of {step:g}: "
            f"take steps of at least {np.abs(values).max() / limit:.2g}"
        )
    return scaled.astype(np.int16)


def dequantise(values: NDArray[np.integer], step: float) -> NDArray[np.float32]:
    """The float32 values of ``quantise``; each is within ``step`` / 2 of what it was."""
    return (values * step).astype(np.float32)
