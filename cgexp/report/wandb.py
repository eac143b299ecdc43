"""Weights & Biases: one W&B run a job, never a prompt, offline without key or network, never the end of a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cgexp.errors import InputError, did_you_mean
from cgexp.parts.part import Part
from cgexp.parts.ranges import Label, Project

if TYPE_CHECKING:
    import wandb

INIT_TIMEOUT_S = 15.0
LONGEST_TAG, LONGEST_GROUP = 64, 128  # letters that W&B takes
MODES = ("online", "offline", "disabled")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WandbSettings(Part):
    """The config group ``logger``. ``mode=auto`` respects WANDB_MODE and goes offline when there is no key."""

    enabled: bool = True
    project: Project = "cgexp"
    entity: Project | None = None
    mode: Literal["auto", "online", "offline"] = "auto"
    tags: list[Label] = field(default_factory=list)


class WandbRun:
    """What a stage may tell W&B; every method does nothing where W&B is off, or from its first failure on."""

    def __init__(self, run: wandb.Run | None = None) -> None:
        self._run = run

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers of one training step or epoch."""
        self._tell(lambda run: run.log({**metrics, "trainer/global_step": step}))

    def summarise(self, metrics: Mapping[str, float]) -> None:
        """Set final numbers."""
        self._tell(lambda run: run.summary.update(dict(metrics)))

    def images(self, paths: Mapping[str, Path]) -> None:
        """Log figures by name."""

        def tell(run: wandb.Run) -> None:
            import wandb

            run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in paths.items()})

        self._tell(tell)

    def _tell(self, call: Callable[[wandb.Run], None]) -> None:
        if self._run is None:
            return
        try:
            call(self._run)
        except Exception as error:  # of many libraries: none of them may stop a run
            self._run = None
            _lost(error)


@contextmanager
def open_wandb(
    settings: WandbSettings, config: Mapping[str, Any], folder: Path, name: str, group: str, job_type: str
) -> Iterator[WandbRun]:
    """Open one W&B run for the job and close it whatever happens (else jobs of a sweep would share one run)."""
    if not settings.enabled or os.environ.get("WANDB_MODE") == "disabled":
        yield WandbRun()
        return
    import wandb

    run = _start(settings, config, folder, name, group, job_type)
    exit_code = 1
    try:
        yield WandbRun(run)
        exit_code = 0
    finally:
        try:
            wandb.finish(exit_code=exit_code)
        except Exception as error:
            _lost(error)


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


def _start(
    settings: WandbSettings, config: Mapping[str, Any], folder: Path, name: str, group: str, job_type: str
) -> Any:
    """A W&B run, or None where none can be begun."""
    import wandb

    mode, reason = choose_mode(settings)
    choices = config["choices"]
    folder.mkdir(parents=True, exist_ok=True)
    tags = [f"{g}:{choices[g]}"[:LONGEST_TAG] for g in ("dataset", "model", "prior") if g in choices]
    arguments: dict[str, Any] = {
        "project": settings.project,
        "entity": settings.entity,
        "id": name,  # also offline, so that a resumed job stays one run
        "name": name,
        "group": group[:LONGEST_GROUP],
        "job_type": job_type,
        "tags": list(dict.fromkeys([*tags, *settings.tags])),
        "config": dict(config),
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
        _lost(error)
        return None


def _lost(error: Exception) -> None:
    log.warning("W&B failed and is told no more of this run, which goes on (%s: %s)", type(error).__name__, error)
