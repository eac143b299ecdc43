"""Multirun: Hydra's sweeper and launcher run the jobs, which are checked before (cli/jobs.py)."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config, compose, search_path
from cgexp.config.composed import CONFIG_NAME
from cgexp.config.identity import digest
from cgexp.config.overrides import for_hydra, is_of_hydra
from cgexp.config.paths import conf_dir
from cgexp.config.plugins import require_known_plugins
from cgexp.config.processes import (
    ends_on_terminate,
    forked,
    is_told_threads,
    joblib_workers_begin_so,
    may_fork,
    serve,
    slurm_jobs_end_together,
)
from cgexp.errors import InputError, MachineError, MistakeOfOptions, sentence_of
from cgexp.messages import is_on_screen, on_screen

log = logging.getLogger(__name__)
Job = Callable[[Config], float | None]
NUMBER = "+job_number"
CHOSEN = "jobs"  # folder of what a sweeper of the user's chose
ENDS = "ends"  # folder in which jobs of a multirun say that they have begun, and how they have ended
ALONE = "launcher=joblib"  # whose processes are as a fork of this one, where one job alone is left to do
MOST_DEATHS = 3  # of processes with a job in them, after which it is given up


@dataclass(frozen=True)
class Failed:
    """A job that raised: its overrides, and what it raised."""

    overrides: tuple[str, ...]
    error: Exception

    @property
    def is_mistake(self) -> bool:
        """Whether the user's input was at fault."""
        return isinstance(self.error, InputError)


def launch(
    jobs: Sequence[Sequence[str]],
    settings: Sequence[str],
    job: Job,
    name: str,
    folder: Path,
) -> list[Failed]:
    """Run ``job`` on every given list of overrides with the launcher that ``settings`` choose; return what failed.

    A job that fails does not stop the others, but for those that its MistakeOfOptions is of, too; nor does one whose
    process dies: it is begun again, as are those that end with it. The jobs need not be all combinations of anything:
    Hydra sweeps over their numbers. ``name`` groups them in a tracker. folder: for Hydra's own files.
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

    ends = _Ends(folder.resolve() / ENDS, lists)

    def do(number: int) -> None:
        ends.begin(number)
        ends.end(number, _caught(lambda: work(lists[number]), lists[number]))

    given = [*search_path(), *for_hydra(settings)[0], "hydra.sweeper.params=null"]
    while batch := ends.next():
        with suppress(BrokenExecutor):
            if len(batch) == 1 and ALONE in settings and may_fork():
                forked(partial(do, batch[0]))
            else:
                several = f"{NUMBER}={','.join(map(str, batch))}"
                _multirun([*given, several], lambda node: do(int(node.job_number)), folder)
        ends.count_deaths(batch)
    return ends.failed()


class _Ends:
    """How jobs have ended, as files, so that it is known of those that had ended when a launcher's processes died."""

    def __init__(self, folder: Path, jobs: Sequence[Sequence[str]]) -> None:
        self.folder, self.jobs = folder, jobs
        self.deaths: Counter[int] = Counter()
        folder.mkdir(parents=True)

    def begin(self, number: int) -> None:
        (self.folder / f"{number}.begun").touch()

    def end(self, number: int, failed: Failed | None) -> None:
        sentence = None if failed is None else sentence_of(failed.error)
        told = {"sentence": sentence, "is_mistake": failed is not None and failed.is_mistake}
        write = self.folder / f"{number}.json"
        write.with_suffix(".part").write_text(json.dumps(told))
        write.with_suffix(".part").replace(write)

    def next(self) -> list[int]:
        """The jobs to be done now: those that have not ended, and then one by one those that may make processes die."""
        left = [n for n in range(len(self.jobs)) if self.deaths[n] < MOST_DEATHS and not self._file(n).is_file()]
        return [n for n in left if not self.deaths[n]] or left[:1]

    def count_deaths(self, batch: Sequence[int]) -> None:
        """Note which jobs of a batch had begun and not ended when processes died: one of them may be the reason."""
        lost = [n for n in batch if not self._file(n).is_file()]
        if not lost:
            return
        dead = [n for n in lost if (self.folder / f"{n}.begun").is_file()]
        for number in dead:
            (self.folder / f"{number}.begun").unlink()
        told = "; ".join(" ".join(self.jobs[n]) for n in dead)
        log.warning("a process of the sweep has died, and with it what others did: begun again: %s", told or "nothing")
        self.deaths.update(dead or lost)

    def failed(self) -> list[Failed]:
        """The jobs that have failed, and those that were given up."""
        found = []
        for number, job in enumerate(self.jobs):
            if not self._file(number).is_file():
                text = (
                    f"its process has died {MOST_DEATHS} times (killed, or out of memory): run fewer jobs side by side"
                )
                found.append(Failed(tuple(o.lstrip("+") for o in job), MachineError(text)))
                continue
            told = json.loads(self._file(number).read_text())
            if told["sentence"] is not None:
                error = InputError(told["sentence"]) if told["is_mistake"] else MachineError(told["sentence"])
                found.append(Failed(tuple(o.lstrip("+") for o in job), error))
        return found

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"


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


OF_A_COMMAND = (
    "launcher=", "hydra.", "outputs=", "force=", "figures=", "logger", "executor", "sweep.metrics=", "sweep.over=",
)  # fmt: skip


def sweep_name(overrides: Sequence[str]) -> str:
    """The name of a sweep that has none: a hash of its overrides but for those that say how and where it is done.

    So a repeated call falls into the same group of a tracker.
    """
    return "sweep-" + digest(sorted(plain for o in overrides if not (plain := o.lstrip("+")).startswith(OF_A_COMMAND)))


def of_launcher(overrides: Sequence[str]) -> list[str]:
    """The overrides of a job that may choose or set the launcher."""
    return [
        o
        for o in overrides
        if is_of_hydra(o) or o.lstrip("+").startswith(("experiment=", "debug=", "launcher=", "parts="))
    ]


def _multirun(overrides: Sequence[str], task: Callable[[Any], Any], folder: Path) -> None:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from cgexp.config.inside import read_inside_only

    read_inside_only()
    GlobalHydra.instance().clear()
    place = [] if any(o.startswith("hydra.sweep.dir=") for o in overrides) else [f"hydra.sweep.dir='{folder}'"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cgexp"), ends_on_terminate():
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        settings = [*overrides, *place]
        node = hydra.compose_config(CONFIG_NAME, settings, RunMode.MULTIRUN).hydra
        require_known_plugins(node, settings)
        of_submitit = "submitit" in str(node.launcher["_target_"])
        with slurm_jobs_end_together() if of_submitit else joblib_workers_begin_so():
            batches = hydra.multirun(CONFIG_NAME, _in_its_process(task), settings)
    for result in (result for batch in batches or [] for result in batch):
        result.return_value  # noqa: B018 - raises what a job has raised


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


def _caught(work: Callable[[], Any], overrides: Sequence[str]) -> Failed | None:
    try:
        work()
    except Exception as error:
        return Failed(tuple(o.lstrip("+") for o in overrides), error)
    return None


def _named(config: Config, name: str) -> Config:
    """The config, with the name of the sweep where it has none."""
    if config["sweep"]["name"] is None:
        config["sweep"]["name"] = name
    return config
