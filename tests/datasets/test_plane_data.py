"""PlanePoints: uniform points with both components of the exact force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.datasets.plane_data import PlanePoints
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.plane import Plane

FACTS: dict[str, Any] = {
    "name": "plane", "n_beads": 1, "n_dims": 2, "units": "reduced", "temperature": 1.0, "force_map": "identity",
}  # fmt: skip


def recipe(**changed: Any) -> PlanePoints:
    return PlanePoints(**{**FACTS, "system": Plane(JuliaToy()), "n_frames": 5000, **changed})


def test_points_fill_the_square_and_carry_the_exact_force(tmp_path: Path) -> None:
    frames = recipe(lower=-3.0, upper=4.0, seed=1).make(tmp_path)
    assert frames.coords.shape == (5000, 1, 2)
    assert frames.forces is not None
    points = frames.coords[:, 0].astype(np.float64)
    assert np.all((points.min(axis=0) > -3.0) & (points.min(axis=0) < -2.99))
    assert np.all((points.max(axis=0) < 4.0) & (points.max(axis=0) > 3.99))
    np.testing.assert_allclose(points.var(axis=0), 49 / 12, rtol=0.05)
    assert abs(np.corrcoef(points.T)[0, 1]) < 0.06
    np.testing.assert_allclose(frames.forces[:, 0], Plane(JuliaToy()).force(points), atol=1e-5)
    np.testing.assert_allclose(frames.forces[:, 0, 1], -points[:, 1], atol=1e-6)
    assert (frames.force_map, frames.system) == ("identity", "toy_julia_plane")
    assert len(np.unique(frames.block)) == 5000


def test_the_seed_decides_the_points(tmp_path: Path) -> None:
    first, again, other = (recipe(seed=seed, n_frames=10).make(tmp_path).coords for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_option_is_what_it_says(tmp_path: Path) -> None:
    config = compose(["dataset=toy_julia_plane", "dataset.n_frames=7", "dataset.temperature=2.0"])
    frames = build(config["dataset"], Recipe).make(tmp_path)
    assert (len(frames), frames.temperature, frames.kT) == (7, 2.0, 2.0)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"n_frames": None}, "dataset.n_frames"),
        ({"temperature": 2.0}, "dataset.system.toy.temperature=2.0"),
        ({"n_dims": 1}, "dataset.n_dims=2"),
    ],
)
def test_contradictions_are_refused(changed: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        recipe(**changed)


def test_an_empty_square_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not below"):
        recipe(lower=1.0, upper=1.0).make(tmp_path)
