from __future__ import annotations

import io
import logging

import pytest

from cgexp.messages import only_from
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


def test_what_is_kept_for_others_does_not_depend_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, kept, stream = [0.0], list[dict[str, object]](), io.StringIO()
    monkeypatch.setattr("cgexp.progress.time.monotonic", lambda: clock[0])
    progress = Progress("step", stream, kept.append)
    with only_from(logging.ERROR):
        for done, now in ((10, 0.0), (20, 1.0), (30, 3.0), (40, 3.5)):
            clock[0] = now
            progress(done, 40)
    assert [one["done"] for one in kept] == [10, 30, 40]
    assert kept[1]["left_s"] == pytest.approx(1.5)
    assert stream.getvalue() == ""
