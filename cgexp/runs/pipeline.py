"""Runs the stages of a config in its run's folder: inherits, skips what is done, resumes what is not."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config
from cgexp.config.identity import differences
from cgexp.config.processes import threads_for
from cgexp.errors import InputError, MachineError, Pruned, sentence_of
from cgexp.frames import Frames
from cgexp.report.tracker import Tracker
from cgexp.runs import needs, provenance
from cgexp.runs.evaluate import equilibrium_of, evaluate, mean_force_set
from cgexp.runs.experiment import Experiment, make_parts
from cgexp.runs.folder import DATA, STAGES, RunFolder, command, require_no_links
from cgexp.runs.linked import claim_folder
from cgexp.runs.lock import lock
from cgexp.runs.resolve import VERBS, Say, check_same_data, resolve, skipped, stages_of
from cgexp.runs.stages import Context, complete, discard, fit_prior, network_of, remove, simulate, train
from cgexp.runs.tracking import described, tell_stage
from cgexp.simulation.trajectory import HEADER
from cgexp.store import Chunks, file_hash, write_bytes, write_record
from cgexp.training.fit import Watch
from cgexp.training.nodes import node_rank, require_nodes

log = logging.getLogger(__name__)


def inherit(parent: RunFolder, folder: RunFolder, config: Config) -> None:
    """Copy the files of stages that both runs share into ``folder``, and record the stages there when all are copied.

    If the parent was trained again since an earlier copy, that copy and all that followed from it is discarded.
    """
    recorded = parent.read_provenance()
    stages = ["prior", "train"]
    if not differences(parent.read_config(), config, "simulate"):
        stages.append("simulate")
    stages = [stage for stage in stages if parent.done(stage)]
    if "train" in stages and folder.potential.is_file() and file_hash(folder.potential) != file_hash(parent.potential):
        discard(folder, "prior")
    own = folder.read_provenance()["stages"] if folder.provenance.is_file() else {}
    missing = [stage for stage in stages if stage not in own or not folder.done(stage)]
    if "simulate" in missing:
        remove(folder.trajectory)  # a half-finished one may have other chunks
        claim_folder(folder.trajectory)
    for path in [path for stage in missing for path in _files(parent, stage)]:
        write_bytes(folder.path / path.relative_to(parent.path), path.read_bytes())
    done = own | {stage: recorded["stages"][stage] for stage in missing}
    if done != own or not folder.provenance.is_file():
        write_record(folder.provenance, {**recorded, "stages": done, "parent": parent.path.name})


def _files(folder: RunFolder, stage: str) -> list[Path]:
    """The files of a finished stage, and no others that lie there."""
    paths = [folder.path / name for name in folder.files(stage)]
    chunks = [*Chunks(folder.trajectory).paths, folder.trajectory / HEADER] if folder.trajectory in paths else []
    return [path for path in paths if path != folder.trajectory] + chunks


WORK: dict[str, Callable[[Context], object]] = {
    "prior": fit_prior,
    "train": train,
    "simulate": simulate,
    "evaluate": evaluate,
}


def run(config: Config, verb: str = "run", say: Say = print, watch: Watch | None = None) -> RunFolder:
    """Do the stages of ``verb`` and return the run's folder; a stage that is done is skipped unless ``force``.

    ``config`` is checked already. Raises InputError; Pruned where ``watch`` stops the training; other errors leave
    their traceback in the run's log.txt.
    """
    if (finished := skipped(config, verb, say)) is not None:
        return finished
    config, folder, parent = resolve(config)
    simulates = config["simulation"] is not None
    stages = stages_of(verb, simulates)
    trainer = make_parts(config, ["trainer"])["trainer"]
    trains = "train" in stages and (config["force"] or not any(one.done("train") for one in (folder, parent) if one))
    if trains:
        require_nodes(trainer)
    if node_rank(trainer) > 0:
        _follow(Experiment.of(config), folder, trains, say)
        return folder
    if parent is None:
        _require_earlier(folder, verb, simulates)
    with at_work(folder, config, say):
        if parent is not None:
            inherit(parent, folder, config)
            _require_earlier(folder, verb, simulates, parent)
        _work(Experiment.of(config), folder, verb, watch)
    return folder


def _follow(experiment: Experiment, folder: RunFolder, trains: bool, say: Say) -> None:
    """Take part, as a node that is not the first, in the training of a run, if ``trains``; nothing else is done."""
    rank = node_rank(experiment.trainer)
    if not trains:
        say(f"{folder.path}: no training, so there is nothing to do for node {rank}")
        return
    _ = experiment.trainer.device  # refuses a GPU that is not there
    frames, _ = experiment.data_set.get(workers=experiment.executor)
    with threads_for(frames.n_beads):
        train(Context(experiment, folder, frames, Tracker()))
    say(f"{folder.path}: node {rank} has taken part in the training; node 0 does the rest")


@contextmanager
def at_work(folder: RunFolder, config: Config, say: Say) -> Iterator[None]:
    """Hold the run's lock. An error leaves its sentence in failed.json, one that is no InputError a traceback, too."""
    require_no_links(folder.path)
    with lock(folder.path), threads_for(config["dataset"]["n_beads"]):
        say(f"{folder.path}")
        folder.failed.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            if not isinstance(error, InputError | MachineError | Pruned):
                with suppress(MachineError):  # of a second kind: the first is the one to tell
                    write_bytes(folder.log, traceback.format_exc().encode())
                    error.add_note(f"the traceback is in {folder.log}")
            _record_failure(folder, config, error)
            raise
        finally:
            folder.progress.unlink(missing_ok=True)
        folder.log.unlink(missing_ok=True)  # of an earlier failure


