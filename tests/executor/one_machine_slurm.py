"""A SLURM of one machine, of the distribution's packages: munged, slurmctld and slurmd in a folder of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "sinfo")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# what submitit asks sacct, which needs a data base of accounts, answered by the controller
SACCT = """#!{python}
import re, subprocess
jobs = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True).stdout
print("JobID|State|NodeList")
for line in jobs.splitlines():
    told = dict(re.findall(r"(\\S+?)=(\\S*)", line))
    if "JobId" in told:
        task = told.get("ArrayTaskId")
        name = told["JobId"] if task is None else told["ArrayJobId"] + "_" + task
        print(name + "|" + told["JobState"] + "|" + told.get("NodeList", ""))
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if which(name) is None]


def which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def running_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Within, SLURM runs, with its files in ``folder``; yields the variables with which its commands find it."""
    folder.mkdir()
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o400)
    (folder / "bin" / "sacct").write_text(SACCT.format(python=sys.executable))
    (folder / "bin" / "sacct").chmod(0o755)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    text = CONFIG.format(host=socket.gethostname(), user=user, folder=folder, ports=_free_ports(), cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    own = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin"}
    environment = {**os.environ, **own}
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{name}={folder}/munge.{end}" for name, end in files.items()]
    try:
        for command in (["munged", "--force", *munge], ["slurmctld"], ["slurmd"]):
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        _wait_until_idle(environment)
        yield own
    finally:
        subprocess.run(["scancel", "--user", user], env=environment, check=False, capture_output=True)
        for name in ("slurmd", "slurmctld", "munge"):
            _end(folder / f"{name}.pid")


def _wait_until_idle(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        told = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, check=False)
        if told.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise RuntimeError(f"SLURM has no idle node: {told.stdout} {told.stderr}")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _end(pid_file: Path) -> None:
    """End the daemon whose number a file holds."""
    if not pid_file.is_file():
        return
    pid = int(pid_file.read_text())
    for signal in (15, 9):
        for _ in range(50):
            try:
                os.kill(pid, signal if _ == 0 else 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
