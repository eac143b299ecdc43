from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.simulation.trajectory import HEADER, Trajectory
from cgexp.store import write_json


def test_no_trajectory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        Trajectory.load(tmp_path)


def test_nothing_saved_yet(tmp_path: Path) -> None:
    write_json(tmp_path / HEADER, {"dt": 1.0, "n_steps": 10})
    with pytest.raises(InputError, match="no frames yet"):
        Trajectory.load(tmp_path)


def test_production_drops_the_burn_in_and_the_failed() -> None:
    coords = np.arange(10 * 3, dtype=np.float32).reshape(10, 3, 1, 1)
    alive = np.array([True, False, True])
    trajectory = Trajectory(coords, np.arange(10.0), alive, [], {}, True, 1.0)
    np.testing.assert_array_equal(trajectory.production(0.3), coords[3:][:, [0, 2]])
    assert trajectory.production(1.0).shape == (0, 2, 1, 1)
