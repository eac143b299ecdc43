"""cgexp active: the loop of active learning in a run's folder, with the stages of a run for each round."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from cgexp.active.loop import Loop
from cgexp.active.round import Round
from cgexp.active.rounds import ROUNDS, data_of, initial_data, rounds_of
from cgexp.config.compose import Config
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.report.tracker import Tracker
from cgexp.runs import provenance
from cgexp.runs.active_figures import draw_rounds
from cgexp.runs.active_stages import RoundStages
from cgexp.runs.data import DataSet
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.pipeline import at_work, recording, relative
from cgexp.runs.resolve import check_same_data
from cgexp.runs.rounds import damaged_rounds
from cgexp.runs.stages import proposing, remove
from cgexp.store import write_bytes, write_json
from cgexp.training.nodes import require_one_node

Say = Callable[[str], None]
log = logging.getLogger(__name__)
OWN = ("prior", "train", "evaluate")  # stages whose files the loop brings to where a run has its own
# of the last round's model, and of the rounds, beside the metrics of a run
COUNTS = ("coverage_max", "oracle_calls_total", "oracle_s_total", "n_frames")


def run_active(config: Config, say: Say = print) -> RunFolder:
    """Do the rounds of a checked config and return the run's folder; what is done is not done again unless ``force``.

    Raises InputError; other errors leave their traceback in the run's log.txt.
    """
    if config["active"] is None:
        raise InputError("the config has no active learning (active=none): choose experiment=active_toy or active=loop")
    if config["run"] is not None:
        raise InputError("cgexp active goes on with its own run: leave out run=, or give trainer.start_from=<folder>")
    folder = folder_of(config)
    if all(folder.done(stage) for stage in OWN) and not damaged_rounds(folder, config) and not config["force"]:
        say(f"{folder.path}: finished, skipped; force=true runs it again")
        return folder
    with at_work(folder, config, say):
        _work(Experiment.of(config), folder, say)
    return folder


def _work(experiment: Experiment, folder: RunFolder, say: Say) -> None:
    settings, oracle = experiment.active, experiment.oracle
    proposals = proposing(experiment).simulation
    assert settings is not None
    assert proposals is not None  # checks.py
    require_one_node(experiment.trainer.n_nodes, "active learning")
    _ = experiment.trainer.device  # refuses a GPU that is not there
    frames, data_path = experiment.data_set.get(workers=experiment.executor)
    if frames.weights is not None:
        raise InputError(
            f"the frames of {experiment.dataset.name} have weights, which frames that are added cannot have: choose "
            "a dataset without"
        )
    if frames.chosen is not None:
        raise InputError(
            f"some frames of {experiment.dataset.name} were chosen, and active learning begins with a sample: choose a "
            "dataset without, or only its part that is one"
        )
    if oracle is not None:
        oracle.check_joins(frames)
    initial = initial_data(frames)
    if experiment.force:
        discard(folder)
    if (folder.path / ROUNDS).is_dir():
        check_same_data(folder, frames.content_hash)
    for place in (place for place in damaged_rounds(folder, experiment.config) if place.record.is_file()):
        log.warning("%s: a stage is missing or changed, which is done again", place.path)
        place.record.unlink()  # so that the loop goes through its stages
    with recording(experiment, folder, frames, relative(data_path), "active") as tracker:
        stages = RoundStages(experiment, folder, frames, settings)
        loop = Loop(
            settings, stages, oracle, experiment.acquisition, proposals, experiment.system,
            experiment.seed, experiment.kernel, experiment.executor,
        )  # fmt: skip
        rounds = loop.run(initial, folder.path, lambda done: _tell(done, tracker, say, stages.steps_per_round))
        final, _ = data_of(folder.path, initial, len(rounds) - 1)
        _finish(folder, rounds, tracker)
        tracker.images(draw_rounds(experiment, folder, rounds, final))
        write_json(folder.metrics, final_metrics(rounds))
        for stage in OWN:
            provenance.note(folder, stage, experiment.kernel)


def final_metrics(rounds: Sequence[Round]) -> dict[str, float]:
    """metrics.json: those of the last round's model, and what the rounds cost."""
    last = rounds[-1]
    return {
        **last.metrics,
        **{name.removesuffix("_total"): float(getattr(last, name)) for name in COUNTS},
        "rounds": float(len(rounds) - 1),
        "labels_rejected": float(sum(of_round.n_rejected for of_round in rounds)),
        "labels_broken": float(sum(of_round.n_broken for of_round in rounds)),
    }


def frames_of(folder: Path | str, number: int | None = None) -> Frames:
    """The data set that round ``number`` of a run was trained on; None: the last one. Each addition is verified."""
    run = RunFolder(Path(folder))
    # data are kept beside runs, wherever both were moved to
    frames, _ = DataSet.of({**run.read_config(), "outputs": str(run.path.resolve().parents[1])}).get()
    number = len(rounds_of(run.path)) - 1 if number is None else number
    return data_of(run.path, initial_data(frames), number)[0]


def discard(folder: RunFolder) -> None:
    """Forget all rounds and what followed from them; labels that the oracle itself keeps stay."""
    provenance.forget(folder, *OWN)
    for path in (folder.metrics, folder.path / ROUNDS, folder.figures, folder.potential, folder.prior, folder.training):
        remove(path)


def _tell(done: Round, tracker: Tracker, say: Say, steps_per_round: int) -> None:
    """One round on the screen and in the tracker."""
    tracker.log("round", {**done.numbers(), "gradient_steps": float((done.round + 1) * steps_per_round)})
    shown = ("w1_tica", "w1_x", "pmf_rmse_integration", "mean_force_rmse", "replicas_failed")
    judged = ", ".join(f"{name} {done.metrics[name]:.4g}" for name in shown if name in done.metrics)
    short = f"; {done.n_short} labels fewer than asked for: there are no more candidates"
    asked = f"; {done.oracle_calls} labels, {done.n_rejected} rejected, {done.oracle_s:.3g} s"
    say(
        f"round {done.round}: {done.n_frames} frames, {judged}, coverage {done.coverage_max:.4g}"
        + (f"; stopped: {done.stop}" if done.stop else asked)
        + (short if done.n_short else "")
    )


def _finish(folder: RunFolder, rounds: Sequence[Round], tracker: Tracker) -> None:
    """Bring the last model to where a run has its own, and write the table of the rounds."""
    last = RunFolder(folder.path / ROUNDS / f"{len(rounds) - 1:02d}")
    for path in (last.prior, last.training_metrics, last.history, last.definition("tica"), last.potential):
        if path.is_file():
            write_bytes(folder.path / path.relative_to(last.path), path.read_bytes())
    write_json(folder.path / "rounds.json", [of_round.to_json() for of_round in rounds])
    write_bytes(folder.path / "rounds.csv", rounds_csv(rounds).encode())
    tracker.summarise("eval", final_metrics(rounds))


def rounds_csv(rounds: Sequence[Round]) -> str:
    """A row for each round: its numbers, hashes and metrics."""
    rows = [
        {name: value for name, value in of_round.to_json().items() if not isinstance(value, dict)}
        | dict(of_round.metrics)
        for of_round in rounds
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
