"""What becomes of a bad config: `cgexp check`, in a fork that may crash, hang or ask for too much memory."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from cgexp.cli import jobs
from cgexp.cli.main import main
from cgexp.config.compose import Config, compose
from cgexp.config.jobs import Jobs
from tests.fuzz.cases import Case

SECONDS = 20  # CPU time of a case
MEMORY = 3 * 2**30  # bytes of addresses that all cases of a fork may add


@dataclass(frozen=True)
class Verdict:
    """A case, and what is wrong with the answer to it ('' if nothing is)."""

    case: Case
    wrong: str
    answer: str


def judge(case: Case, code: int, errors: str) -> str:
    """What is wrong with an exit code and what was said, or ''."""
    lines = [line for line in errors.splitlines() if line.startswith("cgexp: ")]
    if code not in (0, 2):
        return f"exit code {code}"
    if "Traceback" in errors:
        return "traceback"
    if code == 2:
        if len(lines) != 1 or len(errors.splitlines()) != 1:
            return "not one sentence"
        if len(lines[0]) > 2000:
            return "a sentence of more than 2,000 letters"
        names = [case.path[-1].removesuffix("x"), *case.path[:-1][-1:]]
        return "" if any(name in lines[0] for name in names) else "without the key's name"
    return "accepted nonsense" if case.nonsense else ""


def run_case(case: Case, config: Config) -> tuple[int, str]:
    """Exit code and standard error of `cgexp check` of a case, in this process."""
    errors, printed = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors), contextlib.redirect_stdout(printed):
        patch.setattr(jobs, "jobs_of", lambda *_: Jobs([case.apply(config)], []))
        code = main(["check"])
    return code, errors.getvalue()


def verdicts(cases: Sequence[Case]) -> Iterator[Verdict]:
    """The verdict of each case, in order. A fork that dies is replaced by another from the next case on."""
    done = 0
    while done < len(cases):
        for wrong, answer in _forked(cases[done:]):
            yield Verdict(cases[done], wrong, answer)
            done += 1


def _forked(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as pipe:
                _work(cases, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    said = 0
    with os.fdopen(reading) as pipe:
        for line in pipe:
            said += 1
            wrong, answer = json.loads(line)
            yield wrong, answer
    _, status = os.waitpid(child, 0)
    if said < len(cases):
        signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        hung = signal_number == signal.SIGVTALRM
        yield (f"more than {SECONDS} s" if hung else f"crashed with signal {signal_number}"), ""


def _work(cases: Sequence[Case], pipe: io.TextIOBase | io.TextIOWrapper) -> None:
    limit = _addresses() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    configs: dict[tuple[str, ...], Config] = {}
    for case in cases:
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        if case.base not in configs:
            configs[case.base] = compose(case.base)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        code, errors = run_case(case, configs[case.base])
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        pipe.write(json.dumps([judge(case, code, errors), errors[:300]]) + "\n")
        pipe.flush()


def _addresses() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
