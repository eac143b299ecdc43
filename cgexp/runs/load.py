"""cgexp.load: a finished run as Python objects; cgexp.load_dataset: frames. Neither needs Hydra for what is there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgexp.cards import packaged_names
from cgexp.errors import InputError, require_kind
from cgexp.frames import Frames
from cgexp.runs.folder import STAGES, RunFolder, newest, require_no_links

if TYPE_CHECKING:
    from cgexp.models.potential import Potential
    from cgexp.simulation.trajectory import Trajectory


@dataclass(frozen=True, repr=False)
class Run:
    """One run's results, read when asked for."""

    folder: RunFolder

    def __repr__(self) -> str:
        try:
            done = ", ".join(stage for stage in STAGES if self.folder.done(stage)) or "nothing"
        except InputError:
            done = "what a damaged provenance.json does not say"
        return f"<Run: {self.folder.path}; done: {done}>"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config the run was made with."""
        return self.folder.read_config()

    @cached_property
    def metrics(self) -> dict[str, float]:
        """metrics.json: name -> number (names, formulas and units in docs/metrics.md)."""
        return self.folder.read_metrics()

    @cached_property
    def made_by(self) -> dict[str, Any] | None:
        """The code that evaluated the run: version, commit, and whether files differed from it."""
        stages: dict[str, Any] = self.folder.read_provenance()["stages"]
        return stages.get("evaluate", {}).get("code")

    @cached_property
    def history(self) -> dict[str, NDArray[np.float64]]:
        """The training: epoch, step, lr, objective, loss_train_running, loss_validation, seconds: each [n_epochs]."""
        return self.folder.read_history()

    @cached_property
    def frames(self) -> Frames:
        """The data set the run was trained on, verified against the hash that the run recorded."""
        from cgexp.datasets.teacher_run import training_frames

        return training_frames(self.folder.path, self.config, self.folder.read_provenance()["data"])

    @cached_property
    def potential(self) -> Potential:
        """The trained potential: ``energy(coords)`` and ``forces(coords)`` of arrays or tensors."""
        from cgexp.models.potential import load_potential

        self.folder.require_recorded(self.folder.potential)
        return load_potential(self.folder.potential)

    def trajectory(self) -> Trajectory:
        """The simulation of the trained potential."""
        from cgexp.simulation.trajectory import Trajectory

        return Trajectory.load(self.folder.trajectory)


def load(folder: str | Path) -> Run:
    """Open a run; ``latest``: the one of ./outputs changed last. Raises InputError if ``folder`` holds none."""
    require_kind(folder, (str, Path), "the folder of load", "that of a run, as `cgexp run` printed it")
    run = RunFolder(newest(Path("outputs")) if folder == "latest" else Path(folder))
    if not run.config.is_file():
        raise InputError(f"{folder} is not a run: it has no config.yaml; give the folder that `cgexp run` printed")
    require_no_links(run.path)
    return Run(run)


def load_dataset(name: str, /, **options: Any) -> Frames:
    """The frames of an option of the config group ``dataset``; made, and kept below ``outputs``, if they do not ship.

    options: keys of the option, as ``n_frames=5000``; ``protocol="extended"`` chooses the option of
    ``dataset/protocol``. Raises InputError for an unknown name or a key that it does not take.

    >>> import cgexp
    >>> frames = cgexp.load_dataset("chignolin_mini")
    >>> frames.coords.shape, frames.system, frames.temperature
    ((5000, 10, 3), 'peptide-YYDPETGTWY', 350.0)
    """
    if name in packaged_names() and not options:
        from cgexp.datasets.packaged import load_packaged

        return load_packaged(name)
    from cgexp.config.checks import check
    from cgexp.config.compose import compose
    from cgexp.config.overrides import as_overrides
    from cgexp.config.paths import groups
    from cgexp.runs.data import DataSet

    chosen = {f"dataset/{key}": value for key, value in options.items() if f"dataset/{key}" in groups()}
    keys = {f"dataset.{key}": value for key, value in options.items() if f"dataset/{key}" not in chosen}
    config = compose([f"dataset={name}", *as_overrides(chosen | keys)])
    check(config, ("dataset",))
    return DataSet.of(config).get()[0]
