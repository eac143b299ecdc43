"""Weights & Biases: one W&B run a job, no prompts, offline without key or network; its failures never stop a run."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cgexp.errors import InputError, did_you_mean, sentence_of
from cgexp.parts.ranges import Project
from cgexp.report.tracker import (
    AXES,
    LOWEST_KEPT,
    Artefact,
    Chart,
    Described,
    NamedSettings,
    Tracked,
    Tracker,
    tell_lost,
)
from cgexp.report.wandb_files import FOLDER, is_of, note, sent_places, unsent_files

if TYPE_CHECKING:
    import wandb

NAME = "W&B"
INIT_TIMEOUT_S = 15.0
INIT_TIMEOUT = "WANDB_INIT_TIMEOUT"  # seconds, in the environment: W&B's own name
LONGEST_TAG, LONGEST_NAME = 64, 128  # letters that W&B takes
INTERRUPTED = 130  # exit code
REMOVALS, PAUSE_S = 5, 0.2  # of the files of an earlier opening
DATA_DIR = "WANDB_DATA_DIR"  # W&B's own variable
MODES = ("online", "offline", "disabled")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WandbSettings(NamedSettings):
    """One W&B run a job.

    entity: the team or user that the project is of; None: the user's default. mode: 'auto' respects WANDB_MODE and goes
    offline when there is no key.
    """

    entity: Project | None = None
    mode: Literal["auto", "online", "offline"] = "auto"

    @property
    def is_waiting(self) -> bool:
        """Whether an agent of a sweep began this process."""
        return self.enabled and "WANDB_SWEEP_ID" in os.environ

    def open(self, described: Described, folder: Path) -> AbstractContextManager[Tracker]:
        """The W&B run of a job."""
        return open_wandb(self, described, folder)


class WandbRun(Tracked):
    """A run that is open in W&B."""

    tracker = NAME

    def __init__(self, run: wandb.Run, sent: Mapping[str, float] | None = None) -> None:
        """sent: how far along each axis earlier openings came, as the run's folder tells; online, the server tells."""
        self._run = run
        told = {of: run.summary.get(f"{of}/{axis}") for of, axis in AXES.items()}
        last = {of: _part(value, "last") for of, value in told.items()}
        found = {of: float(value) for of, value in last.items() if isinstance(value, int | float)}
        self._told = found or dict(sent or {})
        self._defined: set[str] = set()
        self._lowest: dict[str, float] = {}  # of earlier openings

    def last(self, of: str) -> float | None:
        return self._told.get(of)

    def row(self, of: str, numbers: Mapping[str, float]) -> None:
        for name in numbers.keys() - self._defined:
            self._define(of, name)
        self._run.log(dict(numbers))
        self._told[of] = numbers[f"{of}/{AXES[of]}"]

    def _define(self, of: str, name: str) -> None:
        """Say what a number is drawn against, and what of it the summary keeps.

        One by one: of two patterns that fit a name, W&B takes either.
        """
        self._defined.add(name)
        earlier = self._run.summary.get(name)
        if isinstance(lowest := _part(earlier, "min"), int | float):
            self._lowest[name] = float(lowest)
        axis = f"{of}/{AXES[of]}"
        if name == axis:
            self._run.define_metric(name, hidden=True, summary="last")
        else:
            is_lowest_kept = any(fnmatch(name, pattern) for pattern in LOWEST_KEPT)
            self._run.define_metric(name, step_metric=axis, summary="min,last" if is_lowest_kept else "last")

    def summary(self, numbers: Mapping[str, float]) -> None:
        self._run.summary.update(numbers)

    def images(self, paths: Mapping[str, Path]) -> None:
        import wandb

        self._run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in paths.items()})

    def charts(self, charts: Mapping[str, Chart]) -> None:
        import wandb

        logged: dict[str, Any] = {}
        for name, chart in charts.items():
            table = wandb.Table(columns=list(chart.columns), data=chart.rows)
            if chart.x is None or chart.y is None:
                logged[f"tables/{name}"] = table
            else:
                logged[f"charts/{name}"] = wandb.plot.line(table, chart.x, chart.y, title=chart.title)
        self._run.log(logged)

    def structures(self, pdb: Mapping[str, str]) -> None:
        import wandb

        molecules = {name: wandb.Molecule(StringIO(text), file_type="pdb") for name, text in pdb.items()}
        self._run.log({f"structures/{name}": molecule for name, molecule in molecules.items()})

    def artefact(self, artefact: Artefact) -> None:
        import wandb

        found = wandb.Artifact(artefact.name, type=artefact.kind, metadata=dict(artefact.metadata))
        for name, path in artefact.files.items():
            found.add_reference(path.resolve().as_uri(), name=name)
        if artefact.is_input:  # the public use_artifact waits for the server, and refuses offline
            self._run._log_artifact(found, is_user_created=True, use_after_commit=True)
        else:
            self._run.log_artifact(found)

    def close(self) -> None:
        """Put back the minimum of earlier openings, which W&B forgets; note how far this one came."""
        for name, lowest in self._lowest.items():
            now = self._run.summary.get(name)
            if (found := _part(now, "min")) is None or found > lowest:
                self._run.summary.update({name: {"min": lowest, "last": _part(now, "last")}})
        note(Path(self._run.settings.sync_dir), self._told)

    def fail(self, sentence: str) -> None:
        self._run.summary.update({"failed": sentence})


