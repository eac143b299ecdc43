"""Runs the stages of a config: finds or makes the run folder, skips what is done, resumes what is not."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.identity import differences
from cgexp.errors import InputError
from cgexp.report.wandb import open_wandb
from cgexp.runs import provenance
from cgexp.runs.data import get_data
from cgexp.runs.evaluate import evaluate
from cgexp.runs.folder import STAGES, RunFolder, folder_of
from cgexp.runs.lock import lock
from cgexp.runs.stages import Context, discard, fit_prior, simulate, train
from cgexp.store import read_json, write_bytes, write_json

# the stages a verb does, in order; those before must be done already
VERBS = {"run": STAGES, "train": ("prior", "train"), "simulate": ("simulate",), "evaluate": ("evaluate",)}
WORK: dict[str, Callable[[Context], object]] = {
    "prior": fit_prior,
    "train": train,
    "simulate": simulate,
    "evaluate": evaluate,
}
OF_THE_COMMAND = ("run=", "force=", "outputs=", "logger", "launcher=", "sweep.")
Say = Callable[[str], None]


def run(config: Config, verb: str = "run", say: Say = print) -> RunFolder:
    """Do the stages of ``verb`` and return the run's folder; a stage that is done is skipped unless ``force``.

    ``config`` is checked already. Raises InputError; other errors leave their traceback in the run's log.txt.
    """
    config, folder = resolve(config)
    stages = VERBS[verb]
    finished = all(folder.done(stage) for stage in stages)
    if finished and not config["force"]:
        say(f"{folder.path}: finished, skipped{_made_by(folder, stages[-1])}; force=true runs it again")
        return folder
    _require_earlier(folder, verb)
    with lock(folder.path):
        if config["force"]:
            discard(folder, stages[0])
        say(f"{folder.path}")
        try:
            _work(config, folder, verb)
        except InputError:
            raise
        except Exception as error:
            write_bytes(folder.log, traceback.format_exc().encode())
            error.add_note(f"the traceback is in {folder.log}")
            raise
        folder.log.unlink(missing_ok=True)  # of an earlier failure
    return folder


def resolve(config: Config) -> tuple[Config, RunFolder]:
    """The config and folder to work on: those of ``run=<folder>``, with this command's overrides, or the config's own.

    Overrides of later stages give a run of their own that reuses the earlier stages of ``run``.
    """
    if config["run"] is None:
        folder = folder_of(config)
        return config, folder
    parent = RunFolder(Path(config["run"]).resolve())
    # what concerns this command alone: where the folder is now, how to log, whether to repeat
    present: Config = {key: config[key] for key in ("logger", "sweep", "force")}
    present |= {"outputs": str(parent.path.parent.parent), "run": None}
    recorded = parent.read_config()
    extra = [o for o in config["overrides"] if not o.lstrip("+").startswith(OF_THE_COMMAND)]
    if not extra:
        return {**recorded, **present}, parent
    merged = compose([*recorded["overrides"], *extra])
    check(merged)
    merged |= present
    changed = differences(recorded, merged, "train")
    if changed:
        raise InputError(
            f"{', '.join(changed)} differ from what {parent.path} was trained with: start a new run without run=, or "
            "change only simulation and analysis"
        )
    folder = RunFolder(parent.path.parent / folder_of(merged).path.name)
    if folder.path != parent.path:
        _inherit(parent, folder, differences(recorded, merged, "simulate"))
    return merged, folder


def _inherit(parent: RunFolder, folder: RunFolder, simulation_changes: list[str]) -> None:
    """Copy the files of the stages that both runs share."""
    shared = [parent.prior, parent.training_metrics, parent.training / "history.csv", parent.potential]
    if not simulation_changes:
        shared += [parent.simulated, *sorted(parent.trajectory.glob("*"))]
    for path in shared:
        copy = folder.path / path.relative_to(parent.path)
        if path.is_file() and not copy.exists():
            write_bytes(copy, path.read_bytes())


def _require_earlier(folder: RunFolder, verb: str) -> None:
    first = STAGES.index(VERBS[verb][0])
    for stage in STAGES[:first]:
        if not folder.done(stage):
            command = "train" if stage in ("prior", "train") else stage
            raise InputError(
                f"{folder.path} has no finished stage '{stage}', which {verb} needs: do `cgexp {command}` first with "
                "the same overrides, or give run=<folder>"
            )


def _work(config: Config, folder: RunFolder, verb: str) -> None:
    frames, recipe, data_path = get_data(config)
    _check_same_data(folder, frames.content_hash)
    folder.write_config(config)
    record = provenance.begin(folder.provenance, frames.content_hash, _relative(data_path))
    group = config["sweep"]["name"] or config["choices"].get("experiment", "run")
    with open_wandb(build(config["logger"]), config, folder.path, folder.path.name, group, verb) as tracker:
        context = Context(config, folder, frames, recipe, tracker)
        for stage in VERBS[verb]:
            if not folder.done(stage):
                WORK[stage](context)
                record["stages"][stage] = provenance.describe(config["kernel"])
                write_json(folder.provenance, record)


def _check_same_data(folder: RunFolder, content_hash: str) -> None:
    """Refuse to go on with a run whose data set is now another (a recipe may read a file)."""
    if (
        any(folder.done(stage) for stage in STAGES)
        and folder.provenance.is_file()
        and folder.read_provenance()["data"]["content_hash"] != content_hash
    ):
        raise InputError(
            f"{folder.path} was begun with another data set than the one its recipe gives now: run with force=true"
        )


def _made_by(folder: RunFolder, stage: str) -> str:
    """Name the code that made a finished run, if it is not the code that runs now."""
    recorded, current = read_json(folder.provenance)["stages"][stage]["code"], provenance.code_version()
    if recorded == current:
        return ""
    dirty = ", modified" if recorded.get("dirty") else ""
    return f" (made by version {recorded['version']}, commit {str(recorded.get('commit'))[:10]}{dirty})"


def _relative(path: Path | None) -> str | None:
    """The data file's place inside the outputs folder: run folders and data move together."""
    return None if path is None else str(Path(*path.parts[-3:]))
