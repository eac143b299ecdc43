"""What a tracker is told of a run: how it is described, and what its folder holds after each stage.

All is told from the run's folder, so that a run which goes on, is evaluated again, or takes the training of another
one, has whole curves in one run of the tracker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cgexp.analysis.structures import Structures
from cgexp.build import TARGET
from cgexp.errors import shown
from cgexp.report.tracker import Artefact, Described, Tracker
from cgexp.runs import provenance
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder, differing
from cgexp.simulation.trajectory import HEADER, Trajectory
from cgexp.store import read_arrays, read_record
from cgexp.training.rows import with_throughput

# of this command, or of where files are, and not of what the run is
NOT_TOLD = (
    "logger", "sweep", "figures", "force", "run", "outputs", "parts", "choices", "overrides", "launcher", "executor",
)  # fmt: skip
TAGGED = ("dataset", "model", "prior")
MOST_HEALTH_ROWS = 200


def described(experiment: Experiment, folder: RunFolder, data_hash: str, job_type: str) -> Described:
    """The description of a run as a tracker opens it."""
    options = experiment.config["choices"]
    return Described(
        id=folder.path.name,
        name=display_name(experiment),
        group=experiment.sweep.name or experiment.name,
        job_type=job_type,
        config=told_config(experiment, data_hash),
        tags=[f"{group}:{options[group]}" for group in TAGGED if group in options],
    )


def display_name(experiment: Experiment) -> str:
    """``toy_cgnet width=80 seed=3``: the experiment, what differs from it, the seed."""
    return " ".join([experiment.name, *arm(experiment), f"seed={experiment.seed}"])


def arm(experiment: Experiment) -> list[str]:
    """What differs from the experiment but for the seed, as ``key=value``; a key by its last part if that is clear."""
    return [f"{name}={shown(value, 40)}" for name, value in _differing(experiment).items()]


def _differing(experiment: Experiment) -> dict[str, str]:
    pairs = [text.partition("=")[::2] for text in differing(experiment.config)]
    last = [key.rpartition(".")[2] for key, _ in pairs]
    return {short if last.count(short) == 1 else key: value for (key, value), short in zip(pairs, last, strict=True)}


def told_config(experiment: Experiment, data_hash: str) -> dict[str, Any]:
    """The config as a tracker shows it: what to group and filter by at the top, each group's settings below its name.

    ``arm`` is one text that runs which differ in their seed alone have in common; ``differs`` the same by key.
    """
    groups = {name: node for name, node in experiment.config.items() if name not in NOT_TOLD and node is not None}
    return {
        "experiment": experiment.name,
        "arm": " ".join(arm(experiment)) or "default",
        "differs": _differing(experiment),
        "options": dict(experiment.config["choices"]),
        "data_hash": data_hash,
        "code": provenance.code_version(),
        **{name: _readable(node) for name, node in groups.items()},
    }


def _readable(node: Any) -> Any:
    """A config node with its class by its name alone."""
    if isinstance(node, Mapping):
        return {
            "class" if key == TARGET else key: str(value).rpartition(".")[2] if key == TARGET else _readable(value)
            for key, value in node.items()
        }
    return [_readable(value) for value in node] if isinstance(node, list | tuple) else node


def tell_stage(tracker: Tracker, experiment: Experiment, folder: RunFolder, stage: str) -> None:
    """Tell what a recorded stage left in the run's folder; nothing of a stage that is not recorded."""
    if not tracker.is_told or stage not in folder.read_provenance()["stages"]:
        return
    if stage == "train":
        for row in history_rows(folder, experiment.trainer.batch_size):
            tracker.log("train", row)
        tracker.summarise("train", training_numbers(folder))
    elif stage == "simulate":
        _tell_simulation(tracker, folder)
    elif stage == "evaluate":
        trained = training_numbers(folder)
        metrics = {name: value for name, value in folder.read_metrics().items() if trained.get(name) != value}
        tracker.summarise("eval", metrics)
        if folder.structures.is_file():  # of a peptide
            structures = Structures.from_arrays(*read_arrays(folder.structures))
            tracker.structures({name: structures.as_pdb(name) for name in structures.ensembles})
    for artefact in artefacts(experiment, folder, stage):
        tracker.artefact(artefact)


def training_numbers(folder: RunFolder) -> dict[str, float]:
    """The numbers of a training but for those that have a curve: of these the summary has its lowest and last value."""
    numbers, curves = read_record(folder.training_metrics), folder.read_history()
    return {name: value for name, value in numbers.items() if isinstance(value, int | float) and name not in curves}


def history_rows(folder: RunFolder, batch_size: int) -> list[dict[str, float]]:
    """The rows of history.csv with their throughput."""
    columns = folder.read_history()
    rows = [dict(zip(columns, map(float, values), strict=True)) for values in zip(*columns.values(), strict=True)]
    return with_throughput(rows, batch_size) if {"step", "seconds"} <= columns.keys() else rows


def _tell_simulation(tracker: Tracker, folder: RunFolder) -> None:
    trajectory = Trajectory.load(folder.trajectory)
    failures = [failure for failure in trajectory.failures if not failure.get("rung")]  # of the study's temperature
    failed = np.sort([failure["time"] for failure in failures])
    every = max(1, len(trajectory.time) // MOST_HEALTH_ROWS)
    for time in trajectory.time[::every].tolist():
        healthy = trajectory.coords.shape[1] - int(np.searchsorted(failed, time, side="right"))
        tracker.log("sim", {"time": time, "replicas_healthy": float(healthy)})
    tracker.summarise(
        "sim",
        {
            "replicas_failed": float(len(failures)),
            "seconds": float(read_record(folder.simulated).get("seconds", np.nan)),
            "replica_steps_per_second": trajectory.replica_steps_per_second,
        },
    )


def artefacts(experiment: Experiment, folder: RunFolder, stage: str) -> Iterator[Artefact]:
    """What a stage was made from and made, with hashes: data set -> potential -> trajectory -> metrics."""
    record, run = folder.read_provenance(), folder.path.name
    made = record["stages"][stage].get("files", {})
    if stage == "train":
        data = record["data"]
        path = folder.path.parents[1] / data["path"] if data["path"] else None
        files = {path.name: path} if path is not None and path.is_file() else {}
        name = f"{experiment.dataset.name}-{data['content_hash'][:10]}"
        yield Artefact(_plain(name), "dataset", files, {"content_hash": data["content_hash"]}, is_input=True)
        of, is_taken = record.get("parent", run), "parent" in record
        metadata = {"sha256": made.get(folder.potential.name), "data": data["content_hash"]}
        files = {folder.potential.name: folder.potential}
        yield Artefact(_plain(f"potential-{of}"), "potential", files, metadata, is_input=is_taken)
    elif stage == "simulate":
        metadata = {"content_hash": made.get(folder.trajectory.name), "folder": str(folder.trajectory.resolve())}
        yield Artefact(_plain(f"trajectory-{run}"), "trajectory", {HEADER: folder.trajectory / HEADER}, metadata)
    elif stage == "evaluate":
        metadata = {"sha256": made.get(folder.metrics.name)}
        yield Artefact(_plain(f"metrics-{run}"), "metrics", {folder.metrics.name: folder.metrics}, metadata)


def _plain(name: str) -> str:
    """A name as trackers take it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128]
