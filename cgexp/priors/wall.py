"""A confining wall for toy systems."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import Positive
from cgexp.priors.term import PriorTerm
from cgexp.systems.base import System

log = logging.getLogger(__name__)
LARGEST_SHARE = 0.01  # of the frames beyond a wall that is to surround them


class HarmonicWall(PriorTerm):
    """Zero inside [lower, upper] and 1/2 k (x - bound)^2 outside, for each coordinate of each bead.

    force_constant: k, energy/length^2. lower, upper: length; None: the smallest and largest value of each coordinate in
    the frames, beyond which a network knows nothing. ``lower`` = ``upper`` makes a harmonic well, the prior of the toy
    in CGnet 2019.
    """

    convention = (
        "U = sum over coordinates of 1/2 k (x - lower)^2 below lower, 1/2 k (x - upper)^2 above upper, 0 between; "
        "fit: bounds that were not given are the extreme values of each coordinate in the frames"
    )
    label = "coordinate"
    unit = "{length}"
    buffer_units = {"lower": "{length}", "upper": "{length}", "force_constant": "{energy}/{length}^2"}

    lower: Tensor
    upper: Tensor
    force_constant: Tensor

    def __init__(self, force_constant: Positive = 50.0, lower: float | None = None, upper: float | None = None) -> None:
        super().__init__()
        if lower is not None and upper is not None and lower > upper:
            raise InputError(f"HarmonicWall got lower={lower} above upper={upper}: expected lower <= upper")
        self.given = {"force_constant": force_constant, "lower": lower, "upper": upper}

    def arguments(self) -> dict[str, Any]:
        return dict(self.given)

    def fit(self, frames: Frames, system: System) -> None:
        flat = frames.coords.reshape(len(frames), -1)
        bounds = {"lower": flat.min(0).astype(np.float64), "upper": flat.max(0).astype(np.float64)}
        for name, observed in bounds.items():
            given = self.given[name]
            value = observed if given is None else np.full_like(observed, given)
            setattr(self, name, torch.from_numpy(value).to(self.get_buffer(name)))
        if (self.lower > self.upper).any():
            raise InputError(
                f"HarmonicWall has lower={self.lower.tolist()} above upper={self.upper.tolist()}, one of them taken "
                "from the data: give both bounds"
            )
        outside = float(((flat < self.lower.numpy()) | (flat > self.upper.numpy())).any(axis=1).mean())
        if outside > LARGEST_SHARE and (self.lower < self.upper).all():
            log.warning(
                "a wall from %s to %s stands inside the data: %.0f %% of the frames lie beyond it and are pushed back; "
                "leave a bound out (null) to have the data's own",
                self.given["lower"], self.given["upper"], 100.0 * outside,
            )  # fmt: skip
        self.force_constant = torch.tensor([self.given["force_constant"]]).to(self.force_constant)

    def internal_coordinates(self, coords: Tensor) -> Tensor:
        return coords.flatten(1)

    def energies(self, values: Tensor) -> Tensor:
        below = (self.lower - values).clamp(min=0.0)
        above = (values - self.upper).clamp(min=0.0)
        return 0.5 * self.force_constant * (below.square() + above.square())

    def stiffness(self) -> float | None:
        return float(self.force_constant.max()) if self.force_constant.numel() else None
