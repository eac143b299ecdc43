"""The verbs that compose a config: run, train, simulate, evaluate, data, check, active. One job, or a multirun."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.jobs import Jobs, jobs_of, without_globs
from cgexp.config.paths import use_conf_dir
from cgexp.errors import InputError, did_you_mean, sentence_of, shown

if TYPE_CHECKING:
    from cgexp.config.launch import Failed

Job = Callable[[Config], float | None]
log = logging.getLogger(__name__)


def main(given: argparse.Namespace) -> int:
    """Compose and check the config, or every config of a multirun, then do the verb's job; return the exit code."""
    if given.config_dir is not None:
        use_conf_dir(Path(given.config_dir))
    overrides: list[str] = without_globs(given.words)
    jobs = jobs_of(overrides, given.multirun)
    # mistakes in groups that the job does not use do not matter to it
    groups = ("dataset",) if given.verb == "data" else None
    for config in jobs.configs:
        check(_to_check(config), groups)
    if given.cfg:
        import yaml

        print(yaml.safe_dump_all(jobs.configs, sort_keys=False, allow_unicode=True), end="")
        return 0
    job = JOBS.get(given.verb) or partial(stages, verb=given.verb)
    if jobs.is_multirun:
        return _multirun(jobs, overrides, job, given.verb)
    job(jobs.configs[0])
    if given.verb not in NO_RUNS:
        _print_results(jobs.configs, None)
    return 0


def stages(config: Config, verb: str) -> float | None:
    """Do the stages of ``verb`` for one config; return the sweep's objective."""
    from cgexp.runs.resolve import skipped
    from cgexp.runs.sweeps import objective

    folder = skipped(config, verb, print)
    if folder is None:
        from cgexp.runs.pipeline import run  # with torch

        folder = run(config, verb)
    return objective(folder, config["sweep"]["objective"])


def active(config: Config) -> float | None:
    """Do the rounds of active learning of one config; return the sweep's objective."""
    from cgexp.runs.active import run_active
    from cgexp.runs.sweeps import objective

    return objective(run_active(config), config["sweep"]["objective"])


def data(config: Config) -> None:
    """Make or find one data set and print its card."""
    from cgexp.runs.data import DataSet, data_card
    from cgexp.runs.experiment import make_parts
    from cgexp.runs.resolve import resolve
    from cgexp.runs.summary import print_card

    resolved, _, _ = resolve(config)
    data_set = DataSet.of(resolved)
    frames, path = data_set.get(again=config["force"], workers=make_parts(resolved, ["executor"])["executor"])
    place = str(path) if path else data_set.recipe.place
    print_card(data_set.recipe.facts() | data_card(frames, data_set.spec, data_set.recipe.system), place)


def check_one(config: Config) -> None:
    """Check one config and print what it describes, with ``run=<folder>`` that folder's files too; writes nothing."""
    from cgexp.runs.check import report
    from cgexp.runs.resolve import resolve
    from cgexp.runs.verify import verify

    if config["run"] is not None:
        for line in verify(Path(config["run"])):
            print(line)
    resolved, *folders = resolve(config)
    runs = [folder for folder in folders if config["run"] is not None and folder is not None]
    for line in report(resolved, next((folder for folder in runs if folder.done("train")), None)):
        print(line)


NO_RUNS = ("data", "check")  # verbs that make none
JOBS: dict[str, Any] = {"active": active, "data": data, "check": check_one}


def _multirun(jobs: Jobs, overrides: Sequence[str], job: Job, verb: str) -> int:
    """Run the jobs and tell what they found; return the exit code."""
    if verb == "check":
        return _check_all(_once_each(jobs.configs, overrides, verb), overrides)
    from cgexp.config.launch import launch, launch_chosen, of_launcher, sweep_name
    from cgexp.runs.lock import require_writable
    from cgexp.runs.sweeps import record_folder, recorded, sweep_folder
    from cgexp.training.nodes import require_one_node

    if verb not in NO_RUNS:
        for config in jobs.configs:
            require_one_node(config["trainer"].get("n_nodes", 1), "a multirun")
        _require_known(jobs.configs)
    first = jobs.configs[0]
    outputs, name = Path(first["outputs"]), sweep_name(overrides)
    place = record_folder(outputs, first["sweep"]["name"] or name)
    require_writable(outputs)
    failed: Sequence[Failed] = ()
    with sweep_folder(outputs) as folder:
        if jobs.is_chosen:
            configs = [compose(chosen) for chosen in launch_chosen(overrides, job, name, folder)]
        else:
            configs = _once_each(jobs.configs, overrides, verb)
            told = [] if verb in NO_RUNS else _with_folders(configs, overrides)
            with recorded(place, outputs, told, verb) if told else nullcontext():
                left, refused = _not_finished(configs, verb)
                failed = [*refused, *launch(left, of_launcher(jobs.first), job, name, folder)]
    if verb not in NO_RUNS:
        _print_results(configs, place)
    return _told(failed, len(configs), overrides) if failed else 0


