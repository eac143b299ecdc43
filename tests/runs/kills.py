"""Commands that are killed at random moments and given again until they are done, and what they leave.

Commands run in forks of a process (``python -m tests.runs.kills``) that has done the command once itself, so that a
kill meets work and not imports, and two hundred of them take minutes. They share an entry of the environment, by which
every process that descends from them is found.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from cgexp.store import read_arrays, read_record
from cgexp.training.history import decode
from tests.runs.damage import MEASURED

MARK = "CGEXP_TEST_KILLS"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# SIGTERM ends a multirun as SIGINT does; -2: when Python is at its end and all is done
CODES = {signal.SIGKILL: (-9,), signal.SIGTERM: (-15, 130), signal.SIGINT: (130, -2)}
SECONDS_TO_END = 10.0  # after which nothing that descends from a killed command may run
KILLS_IN_A_ROW = 5  # of one command, before it is let be


@dataclass
class Ended:
    """How a command ended: its exit code, or minus the signal that ended it; what it wrote to standard error."""

    code: int
    errors: str


class Server:
    """Starts commands, one at a time.

    folder: of its temporary files, which the commands share. first: the command that it does itself.
    """

    def __init__(self, folder: Path, first: Sequence[str]) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.errors, self.temporary = folder / "errors.txt", folder / "tmp"
        self.temporary.mkdir(parents=True)
        environment = {**os.environ, MARK: self.mark, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.runs.kills", str(self.errors), *_at(first, folder / "first")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready\n", self.errors.read_text()

    def start(self, arguments: Sequence[str]) -> int:
        """Start ``cgexp <arguments>`` in a session of its own and return its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([list(arguments), str(self.errors)]) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def wait(self) -> Ended:
        """Wait until the command has ended."""
        status = int(self._line())
        return Ended(os.waitstatus_to_exitcode(status), self.errors.read_text())

    def left(self) -> list[int]:
        """Processes that descend from a command and run."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                marked = f"{MARK}={self.mark}".encode() in (path / "environ").read_bytes()
                alive = (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            except OSError:  # it ended meanwhile, or is another user's
                continue
            if marked and alive and int(path.name) != self.process.pid:
                found.append(int(path.name))
        return found

    def close(self) -> None:
        """End the server."""
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def server(folder: Path, first: Sequence[str]) -> Iterator[Server]:
    """A server within."""
    one = Server(folder, first)
    try:
        yield one
    finally:
        one.close()


def state_of(outputs: Path) -> dict[str, object]:
    """What an outputs folder comes to: every path in it, with arrays, metrics and checkpoints that two runs share."""
    return {path.relative_to(outputs).as_posix(): _content(path) for path in sorted(outputs.rglob("*"))}


def _content(path: Path) -> object:
    if path.suffix == ".npz":
        arrays, _ = read_arrays(path)
        return {name: array.tobytes() for name, array in arrays.items() if name not in MEASURED}
    if path.name == "metrics.json":
        return {name: value for name, value in read_record(path).items() if name not in MEASURED}
    if path.suffix == ".ckpt":
        arrays, meta = read_arrays(path)
        return dict(_leaves(decode(meta["checkpoint"], arrays)))
    return path.read_bytes() if path.name == "prior.json" else None


def _leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """What a checkpoint holds: weights, optimizer, scheduler, averages, generators, history, progress of the loops.

    Its bytes are never the same twice, since it also tells seconds and the paths of its folder, which are left out; so
    is a score that Lightning shows and neither restores nor decides anything by.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in (*MEASURED, "seconds", "current_score"):
                yield from _leaves(item, f"{place}/{_without_folder(key)}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{place}/{i}")
    elif isinstance(value, torch.Tensor):
        yield place, value.numpy().tobytes()
    else:
        yield place, repr(_without_folder(value))


def _without_folder(value: object) -> object:
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


@dataclass
class Series:
    """A command, ``cgexp <verb> <options>``, killed ``n`` times in all. after: verbs that are done before."""

    name: str
    verb: str
    options: tuple[str, ...]
    n: int
    after: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the command that is killed."""
        return self.verb, *self.options


@dataclass
class Counts:
    """What became of a series."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{self.kills[s.name]} {s.name}" for s in SIGNALS)
        return f"{sum(self.kills.values())} kills ({kills}), {self.finished} times finished, {len(self.wrong)} wrong"


