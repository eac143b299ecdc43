"""One training on several nodes (machines): the same command on each, which meet before the training begins.

What a node is told by the environment is what torch and Lightning read: MASTER_ADDR and MASTER_PORT, where the first
node listens, and NODE_RANK, its own number from 0 on. The first node does the whole run. The others read its files in
the folder of the run, which all nodes share, and take part in the training alone. They meet first, since what is in
that folder may change until the first node begins to train.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from cgexp.errors import InputError

if TYPE_CHECKING:
    from cgexp.training.fit import Training

ADDRESS, PORT, RANK = "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"
LOCAL = "LOCAL_RANK"  # set where something else has started a process for each device
TASKS = "SLURM_NTASKS"
WAIT_S = 1800.0  # for the other nodes, as long as torch waits
LONGEST, END, NOTHING = 100_000, b"\n", ""  # bytes of a message, its last; that nothing is wrong
GONE = "a node has ended before the training began: its own output says why"
SAME = "start the same command on each node, with outputs=<a folder that all nodes share>"
Facts = Mapping[str, str]
log = logging.getLogger(__name__)


def node_rank(settings: Training) -> int:
    """The number of this node, from 0 on; 0 for a training on one node, and where the environment does not say."""
    rank = os.environ.get(RANK, "0")
    return int(rank) if settings.n_nodes > 1 and rank.isdecimal() else 0


def require_nodes(settings: Training) -> None:
    """Raise InputError where the environment lacks, or contradicts, what processes that train together need to know."""
    if settings.n_processes == 1:
        return
    n_nodes, rank = settings.n_nodes, os.environ.get(RANK, "0")
    if LOCAL in os.environ:
        raise InputError(
            f"{LOCAL} is set, as torchrun does, which starts a process for each device, but cgexp starts these itself: "
            "start cgexp once on each node, without it"
        )
    for name in (ADDRESS, PORT, RANK) if n_nodes > 1 else ():
        if not os.environ.get(name):
            raise InputError(
                f"trainer.n_nodes={n_nodes} but {name} is not set: start the same command on each node with {ADDRESS}="
                f"<address of the first node> {PORT}=<a free port there> {RANK}=<0 to {n_nodes - 1}>, or set "
                "trainer.n_nodes=1"
            )
    if not (rank.isdecimal() and int(rank) < n_nodes):
        raise InputError(
            f"{RANK}={rank} but trainer.n_nodes={n_nodes}: number the nodes from 0 to {n_nodes - 1}, or set "
            "trainer.n_nodes to how many there are"
        )
    if n_nodes > 1 and not (os.environ[PORT].isdecimal() and 0 < int(os.environ[PORT]) < 2**16):
        raise InputError(f"{PORT}={os.environ[PORT]} is no port: set it to one of 1024 to 65535, the same on each node")
    tasks = os.environ.get(TASKS, "")
    if tasks.isdecimal() and int(tasks) < n_nodes:
        raise InputError(
            f"trainer.n_nodes={n_nodes} but SLURM runs {tasks} of this command ({TASKS}): use srun --nodes={n_nodes} "
            "--ntasks-per-node=1, or lower trainer.n_nodes"
        )


def require_one_node(n_nodes: int, what: str) -> None:
    """Raise InputError if ``what``, which each node would do by itself, is on several nodes."""
    if n_nodes > 1:
        raise InputError(
            f"trainer.n_nodes={n_nodes} is for one training of `cgexp run` or `cgexp train`, not "
            f"for {what}: set trainer.n_nodes=1"
        )


def meet(settings: Training, facts: Callable[[], Facts], wait_s: float = WAIT_S) -> None:
    """Return on each node when all are there and see the same ``facts`` as the first node.

    facts: called by the first node at once, by the others when they are told its facts. Raises InputError on every node
    where they differ, where two nodes have one number, and where not all are there after ``wait_s`` seconds.
    """
    require_nodes(settings)
    rank, until = node_rank(settings), time.monotonic() + wait_s
    place = f"{os.environ[ADDRESS]}:{os.environ[PORT]}"
    log.info("node %d of %d: waiting for the others at %s", rank, settings.n_nodes, place)
    try:
        problem = _lead(settings.n_nodes, facts(), until) if rank == 0 else _join(rank, facts, until)
    except TimeoutError:
        problem = (
            f"trainer.n_nodes={settings.n_nodes} but these were not all at {place} after {wait_s:g} s: start the same "
            f"command on each node, with {RANK} from 0 to {settings.n_nodes - 1}"
        )
    if problem:
        raise InputError(problem)


def _lead(n_nodes: int, own: Facts, until: float) -> str:
    """The first node: hear who is there, tell the facts, hear and tell what is wrong, which is returned."""
    nodes: list[socket.socket] = []
    ranks: list[int] = []
    with ExitStack() as connections:
        try:
            server = connections.enter_context(socket.create_server(("", int(os.environ[PORT])), backlog=n_nodes))
        except OSError as error:
            return (
                f"{PORT}={os.environ[PORT]} cannot be used ({error.strerror}): set a free port, the same on each node"
            )
        while len(set(ranks)) == len(ranks) < n_nodes - 1:
            server.settimeout(_left(until))
            node = connections.enter_context(server.accept()[0])
            if isinstance(rank := _hear(node, until), int):  # else it is none of ours
                nodes.append(node)
                ranks.append(rank)
        for node in nodes:
            _say(node, own)
        problems = (
            [f"two nodes have {RANK}={ranks[-1]}: number them from 0 to {n_nodes - 1}"]
            if ranks[-1] in ranks[:-1]
            else []
        )
        problems += [_hear(node, until) for node in nodes]
        problem = next((GONE if one is None else str(one) for one in problems if one != NOTHING), NOTHING)
        for node in nodes:
            _say(node, problem)
    return problem


def _join(rank: int, facts: Callable[[], Facts], until: float) -> str:
    """Another node: say who is there, compare the facts, say and hear what is wrong, which is returned."""
    with _connected(until) as first:
        _say(first, rank)
        if (told := _hear(first, until)) is None:
            return GONE
        own = facts()
        other = [name for name, value in told.items() if own.get(name) != value]
        _say(first, f"node {rank} has another {' and '.join(other)} than node 0: {SAME}" if other else NOTHING)
        found = _hear(first, until)
        return GONE if found is None else str(found)


def _connected(until: float) -> socket.socket:
    """A connection to the first node, which may not be there yet."""
    while True:
        try:
            return socket.create_connection((os.environ[ADDRESS], int(os.environ[PORT])), timeout=_left(until))
        except socket.gaierror as error:
            raise InputError(
                f"{ADDRESS}={os.environ[ADDRESS]} is not known ({error.strerror}): set the address of the first node"
            ) from error
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            time.sleep(min(0.2, _left(until)))


def _left(until: float) -> float:
    """Seconds that are left; TimeoutError if there are none."""
    if (left := until - time.monotonic()) <= 0.0:
        raise TimeoutError
    return left


def _say(node: socket.socket, value: Any) -> None:
    with suppress(ConnectionError):  # that it has ended is heard next
        node.sendall(json.dumps(value).encode() + END)


def _hear(node: socket.socket, until: float) -> Any:
    """What a node says next; None if it has ended, or is none of ours."""
    said = b""
    while not said.endswith(END) and len(said) < LONGEST:
        node.settimeout(_left(until))
        try:
            part = node.recv(LONGEST)
        except ConnectionError:
            return None
        if not part:
            return None
        said += part
    try:
        return json.loads(said)
    except ValueError:
        return None