def _check_all(configs: Sequence[Config], overrides: Sequence[str]) -> int:
    """Check one config after the other in this process, without a launcher, which would leave files or submit jobs."""
    from cgexp.config.launch import Failed

    failed = []
    for config in configs:
        try:
            check_one(config)
        except InputError as error:
            failed.append(Failed(tuple(config["overrides"]), error))
    return _told(failed, len(configs), overrides) if failed else 0


def _require_known(configs: Sequence[Config]) -> None:
    """Raise InputError for a key to average over that no job has, which would be told at the end alone."""
    from cgexp.config.identity import flat

    asked = configs[0]["sweep"].get("over", [])
    known = dict.fromkeys(key for config in configs for key in flat(config)) if asked else {}
    for key in asked:
        if not any(one == key or one.endswith(f".{key}") for one in known):
            raise InputError(f"sweep.over={shown(key)} is no key of the jobs{did_you_mean(key, known)}")


def _not_finished(configs: Sequence[Config], verb: str) -> tuple[list[list[str]], list[Failed]]:
    """The overrides of the jobs in which something is left to do; the others are skipped here, without torch.

    And those of the others that are refused.
    """
    from cgexp.config.launch import Failed
    from cgexp.runs.resolve import VERBS, skipped
    from cgexp.runs.sweeps import objective

    left, refused = [], []
    for config in configs:
        try:
            folder = skipped(config, verb, print) if verb in VERBS else None
            if folder is None:
                left.append(config["overrides"])
            else:
                objective(folder, config["sweep"]["objective"])
        except InputError as error:
            refused.append(Failed(tuple(config["overrides"]), error))
    return left, refused


def _with_folders(configs: Sequence[Config], overrides: Sequence[str]) -> list[tuple[str, Path]]:
    """What each job says that not all of a multirun say, and the folder of its run."""
    from cgexp.runs.resolve import resolve

    return [(_swept(config["overrides"], overrides), resolve(config)[1].path) for config in configs]


def _once_each(configs: Sequence[Config], overrides: Sequence[str], verb: str) -> list[Config]:
    """The configs without those of a run (of a data set for the verb data) that another one is of, too."""
    from cgexp.config.identity import data_id
    from cgexp.runs.resolve import resolve

    found: dict[Any, Config] = {}
    for config in configs:
        resolved, folder, _ = resolve(config)
        key = (resolved["outputs"], data_id(resolved)) if verb == "data" else folder.path
        if key in found:
            same = [_swept(one["overrides"], overrides) for one in (config, found[key])]
            log.info("%s is the same run as %s: it is done once", *same)
        found.setdefault(key, config)
    return list(found.values())


def _to_check(config: Config) -> Config:
    """With ``run=<folder>`` an override is of that run's parts, which may take other keys than the default ones."""
    if config["run"] is None:
        return config
    from cgexp.runs.folder import laid_on_recorded

    return laid_on_recorded(config)


def _print_results(configs: list[Config], place: Path | None) -> None:
    """All metrics of one run, or of many a row for those that differ by their seed alone, and their page."""
    from cgexp.runs.resolve import resolve

    folders = [resolve(config)[1] for config in configs]
    if len(folders) == 1:
        from cgexp.runs.summary import print_table

        print_table(folders[0])
    else:
        from cgexp.cli.compare import print_sweep
        from cgexp.runs.folder import is_run
        from cgexp.studies.arms import compare_sweep
        from cgexp.studies.catalogue import entry_of
        from cgexp.studies.comparison import write_pages

        paths, sweep = dict.fromkeys(folder.path for folder in folders), configs[0]["sweep"]
        entries = [entry_of(path) for path in paths if is_run(path)]
        found = compare_sweep(entries, sweep.get("over", []), sweep.get("metrics", []))
        print_sweep(found.values())
        for page in write_pages(place, found) if place is not None else ():
            print(f"comparison: {page}")


def _told(failed: Sequence[Failed], total: int, overrides: Sequence[str]) -> int:
    """Say which jobs of a multirun failed, by what was swept over, and why; return the exit code."""
    for one in failed:
        log.error("%s: %s", _swept(one.overrides, overrides), sentence_of(one.error))
    log.error("%d of %d jobs failed; the same command does them again, and skips the others", len(failed), total)
    return 2 if all(one.is_mistake for one in failed) else 1


def _swept(job: Sequence[str], overrides: Sequence[str]) -> str:
    """What a job says that not all jobs of a multirun say."""
    return " ".join(o for o in job if o not in overrides) or " ".join(overrides)
