"""cgexp reproduce: runs what an experiment misses, draws its figures, checks its numbers against expected.yaml."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from matplotlib.figure import Figure

from cgexp.config.checks import check
from cgexp.config.compose import Config
from cgexp.config.identity import digest
from cgexp.config.launch import launch
from cgexp.config.overrides import quiet
from cgexp.errors import InputError
from cgexp.messages import only_from
from cgexp.progress import duration
from cgexp.report.figures import save
from cgexp.report.table import arms_table
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.load import Run
from cgexp.runs.lock import require_writable
from cgexp.runs.pipeline import run
from cgexp.runs.provenance import code_version
from cgexp.runs.resolve import resolve
from cgexp.runs.sweeps import sweep_folder
from cgexp.store import read_json, write_bytes, write_json
from cgexp.studies.bounds import all_within, violations
from cgexp.studies.results import Drawn, Results, write_study_page
from cgexp.studies.study import VERBS, Arm, Study
from cgexp.studies.tables import Elsewhere, Kept, KeptRun, Key, keep, kept_runs, keys_of

log = logging.getLogger(__name__)
Say = Callable[[str], None]
NO_PHYSICS = ("logger", "figures=", "outputs=", "parts=", "sweep.", "kernel=")
TABLE_START, TABLE_END = "<!-- table: what the command prints -->", "<!-- end of table -->"


def reproduce(
    study: Study, extra: Sequence[str] = (), update: bool = False, resume: bool = False, say: Say = print
) -> bool:
    """Do all of it; return whether every expected number was found within its bounds.

    extra: overrides for every run, and ``launcher=`` for where they run. With ``update`` figures, numbers and the
    README's table are also written into the experiment's folder, where they are kept; so are runs.csv and, of active
    learning, rounds.csv, row by row as runs finish. With ``resume`` runs that these hold are not run again, wherever
    they were made; figures and numbers that need their folders stay as they are kept, and are named. Raises InputError,
    and the first error of a run when all others have finished.
    """
    overrides, settings = _with_defaults(extra)
    changed = [o for o in overrides if not o.startswith(NO_PHYSICS)]
    if update and changed:
        raise InputError(
            f"--update keeps the results of the study as it is, but {changed[0]} changes it: leave out one"
        )
    code = load_code(study.folder, study.part)
    readme = study.folder / "README.md"
    if update and not (readme.is_file() and TABLE_START in readme.read_text() and TABLE_END in readme.read_text()):
        raise InputError(f"{readme} is missing or lacks the lines '{TABLE_START}' and '{TABLE_END}': add them first")
    by_arm = _configs(study, overrides)
    some = next(config for configs in by_arm.values() for config in configs)
    # results of another study than the one that is kept do not replace its own
    place = Path(some["outputs"]) / "reproduced" / (study.name + (f"-{digest(changed)}" if changed else ""))
    require_writable(place)
    keys = keys_of(study, overrides)
    kept = kept_runs(study, keys) if resume else {}
    if kept:
        say(f"{len(kept)} runs are known from {study.folder}")
    work = _Work(study, by_arm, overrides, keys, kept, study.folder if update else None)
    _run_missing(work, settings, say)
    work.keep()
    runs = {arm.name: [work.run(*one) for one in work.keyed(arm)] for arm in study.arms}
    _name_other_code(runs, say)
    results = Results(study, runs, place / "work")
    say("drawing the figures")
    numbers = results.numbers()
    as_kept = _add_own(code, results, numbers, say)
    drawn = _draw(code, results, say)
    table = arms_table(rows_of(study, numbers), study.columns, some["dataset"]["units"])
    for folder, suffixes in ((place, ("png", "pdf")), *([(study.folder, ("png",))] if update else [])):
        for name, figure in drawn.items():
            save(figure, folder / "figures", name, suffixes)
        write_json(folder / "numbers.json", {name: list(values) for name, values in numbers.items()})
    if update:
        _write_table(study.folder / "README.md", table)
    say(f"\n{study.title}: mean ± standard deviation over runs\n\n{table}\n")
    say(f"figures ({', '.join(sorted(drawn))}): {place / 'figures'}")
    say(f"report: {write_study_page(results, rows_of(study, numbers), numbers, drawn, place, changed)}")
    outside = list(violations(study, numbers))
    say("\n".join(outside) if outside else all_within(study, as_kept))
    return not outside


def _configs(study: Study, extra: Sequence[str]) -> dict[str, list[Config]]:
    """Arm -> checked configs of its runs, in the order in which they can be run (Study.levels)."""
    found: dict[str, list[Config]] = {}
    for arm in (arm for level in study.levels() for arm in level):
        found[arm.name] = _configs_of(arm, study, extra, found)
    return found


def _configs_of(arm: Arm, study: Study, extra: Sequence[str], known: Mapping[str, Sequence[Config]]) -> list[Config]:
    """Checked configs of an arm's runs; known: those of the arms whose runs it needs."""
    folders = {}
    for name in arm.sources:
        by_seed = {config["seed"]: str(_place(config).path) for config in known[name]}
        if len(by_seed) < len(known[name]):
            raise InputError(
                f"{study.folder}: arm {arm.name} needs the run of {name}, which has several for a seed: name an arm "
                "without comma-separated values"
            )
        folders[name] = by_seed
    configs = arm.configs(extra, folders)
    for config in configs:
        check(config)
    return configs