def _record_failure(folder: RunFolder, config: Config, error: Exception) -> None:
    """Write failed.json, and config.yaml where the run ended before it had one; a full disk changes nothing."""
    try:
        if not folder.config.is_file():
            folder.write_config(config)
        failure: dict[str, Any] = {"sentence": sentence_of(error), "stage": _stage_at(folder, config)}
        if isinstance(error, Pruned):
            failure["pruned"] = True
        write_record(folder.failed, {**failure, "time": datetime.now(UTC).isoformat(timespec="seconds")})
    except (InputError, MachineError):
        log.warning("%s: what went wrong could not be written down", folder.path)


def _stage_at(folder: RunFolder, config: Config) -> str:
    """The first stage not recorded as done; ``data`` before there is a record; ``rounds`` of active learning."""
    try:
        done = folder.read_provenance()["stages"] if folder.provenance.is_file() else None
    except InputError:
        done = None
    if done is None:
        return DATA
    if config.get("active") is not None:
        return "rounds"
    return next(
        (stage for stage in stages_of("run", config["simulation"] is not None) if stage not in done), STAGES[-1]
    )


@contextmanager
def recording(
    experiment: Experiment, folder: RunFolder, frames: Frames, data: str | None, job_type: str
) -> Iterator[Tracker]:
    """Write down config and provenance, open the tracker and yield it."""
    folder.write_config(experiment.config)
    provenance.begin(folder, frames.content_hash, data, experiment.dataset.verdict(frames))
    told = described(experiment, folder, frames.content_hash, job_type)
    with experiment.logger.open(told, folder.path) as tracker:
        yield tracker


def _require_earlier(folder: RunFolder, verb: str, simulates: bool, parent: RunFolder | None = None) -> None:
    first = STAGES.index(VERBS[verb][0])
    for stage in (stage for stage in STAGES[:first] if stage in stages_of("run", simulates)):
        if folder.done(stage):
            continue
        if parent is not None and stage in ("prior", "train"):
            folder = parent  # whose training is taken
        if not folder.config.is_file():
            raise InputError(
                f"{folder.path} has no finished stage '{stage}', which {verb} needs: do "
                f"`cgexp {'train' if stage == 'prior' else stage}` first with the same overrides, or give run=<folder>"
            )
        raise InputError(
            f"{folder.path} has no finished stage '{stage}', which {verb} needs{_why(folder, stage)}: "
            f"`{command(stage, folder.path)}` does it"
        )


def _why(folder: RunFolder, stage: str) -> str:
    """What keeps a recorded stage from being done."""
    if not folder.provenance.is_file() or stage not in folder.read_provenance()["stages"]:
        return ""
    lost = folder.changed(stage, "files") or folder.changed(stage, "made_of")
    return f" ({', '.join(lost)}: missing, or not as it was)"


def _work(experiment: Experiment, folder: RunFolder, verb: str, watch: Watch | None) -> None:
    stages, trainer = stages_of(verb, experiment.simulation is not None), experiment.trainer
    experiment.require_simulation()
    if verb != "evaluate":
        _ = trainer.device  # refuses a GPU that is not there
    if "train" in stages and not folder.done("train"):  # folders without a network are refused before anything is made
        experiment.model.make()
        if trainer.start_from is not None:
            network_of(trainer.start_from)
    frames, data_path = experiment.data_set.get(workers=experiment.executor)
    if not equilibrium_of(experiment, frames):
        experiment.analysis.check(frames.sample)
    mean_force_set(experiment.analysis, frames)
    if experiment.force:  # only now, when nothing in the config or the data stands in the way
        discard(folder, stages[0])
    if not folder.provenance.is_file() or any(folder.done(stage) for stage in STAGES):
        check_same_data(folder, frames.content_hash)
    if "simulate" in stages and not folder.done("simulate"):
        needs.warn(experiment, len(frames))
    with recording(experiment, folder, frames, relative(data_path), verb) as tracker:
        context = Context(experiment, folder, frames, tracker, watch)
        for stage in stages_of("run", experiment.simulation is not None):
            if stage in stages:
                complete(context, stage, WORK[stage])
            tell_stage(tracker, experiment, folder, stage)


def relative(path: Path | None) -> str | None:
    """The data file's place inside the outputs folder: run folders and data move together."""
    return None if path is None else str(Path(*path.parts[-3:]))
