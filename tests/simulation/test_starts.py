from __future__ import annotations

import numpy as np

from cgexp.frames import Frames
from cgexp.simulation.starts import choose_starts


def frames(block: list[int]) -> Frames:
    n = len(block)
    return Frames(
        coords=np.arange(n, dtype=np.float32)[:, None, None],
        bead_types=np.zeros(1, dtype=np.int64),
        block=np.array(block),
        units="reduced",
        temperature=1.0,
        system="line",
        source="test",
    )


def test_each_block_serves_before_any_serves_twice() -> None:
    data = frames([7, 7, 7, 3, 3, 9, 7, 3])
    starts = choose_starts(data, 5, seed=0)
    assert starts.shape == (5, 1, 1)
    chosen = data.block[starts.flatten().int().numpy()]
    assert sorted(chosen[:3]) == [3, 7, 9]


def test_seed_decides_and_all_frames_are_reached() -> None:
    data = frames([0, 0, 1, 1, 1])
    assert choose_starts(data, 4, seed=1).tolist() == choose_starts(data, 4, seed=1).tolist()
    many = choose_starts(data, 400, seed=2).flatten().int().numpy()
    assert set(many) == {0, 1, 2, 3, 4}


def test_independent_frames_are_drawn_without_repeats() -> None:
    assert len(set(choose_starts(frames(list(range(50))), 50, seed=0).flatten().tolist())) == 50