@dataclass(frozen=True)
class _Work:
    """What is to be done, and what is known of it.

    by_arm: arm -> configs of its runs. overrides: for every run. keys: arm -> keys of its runs in the tables. kept: the
    runs that need not be done. tables: folder of the tables to which finished runs are added, or None.
    """

    study: Study
    by_arm: dict[str, list[Config]]
    overrides: Sequence[str]
    keys: Mapping[str, Sequence[Key]]
    kept: Mapping[Key, Kept]
    tables: Path | None

    def keyed(self, arm: Arm) -> list[tuple[Config, Key]]:
        """The configs of an arm, each with its key in the tables."""
        configs = self.by_arm.get(arm.name, [])
        return list(zip(configs, self.keys[arm.name] if configs else (), strict=True))

    def missing(self, arm: Arm) -> dict[Path, tuple[Config, Key]]:
        """Folder -> config and key of the runs that have not finished here, and are not kept."""
        return {
            folder.path: (config, key)
            for config, key in self.keyed(arm)
            if not _finished(folder := _place(config), arm.verb) and key not in self.kept
        }

    def keep(self) -> None:
        """Add all runs that have finished here to the tables: also those of an earlier call, or of several arms."""
        if self.tables is None:
            return
        for arm in self.study.arms:
            for config, key in self.keyed(arm):
                if _finished(folder := _place(config), arm.verb):
                    keep(self.tables, key, folder, arm.verb)

    def run(self, config: Config, key: Key) -> Run:
        """The run of a config, from its folder if it is here."""
        folder = _place(config)
        if key not in self.kept or folder.metrics.is_file():
            return Run(folder)
        return KeptRun(folder, composed=config, rounds=self.kept[key].rounds, final=self.kept[key].metrics)


def _run_missing(work: _Work, settings: Sequence[str], say: Say) -> None:
    """Run what has not finished, level by level. Raises the first error when all of a level are done."""
    study, by_arm = work.study, work.by_arm
    everything = {_place(config).path for configs in by_arm.values() for config in configs}
    say(f"{study.title}: {len(by_arm)} arms, {len(everything)} runs")
    for level in study.levels():
        for arm in level:
            if arm.sources:  # the name of a run depends on its teacher's content, which is known only now
                by_arm[arm.name] = _configs_of(arm, study, work.overrides, by_arm)
        for verb in VERBS:
            missing: dict[Path, tuple[Config, Key]] = {}
            for arm in level:
                missing |= work.missing(arm) if arm.verb == verb else {}
            if missing:
                say(f"{len(missing)} runs to do: {' '.join(settings)}")
                folders = {_place(config).path for configs in by_arm.values() for config in configs}
                keys = {str(path): key for path, (_, key) in missing.items()}
                job = _Job([str(path) for path in sorted(folders)], time.time(), verb, work.tables, keys)
                own = [o for o in settings if not o.startswith("hydra")]  # a job's config names its launcher, too
                todo = [[*own, *config["overrides"]] for config, _ in missing.values()]
                outputs = Path(next(iter(missing.values()))[0]["outputs"])
                with sweep_folder(outputs) as place:
                    failed = launch(todo, settings, job, study.name, place)
                if failed:
                    raise failed[0].error


def _place(config: Config) -> RunFolder:
    """Where a run lies: one that goes on from another has that one's settings too, which are known once it is there."""
    if config["run"] is not None and RunFolder(Path(config["run"])).config.is_file():
        return resolve(config)[1]
    return folder_of(config)


def _finished(folder: RunFolder, verb: str) -> bool:
    return folder.metrics.is_file() if verb == "active" else folder.done("evaluate")


class _Job:
    """One run, silent but for a line that counts the finished ones; can be sent to another process.

    tables: folder of the tables to which finished runs are added, under the key of the run's folder.
    """

    def __init__(
        self,
        folders: Sequence[str],
        began: float,
        verb: str = "run",
        tables: Path | None = None,
        keys: Mapping[str, Key] | None = None,
    ) -> None:
        self.folders, self.began, self.total, self.verb = list(folders), began, len(folders), verb
        self.tables, self.keys = tables, dict(keys or {})
        self.done_before = self._done()

    def __call__(self, config: Config) -> None:
        with only_from(logging.WARNING):
            folder = (_active().run_active if self.verb == "active" else run)(config, say=lambda text: None)
        if self.tables and str(folder.path) in self.keys:
            keep(self.tables, self.keys[str(folder.path)], folder, self.verb)
        done, elapsed = self._done(), time.time() - self.began
        left = elapsed / max(done - self.done_before, 1) * (self.total - done)
        text = f"{done}/{self.total} runs, {duration(elapsed)} so far, about {duration(left)} left"
        log.info("%s  %s", text, folder.path)

    def _done(self) -> int:
        return sum(Path(folder, "metrics.json").is_file() for folder in self.folders)


