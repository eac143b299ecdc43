"""What is told beside results: on stderr within ``on_screen``, by logging's own rules elsewhere."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import warnings

import pytest

from cgexp.messages import is_on_screen, on_screen, only_from
from cgexp.progress import Progress

log = logging.getLogger("cgexp.somewhere")


def test_messages_are_lines_on_stderr_and_a_warning_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with on_screen():
        assert is_on_screen()
        log.info("waiting for %s", "another")
        for _ in range(2):
            log.warning("slow\n  kernel")
        with warnings.catch_warnings(record=False):
            warnings.simplefilter("always")
            warnings.warn("from Python", UserWarning, stacklevel=1)
    assert not is_on_screen()
    log.info("not shown")
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["waiting for another", "cgexp: warning: slow kernel", "cgexp: warning: from Python"]


def test_a_study_hides_progress_and_not_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with on_screen():
        with only_from(logging.WARNING):
            log.info("chatter")
            log.warning("matters")
            Progress("step", stream)(1, 1)
        log.info("1/2 runs")
    assert capsys.readouterr().err.splitlines() == ["cgexp: warning: matters", "1/2 runs"]
    assert stream.getvalue() == ""
    Progress("step", stream)(1, 1)
    assert stream.getvalue() == "step: 1/1\n"


def test_a_library_is_silent_but_for_warnings() -> None:
    code = "import logging; log = logging.getLogger('cgexp.x'); log.info('no'); log.warning('yes')"
    found = subprocess.run([sys.executable, "-c", f"import cgexp; {code}"], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "yes\n")
