"""Other trackers, by Lightning's loggers: TensorBoard and MLflow. What one has no place for, it is not told."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, sentence_of
from cgexp.report.tracker import (
    AXES,
    Artefact,
    Chart,
    Described,
    NamedSettings,
    Tracked,
    Tracker,
    TrackerSettings,
    tell_lost,
)

SUCCESS, FAILED = "success", "failed"  # Lightning's words for how a run ended


@dataclass(frozen=True)
class TensorboardSettings(TrackerSettings):
    """TensorBoard: event files in the run's folder, ``tensorboard/``; `tensorboard --logdir outputs` shows all runs."""

    def open(self, described: Described, folder: Path) -> AbstractContextManager[Tracker]:
        """The event files of a run, which are written anew: all that they held is told again."""
        return _opened(self, "tensorboard", lambda: TensorboardRun(folder / "tensorboard", described))


@dataclass(frozen=True)
class MlflowSettings(NamedSettings):
    """MLflow: project is its experiment.

    tracking_uri: of the server or database; None: MLFLOW_TRACKING_URI if set, else ``mlflow.db`` in the outputs folder.
    """

    tracking_uri: str | None = None

    def open(self, described: Described, folder: Path) -> AbstractContextManager[Tracker]:
        """The run in MLflow: a new one, or the one that goes on."""
        return _opened(self, "mlflow", lambda: MlflowRun(self, described, folder))


class LightningRun(Tracked):
    """A run that is open in a logger of Lightning's."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._rows = dict.fromkeys(AXES, 0)

    def last(self, of: str) -> float | None:
        return None

    def row(self, of: str, numbers: Mapping[str, float]) -> None:
        """Steps are whole numbers: epochs, rounds; of a simulation the rows, whose time is a number of its own."""
        place = numbers[f"{of}/{AXES[of]}"]
        self._logger.log_metrics(dict(numbers), self._rows[of] if of == "sim" else int(place))
        self._rows[of] += 1

    @abstractmethod
    def end(self, status: str) -> None:
        """Close the run; status: SUCCESS or FAILED."""


class TensorboardRun(LightningRun):
    """The event files of a run. Tables are left out: TensorBoard draws none."""

    tracker = "TensorBoard"

    def __init__(self, place: Path, described: Described) -> None:
        from pytorch_lightning.loggers import TensorBoardLogger

        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        super().__init__(TensorBoardLogger(place.parent, name="", version=place.name, default_hp_metric=False))
        self._config, self._summary = described.config, dict[str, float]()
        self._logger.experiment.add_text("run", f"{described.name} ({described.job_type} of {described.group})")

    def summary(self, numbers: Mapping[str, float]) -> None:
        self._summary |= numbers

    def images(self, paths: Mapping[str, Path]) -> None:
        import numpy as np
        from PIL import Image

        for name, path in paths.items():
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            self._logger.experiment.add_image(f"figures/{name}", pixels, dataformats="HWC")

    def charts(self, charts: Mapping[str, Chart]) -> None:
        return

    def artefact(self, artefact: Artefact) -> None:
        lines = [f"{name}: {path.resolve().as_uri()}" for name, path in artefact.files.items()]
        lines += [f"{name}: {value}" for name, value in artefact.metadata.items()]
        self._logger.experiment.add_text(f"artifacts/{artefact.name}", "  \n".join([artefact.kind, *lines]))

    def fail(self, sentence: str) -> None:
        self._logger.experiment.add_text("failed", sentence)

    def end(self, status: str) -> None:
        """Settings with final numbers are TensorBoard's table of runs (HPARAMS)."""
        self._logger.log_hyperparams(dict(self._config), self._summary)
        self._logger.finalize(status)


class MlflowRun(LightningRun):
    """A run in MLflow, which has our id as its tag ``cgexp_id``."""

    tracker = "MLflow"

    def __init__(self, settings: MlflowSettings, described: Described, folder: Path) -> None:
        from mlflow import MlflowClient
        from pytorch_lightning.loggers import MLFlowLogger

        uri, files = _place(settings, folder.resolve().parents[1])
        tags = {
            "cgexp_id": described.id,
            "group": settings.group or described.group,
            "job_type": described.job_type,
            "tags": ", ".join(settings.all_tags(described)),
            **({"mlflow.note.content": settings.notes} if settings.notes else {}),
        }
        earlier = _earlier(MlflowClient(uri), settings.project, described.id)
        logger = MLFlowLogger(
            settings.project, settings.name or described.name, uri, tags, artifact_location=files, run_id=earlier
        )
        super().__init__(logger)
        self._client, self._id = logger.experiment, str(logger.run_id)
        self._is_new = earlier is None
        if self._is_new:  # MLflow refuses to change a setting of a run
            self._logger.log_hyperparams(dict(described.config))
        else:
            self._client.update_run(self._id, status="RUNNING")

    def last(self, of: str) -> float | None:
        if self._is_new:
            return None
        told = self._client.get_metric_history(self._id, f"{of}/{AXES[of]}")
        self._rows[of] = len(told)
        return max((metric.value for metric in told), default=None)

    def summary(self, numbers: Mapping[str, float]) -> None:
        self._logger.log_metrics(dict(numbers))

    def images(self, paths: Mapping[str, Path]) -> None:
        for path in paths.values():
            self._client.log_artifact(self._id, str(path), "figures")

    def charts(self, charts: Mapping[str, Chart]) -> None:
        for name, chart in charts.items():
            table = {"columns": list(chart.columns), "data": chart.rows}
            self._client.log_dict(self._id, table, f"charts/{name}.json")

    def artefact(self, artefact: Artefact) -> None:
        files = {name: path.resolve().as_uri() for name, path in artefact.files.items()}
        told = {"kind": artefact.kind, "files": files, "is_input": artefact.is_input, **artefact.metadata}
        self._client.log_dict(self._id, told, f"artifacts/{artefact.name}.json")

    def fail(self, sentence: str) -> None:
        self._client.set_tag(self._id, "failed", sentence)

    def end(self, status: str) -> None:
        self._client.set_terminated(self._id, "FINISHED" if status == SUCCESS else "FAILED")


def _place(settings: MlflowSettings, outputs: Path) -> tuple[str, str | None]:
    """Where runs are told, and where files lie if that is for us to say."""
    if uri := settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"):
        return uri, None
    return f"sqlite:///{outputs / 'mlflow.db'}", (outputs / "mlruns").as_uri()


def _earlier(client: Any, project: str, id: str) -> str | None:
    """MLflow's own id of the run that has our id."""
    experiment = client.get_experiment_by_name(project)
    found = client.search_runs([experiment.experiment_id], f"tags.cgexp_id = '{id}'") if experiment else []
    return str(found[0].info.run_id) if found else None


@contextmanager
def _opened(settings: TrackerSettings, package: str, make: Callable[[], LightningRun]) -> Iterator[Tracker]:
    """The tracker of a run that ``make`` opens; closed whatever happens. Raises InputError without its package."""
    if not settings.enabled:
        yield Tracker()
        return
    if find_spec(package) is None:
        raise InputError(f"logger={package} needs a package: pip install 'cgexp[{package}]'")
    try:
        run = make()
    except Exception as error:  # of many libraries: none of them may stop a run
        tell_lost(package, error)
        yield Tracker()
        return
    tracker, status = Tracker(run), FAILED
    try:
        yield tracker
        status = SUCCESS
    except Exception as error:
        tracker.fail(sentence_of(error))
        raise
    finally:
        tracker.tell(lambda _: run.end(status))
