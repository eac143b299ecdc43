"""Progress: counting, rate, and the default line."""

from __future__ import annotations

import pytest

from cgexp.reference.progress import Stopped, Tally, print_progress


def test_tally_counts_earlier_steps_but_not_in_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("cgexp.reference.progress.time.monotonic", lambda: clock[0])
    seen: list[tuple[int, int, str]] = []
    tally = Tally(1000, 0.004, lambda *report: seen.append(report))
    tally.skip(400)
    clock[0] = 2.0
    tally.add(100)
    # 50 steps/s of 4 fs are 0.2 ps/s = 17.28 ns/day; 500 steps are left, 10 s.
    assert seen == [(500, 1000, "step 500 of 1,000, 17 ns/day, 0.2 min left")]


def test_a_stopped_tally_ends_whoever_reports() -> None:
    tally = Tally(10, 0.004, lambda *report: None)
    tally.stop()
    with pytest.raises(Stopped):
        tally.add(1)


def test_the_default_prints_now_and_then_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("cgexp.reference.progress.time.monotonic", lambda: clock[0])
    show = print_progress()
    for done, now in ((1, 0.0), (2, 1.0), (3, 6.0), (4, 6.5)):
        clock[0] = now
        show(done, 4, f"at {done}")
    assert capsys.readouterr().err.splitlines() == [" 25% at 1", " 75% at 3", "100% at 4"]
