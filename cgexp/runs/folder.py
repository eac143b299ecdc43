"""The folder of a run: which file each stage leaves, which stages are done, what ``run=<folder>`` means."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cgexp.build import is_spec
from cgexp.config.compose import Config, compose_on
from cgexp.config.identity import experiment_name, run_id
from cgexp.config.recorded import parse_recorded
from cgexp.config.schema import groups
from cgexp.errors import InputError, MachineError
from cgexp.simulation.trajectory import HEADER, is_finished
from cgexp.store import (
    Chunks,
    file_hash,
    read_json,
    read_record,
    read_sealed_text,
    tell_unsealed,
    write_bytes,
    write_sealed_text,
)

STAGES = ("prior", "train", "simulate", "evaluate")
DATA = "data"
TRAJECTORY = "trajectory"
PROPOSALS = "proposals"  # in a round of active learning: a simulation of its potential that proposes candidates
WANDB = "wandb"  # its folder in that of a run

MARKS = ("config.yaml", "failed.json", "provenance.json")  # one of them makes a folder a run's


class RunFolder:
    """Paths inside ``outputs/<experiment>/<run id>``, and whether what the stages left there is whole.

    provenance.json records the hashes of the files that a stage has written and of what it made them from; a stage is
    done while both are as recorded. potential: where another folder's potential was simulated here.
    """

    def __init__(self, path: Path, potential: Path | None = None) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.provenance = path / "provenance.json"
        self.prior = path / "prior.json"
        self.training = path / "train"
        self.training_of = self.training / "made_of.json"  # what a training, maybe half-finished, is made from
        self.history = self.training / "history.csv"
        self.training_metrics = self.training / "metrics.json"
        self.potential = path / "potential.npz" if potential is None else potential
        self.trajectory = path / TRAJECTORY
        self.simulated = path / "simulation.json"
        self.figures = path / "figures"
        self.structures = path / "structures.npz"
        self.report = path / "report.html"
        self.metrics = path / "metrics.json"
        self.log = path / "log.txt"
        self.progress = path / "progress.json"  # how far a stage is, while a process works here
        self.failed = path / "failed.json"  # what ended the last attempt, until one goes on

    @classmethod
    def inside(cls, path: Path) -> RunFolder:
        """A folder that a run keeps within its own: a round, a network of an ensemble, or what proposes candidates."""
        return cls(path, cls(path.parent).potential if path.name == PROPOSALS else None)

    def definition(self, name: str) -> Path:
        """What the metrics are measured in, for example the TICA coordinates."""
        return self.path / f"{name}.npz"

    def scratch(self, node: int = 0) -> Path:
        """Where a node keeps frames in training that do not fit into its memory, while it lasts."""
        return self.path / (f".scratch-{node}" if node else ".scratch")

    def files(self, stage: str) -> list[str]:
        """What ``stage`` writes: names of files, relative to the folder, and of the trajectory's."""
        own = [*self.path.glob("*.npz"), *self.path.glob("rounds.*")] if stage == "evaluate" else []
        paths = {
            "prior": (self.prior,),
            "train": (self.potential, self.training_metrics, self.history),
            "simulate": (self.simulated, self.trajectory),
            "evaluate": (self.metrics, *sorted(set(own) - {self.potential})),
        }
        return [self._name(path) for path in paths[stage]]

    def made_of(self, stage: str) -> list[str]:
        """What ``stage`` makes its files from."""
        paths = {
            "prior": (),
            "train": (self.prior,),
            "simulate": (self.potential,),
            "evaluate": (self.potential, self.training_metrics, self.trajectory),
        }
        return [*([DATA] if stage in ("prior", "train") else []), *(self._name(path) for path in paths[stage])]

    def state(self, stage: str) -> dict[str, dict[str, str | None]]:
        """The hashes, as they are now, of what ``stage`` has written and what that was made from."""
        return {
            "files": {name: self._hash(name) for name in self.files(stage)},
            "made_of": {name: self._hash(name) for name in self.made_of(stage)},
        }

    def done(self, stage: str) -> bool:
        """Whether ``stage`` has finished here, and its files and what they were made from are as it left them."""
        stages = self.read_provenance()["stages"] if self.provenance.is_file() else {}
        return stage in stages and not self.changed(stage, "files") and not self.changed(stage, "made_of")

    def changed(self, stage: str, kind: str) -> list[str]:
        """Names in which the ``files`` of a recorded stage, or what it is ``made_of``, differ from its record.

        A stage that an older version recorded names no hashes: only what is missing is told then.
        """
        recorded = self.read_provenance()["stages"].get(stage, {}).get(kind)
        if recorded is None:
            tell_unsealed()
            return [name for name in self.files(stage) if not self._whole(name)] if kind == "files" else []
        found = [name for name, value in recorded.items() if self._hash(name) != value]
        return found + ([self.config.name] if stage == "evaluate" and kind == "files" and not self.has_config() else [])

    def read_metrics(self) -> dict[str, float]:
        """metrics.json. Raises InputError if it is missing, or differs from what the evaluation wrote."""
        self.require_recorded(self.metrics)
        metrics = read_json(self.metrics)
        if not isinstance(metrics, dict) or not all(isinstance(value, (int, float)) for value in metrics.values()):
            raise InputError(f"{self.metrics} holds no metrics: `{command('evaluate', self.path)}` makes them again")
        return metrics

    def require_recorded(self, path: Path) -> None:
        """Raise InputError if a file is there and differs from what a stage recorded."""
        if not path.is_file() or not self.provenance.is_file():
            return
        name, stages = self._name(path), self.read_provenance()["stages"]
        for stage, record in stages.items():
            if record.get("files", {}).get(name) not in (None, file_hash(path)):
                raise InputError(
                    f"{path} was damaged or edited (its checksum differs): `{command(stage, self.path)}` makes it again"
                )

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.path)).as_posix()

    def _hash(self, name: str) -> str | None:
        """Of a file, of a trajectory's chunks, or of the data; None where there is none, or none that can be read.

        A record that somebody else wrote may name files elsewhere: they are not looked at.
        """
        path = self.path / name
        if os.path.isabs(name) or (".." in Path(name).parts and name != self._name(self.potential)):
            return None
        try:
            if name == DATA:
                return str(self.read_provenance()[DATA]["content_hash"])
            if path == self.trajectory:
                return Chunks(path).content_hash() + file_hash(path / HEADER)
            return file_hash(path) if path.is_file() else None
        except (InputError, OSError):
            return None

    def _whole(self, name: str) -> bool:
        path = self.path / name
        try:
            return is_finished(path) if path == self.trajectory else path.is_file()
        except InputError:
            return False

    def has_checksums(self) -> bool:
        """Whether all stages here were done by a version that writes checksums into what it reads back."""
        try:
            return self.provenance.is_file() and _has_checksums(self.read_provenance())
        except InputError:
            return False

    def has_config(self) -> bool:
        """Whether the config is there, as it was written."""
        try:
            return bool(self.read_config())
        except InputError:
            return False

    def write_config(self, config: Config) -> None:
        """Record the resolved config."""
        write_sealed_text(self.config, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def read_config(self) -> Config:
        """The config this run was made with."""
        try:
            config = parse_recorded(read_sealed_text(self.config, self.has_checksums), self.config)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"{self.path} is not a run: it has no config.yaml; give the folder that `cgexp run` printed"
            ) from error
        if not isinstance(config, dict) or not {"choices", "overrides", "dataset", "model", "outputs"} <= config.keys():
            raise InputError(f"{self.config} holds no config: restore it or run again")
        if not isinstance(config["choices"], Mapping) or not _are_texts(config["overrides"]):
            raise InputError(f"{self.config} does not say which options were chosen: restore it or run again")
        config.setdefault("parts", [])
        for name, group in groups().items():
            if group.optional:
                config.setdefault(name, None)  # of an older version, which did not have it
            if not is_spec(config.get(name)) and not (group.optional and config[name] is None):
                raise InputError(f"{self.config} holds no {name} that could be used: restore it or run again")
        if missing := [key for key in ("seed", "kernel") if key not in config]:
            raise InputError(f"{self.config} lacks {', '.join(missing)}: restore it or run again")
        return config

    def read_history(self) -> dict[str, NDArray[np.float64]]:
        """The training history: column of history.csv -> [n_epochs]. Raises InputError if the file is damaged."""
        self.require_recorded(self.history)
        try:
            table = np.atleast_1d(np.genfromtxt(self.history, delimiter=",", names=True))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.history} is missing or damaged: run `cgexp train` with force=true") from error
        renamed = {"loss_train": "loss_train_running"}  # in histories written before
        return {renamed.get(name, name): table[name] for name in table.dtype.names or ()}

    def read_failure(self) -> dict[str, Any] | None:
        """What ended the last attempt at this run: ``sentence``, ``stage``, ``time``; None if nothing did.

        ``pruned`` is true where a search has stopped it. Raises InputError if the record is damaged.
        """
        return read_record(self.failed, "sentence", "stage", "time") if self.failed.is_file() else None

    def keep_progress(self, told: Mapping[str, Any]) -> None:
        """Write down how far a stage is, until it has ended; that the disk is full is for the stage itself to say."""
        if told["done"] >= told["total"]:
            self.progress.unlink(missing_ok=True)
            return
        with suppress(InputError, MachineError):
            write_bytes(self.progress, json.dumps(told).encode(), durable=False)

    def read_progress(self) -> dict[str, Any] | None:
        """What ``keep_progress`` was told last; None if there is nothing that could be read."""
        try:
            told = json.loads(self.progress.read_bytes())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def data_hash(self) -> str | None:
        """Hash of the data that this run was begun with; None if nothing says so. Raises InputError as provenance."""
        if self.provenance.is_file():
            return str(self.read_provenance()[DATA]["content_hash"])
        try:
            return str(read_record(self.training_of, DATA)[DATA])
        except InputError:
            return None

    def read_provenance(self) -> dict[str, Any]:
        """provenance.json. Raises InputError if it is missing, damaged or something else."""
        content = read_record(self.provenance, DATA, "stages", must_be_sealed=_has_checksums)
        if not isinstance(content["stages"], dict) or not all(isinstance(s, dict) for s in content["stages"].values()):
            raise InputError(f"{self.provenance} holds no record of stages: delete it and run again")
        if not isinstance(content[DATA], dict) or not {"content_hash", "path"} <= content[DATA].keys():
            raise InputError(f"{self.provenance} holds no record of the data: delete it and run again")
        return content