def _active() -> ModuleType:
    """The module that runs active learning, which few studies need."""
    return importlib.import_module("cgexp.runs.active")


def load_code(folder: Path, part: str | None = None) -> ModuleType:
    """The module figures.py of an experiment's folder; its own imports may be relative.

    With ``part`` the folder is that of the part, whose code may import the experiment's (``from .. import``).
    """
    if not (folder / "figures.py").is_file():
        raise InputError(f"{folder} has no figures.py: an experiment needs one with a function figures(results)")
    whole = folder if part is None else folder.parent
    package = f"cgexp_experiment_{whole.name}"
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]  # of a folder of the same name elsewhere
    module = ModuleType(package)
    module.__path__ = [str(whole.resolve())]
    sys.modules[package] = module
    try:
        code = importlib.import_module(f"{package}.figures" if part is None else f"{package}.{part}.figures")
    except (SyntaxError, ImportError) as error:
        raise InputError(f"{folder / 'figures.py'} cannot be imported: {error}") from error
    if not callable(getattr(code, "figures", None)):
        raise InputError(f"{folder / 'figures.py'} has no function figures(results): an experiment needs one")
    return code


def _add_own(code: ModuleType, results: Results, numbers: dict[str, list[float]], say: Say) -> set[str]:
    """Add the experiment's own numbers to ``numbers``. Where they need the folder of a run that is on another machine
    they are those that are kept; their names are returned."""
    own = getattr(code, "numbers", None)
    try:
        numbers |= {} if own is None else {name: [float(v) for v in values] for name, values in own(results).items()}
        return set()
    except Elsewhere as error:
        path = results.study.folder / "numbers.json"
        say(f"{error}; the numbers of its own code are those of {path}, not computed again")
        kept = {name: values for name, values in read_json(path).items() if name not in numbers}
        numbers |= kept
        return set(kept)


def _draw(code: ModuleType, results: Results, say: Say) -> dict[str, Figure]:
    """The experiment's figures, but for those that need the folder of a run that is on another machine."""
    drawn, missing = {}, []
    try:
        figures: Drawn = code.figures(results)
    except Elsewhere as error:
        say(f"{error}; no figure is drawn again")
        return {}
    for name, figure in figures.items():
        try:
            drawn[name] = figure() if callable(figure) else figure
        except Elsewhere:
            missing.append(name)
    if missing:
        say(f"not drawn again, since they need folders of runs that are on another machine: {', '.join(missing)}")
    return drawn


def _name_other_code(runs: Mapping[str, Sequence[Run]], say: Say) -> None:
    """Say how many runs were finished by another version of the code than the one that runs now."""
    present = code_version()
    made_by = [run.made_by for found in runs.values() for run in found if run.folder.provenance.is_file()]
    others = [code for code in made_by if code not in (None, present)]
    if others:
        commits = sorted({str((code or {}).get("commit"))[:10] for code in others})
        say(f"{len(others)} of {len(made_by)} runs were made by other code (commit {', '.join(commits)})")


def rows_of(study: Study, numbers: Mapping[str, Sequence[float]]) -> list[tuple[str, dict[str, Sequence[float]]]]:
    """The rows of the study's table: label of an arm -> its numbers, for the columns of the study."""
    return [
        (
            arm.label if "/" not in arm.name else f"{arm.label}, {arm.name.split('/', 1)[1]}",
            {metric: numbers[f"{arm.name}.{metric}"] for metric in study.columns if f"{arm.name}.{metric}" in numbers},
        )
        for arm in study.arms
    ]


def _write_table(readme: Path, table: str) -> None:
    text = readme.read_text(encoding="utf-8")
    before, found, rest = text.partition(TABLE_START)
    _, found_end, after = rest.partition(TABLE_END)
    if found and found_end:
        write_bytes(readme, f"{before}{TABLE_START}\n\n{table}\n\n{TABLE_END}{after}".encode())


def _with_defaults(extra: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides of the runs and settings of the launcher, unless told otherwise: all cores, no W&B, no own figures."""
    settings = [o for o in extra if o.startswith(("launcher=", "hydra.", "hydra/"))]
    overrides = [o for o in extra if o not in settings]
    if not any(o.startswith("launcher=") for o in settings):
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if n_cores > 1 and find_spec("hydra_plugins") and find_spec("hydra_plugins.hydra_joblib_launcher"):
            settings = ["launcher=joblib", f"hydra.launcher.n_jobs={n_cores}", *settings]
    return quiet(overrides), settings
