"""The folder of a run: which file each stage leaves there, and so which stages are done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cgexp.config.compose import Config
from cgexp.config.identity import run_id
from cgexp.errors import InputError
from cgexp.store import read_json, write_bytes

STAGES = ("prior", "train", "simulate", "evaluate")


class RunFolder:
    """Paths inside ``outputs/<experiment>/<run id>``. A stage is done when its last file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.provenance = path / "provenance.json"
        self.prior = path / "prior.json"
        self.training = path / "train"
        self.history = self.training / "history.csv"
        self.training_metrics = self.training / "metrics.json"
        self.potential = path / "potential.npz"
        self.trajectory = path / "trajectory"
        self.simulated = path / "simulation.json"
        self.figures = path / "figures"
        self.structures = path / "structures.npz"
        self.report = path / "report.html"
        self.metrics = path / "metrics.json"
        self.log = path / "log.txt"

    def definition(self, name: str) -> Path:
        """What the metrics are measured in, for example the TICA coordinates."""
        return self.path / f"{name}.npz"

    def done(self, stage: str) -> bool:
        """Whether ``stage`` has finished here: its last file is there, and the others that later stages read."""
        files = {
            "prior": (self.prior,),
            "train": (self.potential, self.training_metrics, self.history),
            "simulate": (self.simulated, self.trajectory),
            "evaluate": (self.metrics, self.config, self.provenance),
        }
        return all(path.exists() for path in files[stage])

    def write_config(self, config: Config) -> None:
        """Record the resolved config."""
        write_bytes(self.config, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())

    def read_config(self) -> Config:
        """The config this run was made with."""
        try:
            config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"{self.path} is not a run: it has no config.yaml; give the folder that `cgexp run` printed"
            ) from error
        except yaml.YAMLError as error:
            raise InputError(f"{self.config} is not valid YAML: restore it or run again") from error
        if not isinstance(config, dict) or not {"choices", "overrides", "dataset", "model", "outputs"} <= config.keys():
            raise InputError(f"{self.config} holds no config: restore it or run again")
        return config

    def read_history(self) -> dict[str, NDArray[np.float64]]:
        """The training history: column of history.csv -> [n_epochs]. Raises InputError if the file is damaged."""
        try:
            table = np.atleast_1d(np.genfromtxt(self.history, delimiter=",", names=True))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.history} is missing or damaged: run `cgexp train` with force=true") from error
        renamed = {"loss_train": "loss_train_running"}  # in histories written before
        return {renamed.get(name, name): table[name] for name in table.dtype.names or ()}

    def read_provenance(self) -> dict[str, Any]:
        content: dict[str, Any] = read_json(self.provenance)
        return content


def folder_of(config: Config) -> RunFolder:
    """The folder that belongs to a config."""
    return RunFolder(Path(config["outputs"]) / config["choices"].get("experiment", "run") / run_id(config))
