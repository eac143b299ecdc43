"""launcher=dask: each job of a multirun is a process of its own, which a worker of Dask begins.

Hydra finds launchers in this folder only, and imports them whenever it is used: what is large waits until jobs begin.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import wait
from functools import partial
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

PASSED_ON = ("CGEXP_", "WANDB_")  # beginnings of names of variables that jobs find as they are here


class DaskLauncher(Launcher):
    """Jobs on the workers of the scheduler at ``address`` (see DaskWorkers), one job for each thread of a worker.

    They work in this directory, which all machines must share. A job whose worker dies is begun again by Dask.
    """

    def __init__(self, address: str, timeout_s: float = 30.0) -> None:
        self.address, self.timeout_s = address, timeout_s

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Do all jobs; one whose process dies leaves the others to their ends. Raises InputError without workers."""
        import cloudpickle  # comes with Dask

        from cgexp.executor.dask import DaskExecutor, connect
        from cgexp.executor.process import run_apart

        client = connect(self.address, self.timeout_s)
        try:
            environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
            with DaskExecutor(client) as executor:
                jobs = []
                for number, overrides in enumerate(job_overrides, start=initial_job_idx):
                    work = partial(
                        do_job, self.context, self.config, self.task, list(overrides), number, Singleton.get_state()
                    )
                    jobs.append(executor.submit(run_apart, cloudpickle.dumps(work), os.getcwd(), environment))
                wait(jobs)
                return [job.result() for job in jobs]
        finally:
            client.close()


def do_job(
    context: HydraContext, config: DictConfig, task: TaskFunction, overrides: list[str], number: int, state: Any
) -> JobReturn:
    """A job of a multirun, in a process that knows nothing of Hydra yet."""
    Singleton.set_state(state)
    setup_globals()
    own = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(own):
        own.hydra.job.id, own.hydra.job.num = f"{own.hydra.job.name}_{number}", number
    HydraConfig.instance().set_config(own)
    return run_job(
        hydra_context=context, task_function=task, config=own,
        job_dir_key="hydra.sweep.dir", job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip


NODE = {"_target_": f"{DaskLauncher.__module__}.{DaskLauncher.__qualname__}", "address": "???", "timeout_s": 30.0}
ConfigStore.instance().store(group="hydra/launcher", name="dask", node=NODE, provider="cgexp")
