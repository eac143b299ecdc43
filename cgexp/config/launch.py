"""Multirun: Hydra's sweeper and launcher run the jobs, which are checked before (cli/jobs.py)."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config, compose, search_path
from cgexp.config.composed import CONFIG_NAME
from cgexp.config.identity import digest
from cgexp.config.overrides import for_hydra, is_of_hydra
from cgexp.config.paths import conf_dir
from cgexp.config.plugins import require_known_plugins
from cgexp.config.processes import ends_on_terminate, is_told_threads, serve
from cgexp.errors import InputError, MistakeOfOptions
from cgexp.messages import is_on_screen, on_screen

Job = Callable[[Config], float | None]
NUMBER = "+job_number"
CHOSEN = "jobs"  # folder of what a sweeper of the user's chose


@dataclass(frozen=True)
class Failed:
    """A job that raised: its overrides, and what it raised."""

    overrides: tuple[str, ...]
    error: Exception

    @property
    def is_mistake(self) -> bool:
        """Whether the user's input was at fault."""
        return isinstance(self.error, InputError)


def launch(jobs: Sequence[Sequence[str]], settings: Sequence[str], job: Job, name: str, folder: Path) -> list[Failed]:
    """Run ``job`` on every given list of overrides with the launcher that ``settings`` choose; return what failed.

    A job that fails does not stop the others, but for those that its MistakeOfOptions is of, too. The jobs need not be
    all combinations of anything: Hydra sweeps over their numbers. ``name`` groups them in W&B. folder: for Hydra's own
    files.
    """
    lists = [list(overrides) for overrides in jobs]
    met: dict[str, MistakeOfOptions] = {}  # in this process, by options

    def work(overrides: Sequence[str]) -> Any:
        config = compose(overrides)
        options = str(config["choices"])
        if options in met:
            raise met[options]
        try:
            return job(_named(config, name))
        except MistakeOfOptions as mistake:
            met[options] = mistake
            raise

    def task(node: Any) -> Any:
        overrides = lists[node.job_number]
        return _caught(lambda: work(overrides), overrides)

    numbers = [f"{NUMBER}=range(0,{len(lists)})", "hydra.sweeper.params=null"]
    return _multirun([*search_path(), *for_hydra(settings)[0], *numbers], task, folder)


def launch_chosen(overrides: Sequence[str], job: Job, name: str, folder: Path) -> list[list[str]]:
    """Run ``job`` on what a sweeper of the user's chooses; return the jobs' overrides, which each leaves in a file.

    What a job raises goes to the sweeper, which has a rule of its own for it. folder: for Hydra's own files.
    """
    given, written = for_hydra(overrides)
    place = folder.resolve() / CHOSEN
    place.mkdir(parents=True)

    def task(node: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig

        runtime = HydraConfig.get()
        chosen = [*runtime.overrides.task, *(str(override.input_line) for override in written)]
        (place / f"{runtime.job.num}.json").write_text(json.dumps(chosen))
        return job(_named(compose(chosen), name))

    _multirun([*search_path(), *given], task, folder)
    return [json.loads(path.read_text()) for path in sorted(place.glob("*.json"), key=lambda path: int(path.stem))]


def sweep_name(overrides: Sequence[str]) -> str:
    """The name of a sweep that has none: a hash of its overrides but for the launcher's.

    So a repeated call falls into the same group of W&B.
    """
    return "sweep-" + digest(sorted(o for o in overrides if not o.startswith(("launcher=", "hydra."))))


def of_launcher(overrides: Sequence[str]) -> list[str]:
    """The overrides of a job that may choose or set the launcher."""
    return [
        o
        for o in overrides
        if is_of_hydra(o) or o.lstrip("+").startswith(("experiment=", "debug=", "launcher=", "parts="))
    ]


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