def _part(value: Any, part: str) -> Any:
    """The last or lowest value (part: last, min) of a metric in a summary; W&B nests it once more each resumption."""
    while hasattr(value, "keys"):
        value = value.get(part)
    return value


@contextmanager
def open_wandb(settings: WandbSettings, described: Described, folder: Path) -> Iterator[Tracker]:
    """Open one W&B run for the job and close it whatever happens (else jobs of a sweep would share one run).

    An error that leaves the context marks the run as failed, with its sentence. Offline, the files of earlier openings
    of the same run are removed as the new one is closed, which holds all that they held but for what was uploaded.
    """
    if not settings.enabled or os.environ.get("WANDB_MODE") == "disabled":
        yield Tracker()
        return
    import wandb

    earlier = unsent_files(folder)
    with _staging_in(folder):
        run = _start(settings, described, folder)
        tracker, exit_code = _tracker(run, folder), 1
        try:
            yield tracker
            exit_code = 0
        except KeyboardInterrupt:
            exit_code = INTERRUPTED
            raise
        except Exception as error:
            tracker.fail(sentence_of(error))
            raise
        finally:
            tracker.tell(lambda run: run.close())
            try:
                wandb.finish(exit_code=exit_code)
                if tracker.is_told and len(unsent_files(folder)) > len(earlier):
                    for path in (path for path in earlier if is_of(path, run.id)):
                        _remove(path)
            except Exception as error:
                if tracker.is_told:  # else it was said
                    tell_lost(NAME, error)


def _limits() -> dict[str, Any]:
    """How long W&B may take to begin a run, unless the user has said so, as on a slow network."""
    return {} if INIT_TIMEOUT in os.environ else {"init_timeout": INIT_TIMEOUT_S}


def _remove(opening: Path) -> None:
    """Remove the files of an earlier opening; W&B's own process may still write its log there."""
    for _ in range(REMOVALS):
        shutil.rmtree(opening, ignore_errors=True)
        if not opening.exists():
            return
        time.sleep(PAUSE_S)


def _tracker(run: wandb.Run | None, folder: Path) -> Tracker:
    """The tracker of a run that W&B opened; none where that failed, or goes wrong at once."""
    if run is None:
        return Tracker()
    try:
        return Tracker(WandbRun(run, sent_places(folder, run.id)))
    except Exception as error:
        tell_lost(NAME, error)
        return Tracker()


@contextmanager
def _staging_in(folder: Path) -> Iterator[None]:
    """W&B copies small files until they are uploaded: into the run's folder, and not into the user's home."""
    before = os.environ.get(DATA_DIR)
    if before is None:
        os.environ[DATA_DIR] = str((folder / FOLDER).absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[DATA_DIR]


def choose_mode(settings: WandbSettings) -> tuple[str, str]:
    """Return W&B's mode and why: (online or offline, reason)."""
    if wanted := os.environ.get("WANDB_MODE"):
        if wanted not in MODES:
            raise InputError(
                f"WANDB_MODE={wanted} is not valid{did_you_mean(wanted, MODES)}: expected {', '.join(MODES)}"
            )
        return wanted, "WANDB_MODE is set"
    if settings.mode != "auto":
        return settings.mode, "logger.mode is set"
    import wandb

    try:
        has_key = bool(wandb.login(prompt=False))
    except Exception:  # W&B raises errors of many libraries here; none of them may stop a run
        has_key = False
    return ("online", "a key was found") if has_key else ("offline", "no usable key")


def _start(settings: WandbSettings, described: Described, folder: Path) -> Any:
    """A W&B run, or None where none can be begun."""
    import wandb

    mode, reason = choose_mode(settings)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {
        "project": settings.project,
        "entity": settings.entity,
        "id": described.id,  # also offline, so that a resumed job stays one run
        "name": (settings.name or described.name)[:LONGEST_NAME],
        "group": (settings.group or described.group)[:LONGEST_NAME],
        "notes": settings.notes,
        "job_type": described.job_type,
        "tags": list(dict.fromkeys(tag[:LONGEST_TAG] for tag in settings.all_tags(described))),
        "config": dict(described.config),
        "dir": str(folder),
        "settings": wandb.Settings(silent=True, console="off", **_limits()),
    }
    if mode == "online":
        try:
            return wandb.init(mode="online", resume="allow", **arguments)
        except Exception as error:  # no network, a wrong key, a timeout: the run goes on
            _end_process()  # which holds the name until it ends
            mode, reason = "offline", f"online was refused: {type(error).__name__}"
    if mode == "offline":
        log.info("W&B offline (%s); upload later with: cgexp wandb sync %s", reason, folder)
    arguments["mode"] = mode
    try:
        return wandb.init(**arguments)
    except Exception as error:
        _end_process()
        tell_lost(NAME, error)
        return None


def _end_process() -> None:
    """End W&B's own process, so that the next run gets a fresh one; it may have ended by a fault of its own."""
    import wandb

    with suppress(Exception):
        wandb.teardown(exit_code=1)
