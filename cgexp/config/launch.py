"""Multirun: Hydra's sweeper and launcher run the jobs, which are checked before (cli/composed.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cgexp.config.compose import CONFIG_NAME, Config, finish, forgiving, search_path
from cgexp.config.identity import digest
from cgexp.config.paths import conf_dir
from cgexp.errors import InputError

Job = Callable[[Config], float | None]


def launch(overrides: Sequence[str], job: Job) -> None:
    """Run ``job`` on every combination of the overrides' values, with Hydra's sweeper and launcher.

    A job that fails does not stop the others; its error is raised at the end. The sweep's name is a hash of the
    overrides, so a repeated call falls into the same group.
    """
    import hydra

    task = _task(job, "sweep-" + digest(sorted(overrides)))
    arguments, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [arguments[0], "--multirun", *search_path(), *forgiving(overrides)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as exceptions instead of Hydra's printed traceback
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=CONFIG_NAME)(task)()
    finally:
        sys.argv = arguments
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]


def launch_jobs(jobs: Sequence[Sequence[str]], settings: Sequence[str], job: Job, name: str) -> list[Exception]:
    """Run ``job`` on every given list of overrides with the launcher that ``settings`` choose; return what failed.

    Unlike a multirun the jobs need not be all combinations of anything. ``name`` groups them in W&B.
    """
    from hydra import initialize_config_dir
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cgexp"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(CONFIG_NAME, [*search_path(), *forgiving(settings)], RunMode.MULTIRUN)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            config=config, hydra_context=context, task_function=_task(job, name)
        )
        where = [o for o in settings if not o.startswith("hydra.")]  # a job's own config names its launcher, too
        returned = sweeper.launcher.launch([forgiving([*where, *overrides]) for overrides in jobs], initial_job_idx=0)
    # not result.return_value, which prints what Hydra thinks of a failure before it raises
    return [result._return_value for result in returned if isinstance(result._return_value, Exception)]


def _task(job: Job, name: str) -> Callable[[Any], float | None]:
    """The job as a function of Hydra's node; ``name`` is that of the sweep where the config has none."""

    def task(node: Any) -> float | None:
        from hydra.core.hydra_config import HydraConfig

        runtime = HydraConfig.get()
        config = finish(node, dict(runtime.runtime.choices), list(runtime.overrides.task))
        if config["sweep"]["name"] is None:
            config["sweep"]["name"] = name
        return job(config)

    return task


def split_multirun(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Separate ``-m``/``--multirun`` from the overrides; another option is refused."""
    overrides = [a for a in arguments if a not in ("-m", "--multirun")]
    for argument in overrides:
        if argument.startswith("-"):
            raise InputError(f"unknown option {argument}: expected -m, --cfg, --help or overrides like seed=1")
    return len(overrides) < len(arguments), overrides
