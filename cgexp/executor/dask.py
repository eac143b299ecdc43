"""Workers of Dask, which the user has started: by the address of their scheduler."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cgexp.errors import InputError
from cgexp.executor.workers import RemoteExecutor, Workers, on_worker
from cgexp.parts.ranges import Positive

if TYPE_CHECKING:
    import distributed


@dataclass(kw_only=True)
class DaskWorkers(Workers):
    """Workers of Dask, which the user has started: ``dask worker <address> --nthreads 1``, as many as there are cores.

    address: of the scheduler, tcp://host:port, or the file that ``dask scheduler --scheduler-file`` wrote. timeout_s:
    how long the scheduler and a first worker are waited for.
    """

    address: str
    timeout_s: Positive = 30.0

    @contextmanager
    def open(self) -> Iterator[RemoteExecutor]:
        client = connect(self.address, self.timeout_s)
        try:
            threads = client.nthreads()
            if max(threads.values()) > 1:
                raise InputError(
                    f"a worker of the scheduler {self.address} has {max(threads.values())} threads, and a unit of work "
                    "is one process of one thread: start workers with --nthreads 1, one for each core"
                )
            with DaskExecutor(client) as executor:
                yield executor
        finally:
            client.close()


class DaskExecutor(RemoteExecutor):
    """Units of work on the workers of a client of Dask, which stays the caller's."""

    def __init__(self, client: distributed.Client) -> None:
        super().__init__()
        self._client = client

    @property
    def n_workers(self) -> int:
        return max(1, len(self._client.nthreads()))

    def begin(self, future: Future[Any], work: Callable[[], Any]) -> None:
        remote = self._client.submit(on_worker, work, pure=False)
        remote.add_done_callback(partial(_settle, future))
        future.add_done_callback(lambda done: remote.cancel() if done.cancelled() else None)


def connect(address: str, timeout_s: float) -> distributed.Client:
    """A client of the scheduler at ``address`` (see DaskWorkers), which has a worker that knows this package.

    Raises InputError where Dask is not installed, the scheduler does not answer, or its workers do not serve.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError('Dask is not installed: run pip install "cgexp[dask]"') from error
    address = _of_file(address) if address.endswith(".json") else address
    unanswered = f"no scheduler of Dask answers at {address}: start `dask scheduler`, or give the address it prints"
    try:
        _knock(address, timeout_s)  # a client that finds nobody cannot be closed in good order
        client = distributed.Client(address, timeout=timeout_s, set_as_default=False, name="cgexp")
    except (OSError, ValueError) as error:
        raise InputError(unanswered) from error
    try:
        _require_workers(client, address, timeout_s)
    except BaseException:
        client.close()
        raise
    return client


def _of_file(path: str) -> str:
    try:
        return str(json.loads(Path(path).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no file of a scheduler: give that of `dask scheduler --scheduler-file`, or an address"
        ) from error


def _knock(address: str, timeout_s: float) -> None:
    """Raise OSError or ValueError unless something listens at the address."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.hostname is None or parts.port is None:
        raise ValueError(address)
    socket.create_connection((parts.hostname, parts.port), timeout_s).close()


def _require_workers(client: distributed.Client, address: str, timeout_s: float) -> None:
    """Raise InputError unless there is a worker, and all have this version of the package."""
    from cgexp import __version__

    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError as error:
        raise InputError(
            f"the scheduler at {address} has no workers: start some with `dask worker {address} --nthreads 1`"
        ) from error
    try:
        versions = set(client.run(version_here).values())
    except ImportError as error:
        raise InputError(
            f"workers of {address} lack a package ({error}): install cgexp with its extras there"
        ) from error
    if versions != {__version__}:
        raise InputError(
            f"workers of {address} have cgexp {', '.join(sorted(versions))} and this is {__version__}: install the same"
        )


def version_here() -> str:
    """The version of the package in this process."""
    from cgexp import __version__

    return __version__


def _settle(future: Future[Any], remote: Any) -> None:
    """Hand on what a worker of Dask has found."""
    from distributed.scheduler import KilledWorker

    if not future.set_running_or_notify_cancel():
        return
    if remote.status == "finished":
        future.set_result(remote.result())
    elif remote.status == "error":
        error = remote.exception()
        future.set_exception(BrokenExecutor(str(error)) if isinstance(error, KilledWorker) else error)
    else:
        future.set_exception(BrokenExecutor("the scheduler of Dask has gone, or has given the work up"))
