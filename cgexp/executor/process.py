"""A unit of work as a process of its own, which a worker of Dask begins and ends: ``run_apart`` and what it runs.

A worker does its work in threads, and its processes may have no children; whole runs need both a main thread and
processes of their own.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

CHECK_EVERY_S = 0.2


def run_apart(work: bytes, directory: str, environment: Mapping[str, str]) -> Any:
    """On a worker of Dask: do pickled ``work()`` in a fresh process and return what it returns.

    directory: where it works. environment: variables beside the worker's. The process is killed when nobody wants the
    result any more, and when the worker dies. Raises what the work raises; BrokenExecutor if the process dies.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "work", Path(folder) / "made"
        given.write_bytes(work)
        command = [sys.executable, "-m", __name__, str(given), str(made)]
        with subprocess.Popen(command, cwd=directory, env={**os.environ, **environment}) as process:
            while process.poll() is None:
                if _is_taken_back():
                    process.kill()
                time.sleep(CHECK_EVERY_S)
        if not made.is_file():
            raise BrokenExecutor(f"its process ended with exit code {process.returncode}")
        value, error = pickle.loads(made.read_bytes())
    if error is not None:
        raise error
    return value


def _is_taken_back() -> bool:
    """Whether the client has cancelled what this thread of a worker does, or has gone."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state == "cancelled"


def end_with(parent: int) -> None:
    """Wait until the process ``parent`` is no longer this one's parent, and end this one."""
    while os.getppid() == parent:
        time.sleep(CHECK_EVERY_S)
    os._exit(1)


def main(given: str, made: str) -> None:
    """Do the work in the file ``given`` and write what comes of it to ``made``."""
    import cloudpickle

    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    work = pickle.loads(Path(given).read_bytes())
    outcome: tuple[Any, Exception | None]
    try:
        outcome = (work(), None)
    except Exception as error:
        outcome = (None, error)
    unfinished = Path(f"{made}.part")
    unfinished.write_bytes(cloudpickle.dumps(outcome))
    unfinished.replace(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