class Harness:
    """Runs series of kills in folders below ``folder``, at moments that ``seed`` gives."""

    def __init__(self, one: Server, folder: Path, seed: int) -> None:
        self.server, self.folder, self.seed = one, folder, seed

    def undisturbed(self, series: Series) -> tuple[dict[str, object], float]:
        """The state that the command ends in, and the seconds that it takes."""
        outputs = self._outputs(series, "undisturbed")
        began = time.monotonic()
        self._finish(series.arguments, outputs)
        seconds = time.monotonic() - began
        return state_of(outputs), seconds

    def run(self, series: Series) -> Counts:
        """Kill the command until it has been killed ``n`` times; after each few kills it is repeated until done."""
        generator, counts = np.random.default_rng([self.seed, len(series.name)]), Counts()
        expected, seconds = self.undisturbed(series)
        while sum(counts.kills.values()) < series.n:
            outputs = self._outputs(series, f"killed-{counts.finished}")
            for _ in range(KILLS_IN_A_ROW):
                number, whole_group = SIGNALS[generator.integers(3)], bool(generator.integers(2))
                if self._kill(series, outputs, number, whole_group, generator.uniform(0.0, seconds), counts):
                    break
            self._finish(series.arguments, outputs)
            counts.finished += 1
            counts.wrong += differences(expected, state_of(outputs))
            counts.wrong += [f"{path.name} is left in TMPDIR" for path in self.server.temporary.iterdir()]
        return counts

    def _kill(
        self, series: Series, outputs: Path, number: signal.Signals, whole_group: bool, after: float, counts: Counts
    ) -> bool:
        """Start the command and send it a signal after some seconds; True if it had ended before."""
        pid = self.server.start(_at(series.arguments, outputs))
        time.sleep(after)
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(pid, number)
        ended = self.server.wait()
        if ended.code == 0:
            return True
        counts.kills[number.name] += 1
        if ended.code not in CODES[number] or "Traceback" in ended.errors:
            counts.wrong.append(f"{number.name} after {after:.2f} s: exit code {ended.code}, {ended.errors[-2000:]}")
        if left := self._left_in_the_end():
            counts.wrong.append(f"{number.name} after {after:.2f} s: processes {left} outlived the command")
        return False

    def _left_in_the_end(self) -> list[int]:
        end = time.monotonic() + SECONDS_TO_END
        while (left := self.server.left()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def _outputs(self, series: Series, name: str) -> Path:
        """A new folder of outputs in which the command is to work."""
        outputs, prepared = self.folder / series.name / name, self.folder / series.name / "prepared"
        if series.after and not prepared.exists():
            for verb in series.after:
                self._finish((verb, *series.options), prepared)
        if series.after:
            shutil.copytree(prepared, outputs)
        return outputs

    def _finish(self, arguments: Sequence[str], outputs: Path) -> None:
        """Run a command to its end, undisturbed."""
        self.server.start(_at(arguments, outputs))
        ended = self.server.wait()
        assert ended.code == 0, (arguments, ended)


def differences(expected: dict[str, object], found: dict[str, object]) -> list[str]:
    """What differs between two states, a line each."""
    return [
        *(f"{name} is missing" for name in expected.keys() - found.keys()),
        *(f"{name} is left" for name in found.keys() - expected.keys()),
        *(f"{name} differs" for name in expected.keys() & found.keys() if expected[name] != found[name]),
    ]


def _at(arguments: Sequence[str], outputs: Path) -> list[str]:
    return [*arguments, f"outputs={outputs}"]


def serve() -> None:
    """Do the first command here, and those that come in on standard input in forks; answer with ids and statuses."""
    from cgexp.cli.main import main

    answers = os.fdopen(os.dup(1), "w")
    errors, *first = sys.argv[1:]
    requests = os.fdopen(os.dup(0))
    _become(Path(errors))
    assert main(first) == 0, first
    print("ready", file=answers, flush=True)
    gc.freeze()  # else a fork spends seconds on going through all that is imported when it ends
    for line in requests:
        arguments, errors = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                signal.signal(signal.SIGINT, signal.default_int_handler)  # which who starts us may have let be ignored
                _become(Path(errors))
                code = main(arguments)
            except KeyboardInterrupt:  # before the command has begun, or after its end
                code = 130
            sys.exit(code)
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, file=answers, flush=True)


def _become(errors: Path) -> None:
    """Send output where it is read, as a shell would."""
    for number, path in ((0, os.devnull), (1, os.devnull), (2, str(errors))):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    serve()
