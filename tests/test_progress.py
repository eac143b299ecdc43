from __future__ import annotations

import io

import pytest

from cgexp.progress import Progress, duration


def test_prints_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("cgexp.progress.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    progress = Progress("step", stream)
    for done, now in ((10, 0.0), (20, 10.0), (30, 20.0), (40, 25.0)):
        clock[0] = now
        progress(done, 40, f"text {done}")
    # the first report sets the start: a resumed run does not count earlier work in its rate
    assert stream.getvalue().splitlines() == ["step: 30/40, 1/s, 10s left  text 30", "step: 40/40, 1.2/s  text 40"]


@pytest.mark.parametrize(("seconds", "text"), [(12.7, "12s"), (200, "3m20s"), (7500, "2h05m")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
