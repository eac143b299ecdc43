"""Tally: counting the steps of all walkers, and their rate."""

from __future__ import annotations

import pytest

from cgexp.all_atom.sampling.progress import Tally


def test_tally_counts_earlier_steps_but_not_in_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("cgexp.all_atom.sampling.progress.time.monotonic", lambda: clock[0])
    seen: list[tuple[int, int, str]] = []
    tally = Tally(1000, 0.004, lambda *report: seen.append(report))
    tally.skip(400)
    clock[0] = 2.0
    tally.add(0)
    tally.add(100)
    # 50 steps/s of 4 fs are 0.2 ps/s = 17.28 ns/day
    assert seen == [(400, 1000, ""), (500, 1000, "17.3 ns/day")]
