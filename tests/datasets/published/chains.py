"""Chains of beads whose forces are exact, as small files of the published layouts are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.datasets.recipe import Recipe
from cgexp.units import BOLTZMANN

TEMPERATURE = 350.0
BOND, STIFFNESS = 3.83, 160.0  # Å, kcal/mol/Å^2
Values = NDArray[np.float64]
Made = TypeVar("Made", bound=Recipe)


def exact_chain(
    n_frames: int, n_beads: int = 10, seed: int = 0, temperature: float = TEMPERATURE
) -> tuple[Values, ...]:
    """Independent Boltzmann samples of beads on stiff bonds, Å, with forces, kcal/mol/Å: [n_frames, n_beads, 3] each.

    A bond's length has density r^2 exp(-k (r - r0)^2 / 2kT), its direction is uniform.
    """
    generator = np.random.default_rng(seed)
    shape = (n_frames, n_beads - 1)
    width = np.sqrt(BOLTZMANN * temperature / STIFFNESS)
    length, open_ = np.zeros(shape), np.ones(shape, dtype=bool)
    while open_.any():
        drawn = generator.normal(BOND, width, size=shape)
        taken = open_ & (generator.random(shape) < np.square(drawn / (BOND + 6.0 * width)))
        length[taken], open_[taken] = drawn[taken], False
    direction = generator.normal(size=(*shape, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    coords = np.concatenate([np.zeros((n_frames, 1, 3)), np.cumsum(length[..., None] * direction, axis=1)], axis=1)
    pull = STIFFNESS * (length - BOND)[..., None] * direction
    forces = np.zeros_like(coords)
    forces[:, :-1] += pull
    forces[:, 1:] -= pull
    return coords, forces


def recipe(option: str, kind: type[Made], folder: Path, **changes: Any) -> Made:
    """The recipe of conf/dataset/<option>.yaml with its files in ``folder``."""
    found = build({**compose([f"dataset={option}"])["dataset"], "folder": str(folder), **changes}, Recipe)
    assert isinstance(found, kind)
    return found


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
