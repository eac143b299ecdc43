"""Multirun: Hydra's sweeper and launcher run the jobs, which are checked before (cli/jobs.py)."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.config.compose import CONFIG_NAME, Config, compose, finish, forgiving, search_path
from cgexp.config.identity import digest
from cgexp.config.paths import conf_dir
from cgexp.config.plugins import require_known_plugins
from cgexp.config.processes import ends_on_terminate, is_told_threads, serve
from cgexp.errors import InputError
from cgexp.messages import is_on_screen, on_screen

Job = Callable[[Config], float | None]
NUMBER = "+job_number"


@dataclass(frozen=True)
class Failed:
    """A job that raised: its overrides, and what it raised."""

    overrides: tuple[str, ...]
    error: Exception

    @property
    def is_mistake(self) -> bool:
        """Whether the user's input was at fault."""
        return isinstance(self.error, InputError)


def launch(overrides: Sequence[str], job: Job, folder: Path) -> list[Failed]:
    """Run ``job`` on every combination of the overrides' values, with Hydra's sweeper and launcher.

    A job that fails does not stop the others; those that failed are returned. The sweep's name is a hash of the
    overrides but for the launcher's, so a repeated call falls into the same group. folder: for Hydra's own files.
    """
    name = "sweep-" + digest(sorted(o for o in overrides if not o.startswith(("launcher=", "hydra."))))

    def task(node: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig

        runtime = HydraConfig.get()
        given, choices = list(runtime.overrides.task), dict(runtime.runtime.choices)
        # a sweeper of another kind has a rule of its own for jobs that fail
        catching = _caught if choices.get("hydra/sweeper") == "basic" else _raised
        return catching(lambda: job(_named(finish(node, choices, given), name)), given)

    return _multirun([*search_path(), *forgiving(overrides)], task, folder)


def launch_jobs(
    jobs: Sequence[Sequence[str]], settings: Sequence[str], job: Job, name: str, folder: Path
) -> list[Failed]:
    """Run ``job`` on every given list of overrides with the launcher that ``settings`` choose; return what failed.

    Unlike a multirun the jobs need not be all combinations of anything: Hydra sweeps over their numbers. ``name``
    groups them in W&B. folder: for Hydra's own files.
    """
    own = [o for o in settings if not o.startswith("hydra.")]  # a job's own config names its launcher, too
    lists = [[*own, *overrides] for overrides in jobs]

    def task(node: Any) -> Any:
        overrides = lists[node.job_number]
        return _caught(lambda: job(_named(compose(overrides), name)), overrides)

    numbers = ",".join(str(number) for number in range(len(lists)))
    return _multirun([*search_path(), *forgiving(settings), f"{NUMBER}={numbers}"], task, folder)


def _multirun(overrides: Sequence[str], task: Callable[[Any], Any], folder: Path) -> list[Failed]:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    GlobalHydra.instance().clear()
    place = [] if any(o.startswith("hydra.sweep.dir=") for o in overrides) else [f"hydra.sweep.dir='{folder}'"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cgexp"), ends_on_terminate():
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        settings = [*overrides, *place]
        require_known_plugins(hydra.compose_config(CONFIG_NAME, settings, RunMode.MULTIRUN).hydra, settings)
        batches = hydra.multirun(CONFIG_NAME, _in_its_process(task), settings)
    returned = [result.return_value for batch in batches or [] for result in batch]
    return [value for value in returned if isinstance(value, Failed)]


def _in_its_process(task: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The task, which first sets up the process that it finds itself in, if that is not this one."""
    parent, shown, told = os.getpid(), is_on_screen(), is_told_threads()

    def run(node: Any) -> Any:
        if os.getpid() == parent:
            return task(node)
        serve(parent, told)
        with on_screen() if shown else nullcontext():
            return task(node)

    return run


def _raised(work: Callable[[], Any], overrides: Sequence[str]) -> Any:
    return work()


def _caught(work: Callable[[], Any], overrides: Sequence[str]) -> Any:
    try:
        return work()
    except Exception as error:
        return Failed(tuple(o.lstrip("+") for o in overrides), _portable(error))


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same, if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # anything may go wrong in another's __reduce__
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _named(config: Config, name: str) -> Config:
    """The config, with the name of the sweep where it has none."""
    if config["sweep"]["name"] is None:
        config["sweep"]["name"] = name
    return config
