"""Weights & Biases: one W&B run a job, no prompts, offline without key or network; its failures never stop a run."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cgexp.errors import InputError, did_you_mean, sentence_of
from cgexp.parts.part import Part
from cgexp.parts.ranges import Label, Notes, Project, Title
from cgexp.report.tracker import WandbRun, tell_lost

INIT_TIMEOUT_S = 15.0
LONGEST_TAG, LONGEST_NAME = 64, 128  # letters that W&B takes
INTERRUPTED = 130  # exit code
DATA_DIR = "WANDB_DATA_DIR"  # W&B's own variable
MODES = ("online", "offline", "disabled")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WandbSettings(Part):
    """The config group ``logger``.

    enabled: whether W&B is used at all. project, entity: where the run goes; entity None: the user's default. mode:
    'auto' respects WANDB_MODE and goes offline when there is no key. name, group, notes, tags: of the run there.
    """

    enabled: bool = True
    project: Project = "cgexp"
    entity: Project | None = None
    mode: Literal["auto", "online", "offline"] = "auto"
    name: Title | None = None
    group: Title | None = None
    notes: Notes | None = None
    tags: list[Label] = field(default_factory=list)


@dataclass(frozen=True)
class Described:
    """What W&B is told of a run as it opens.

    id: of the run, the same whenever it goes on. name: what a person reads. config: nested. tags: beside those of the
    settings.
    """

    id: str
    name: str
    group: str
    job_type: str
    config: Mapping[str, Any]
    tags: Sequence[str] = ()


@contextmanager
def open_wandb(settings: WandbSettings, described: Described, folder: Path) -> Iterator[WandbRun]:
    """Open one W&B run for the job and close it whatever happens (else jobs of a sweep would share one run).

    An error that leaves the context marks the run as failed, with its sentence. Offline, the files of earlier openings
    of the same run are removed as the new one is closed, which holds all that they held.
    """
    if not settings.enabled or os.environ.get("WANDB_MODE") == "disabled":
        yield WandbRun()
        return
    import wandb

    earlier = offline_files(folder)
    with _staging_in(folder):
        run = _start(settings, described, folder)
        tracker, exit_code = WandbRun(run), 1
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
            try:
                wandb.finish(exit_code=exit_code)
                if tracker.is_told and len(offline_files(folder)) > len(earlier):
                    for path in earlier:
                        shutil.rmtree(path, ignore_errors=True)
            except Exception as error:
                tell_lost(error)


def offline_files(folder: Path) -> list[Path]:
    """The folders in which W&B keeps what an offline run in ``folder`` was told."""
    return sorted(path for path in (folder / "wandb").glob("offline-run-*") if path.is_dir() and not path.is_symlink())


@contextmanager
def _staging_in(folder: Path) -> Iterator[None]:
    """W&B copies small files until they are uploaded: into the run's folder, and not into the user's home."""
    before = os.environ.get(DATA_DIR)
    if before is None:
        os.environ[DATA_DIR] = str((folder / "wandb").absolute())
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
    (folder / "wandb").mkdir(parents=True, exist_ok=True)
    tags = [tag[:LONGEST_TAG] for tag in (*described.tags, *settings.tags)]
    arguments: dict[str, Any] = {
        "project": settings.project,
        "entity": settings.entity,
        "id": described.id,  # also offline, so that a resumed job stays one run
        "name": (settings.name or described.name)[:LONGEST_NAME],
        "group": (settings.group or described.group)[:LONGEST_NAME],
        "notes": settings.notes,
        "job_type": described.job_type,
        "tags": list(dict.fromkeys(tags)),
        "config": dict(described.config),
        "dir": str(folder),
        "settings": wandb.Settings(silent=True, console="off", init_timeout=INIT_TIMEOUT_S),
    }
    if mode == "online":
        try:
            return wandb.init(mode="online", resume="allow", **arguments)
        except Exception as error:  # no network, a wrong key, a timeout: the run goes on
            wandb.teardown(exit_code=1)  # W&B's own process holds the name until it ends
            mode, reason = "offline", f"online was refused: {type(error).__name__}"
    if mode == "offline":
        log.info("W&B offline (%s); upload later with: wandb sync %s/wandb/offline-run-*", reason, folder)
    arguments["mode"] = mode
    try:
        return wandb.init(**arguments)
    except Exception as error:
        wandb.teardown(exit_code=1)
        tell_lost(error)
        return None