def _has_checksums(provenance: Mapping[str, Any]) -> bool:
    """Whether a record of stages names the hashes of all their files, as those do that carry a checksum."""
    stages = provenance.get("stages")
    return isinstance(stages, dict) and bool(stages) and all("files" in stage for stage in stages.values())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_run(path: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return any((path / mark).is_file() for mark in MARKS)


def newest(outputs: Path) -> Path:
    """The folder of the run in ``outputs`` that was changed last. Raises InputError if there is none."""
    marks = [path for mark in MARKS for path in outputs.glob(f"*/*/{mark}")]
    if not marks:
        raise InputError(f"there is no run in {outputs}: give the folder of one, or outputs=<folder> where runs are")
    return max(marks, key=lambda path: path.stat().st_mtime).parent


def require_no_links(path: Path) -> None:
    """Raise InputError if a file or folder of a run is a link, which may lead anywhere in somebody else's folder.

    A trajectory may be a link to a folder, as to scratch; what lies there may not. Links that W&B makes
    inside its own folder, to logs in its cache, are never followed here.
    """
    for place, folders, files in os.walk(path):
        for entry in (Path(place, name) for name in (*folders, *files)):
            if not entry.is_symlink() or path / WANDB in entry.parents:
                continue
            if entry.name != TRAJECTORY or entry.is_file():
                raise _link(entry)
            for inside in entry.iterdir() if entry.is_dir() else ():
                if inside.is_symlink():
                    raise _link(inside)


def _link(path: Path) -> InputError:
    return InputError(f"{path} is a link, which is not followed: put the file itself in its place")


def command(stage: str, path: Path) -> str:
    """The command that does a stage of the run in ``path`` again, if it is not done."""
    if (path / "rounds").is_dir():
        return "cgexp active"
    return f"cgexp {'train' if stage in ('prior', 'train') else stage} run={path}"


def folder_of(config: Config) -> RunFolder:
    """The folder that belongs to a config."""
    return RunFolder(Path(config["outputs"]) / experiment_name(config) / run_id(config))


OF_THE_COMMAND = ("run=", "parts=", "force=", "figures=", "outputs=", "logger", "launcher=", "sweep.", "executor")


def changes(config: Config) -> list[str]:
    """The overrides of a command that change what a run is, and not only what is done with it."""
    return [o for o in config["overrides"] if not o.lstrip("+").startswith(OF_THE_COMMAND)]


def differing(config: Config) -> list[str]:
    """The overrides in which a run differs from its experiment, but for the seed."""
    return [o.lstrip("+") for o in changes(config) if not o.lstrip("+").startswith(("experiment=", "seed="))]


def laid_on_recorded(config: Config) -> Config:
    """The config to check instead of ``config``: with ``run=<folder>`` and changes, that run's with the overrides.

    Without changes it is ``config``, since the recorded one was checked when the run was made. Raises InputError if the
    folder is no run.
    """
    if config["run"] is None or not changes(config):
        return config
    require_no_links(Path(config["run"]).resolve())
    recorded = RunFolder(Path(config["run"])).read_config()
    return compose_on(recorded, [o for o in config["overrides"] if not o.lstrip("+").startswith("run=")])
