"""The stages of a run, done for each round of active learning in a folder of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cgexp.active.loop import Judged
from cgexp.active.rounds import RoundFolder, seed_of, weighted
from cgexp.active.settings import ActiveLearning
from cgexp.analysis.ensemble import replica_metrics
from cgexp.analysis.tica import Tica
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential, load_potential
from cgexp.report.tracker import Tracker
from cgexp.runs import provenance
from cgexp.runs.evaluate import evaluate, evaluate_mean_force
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import PROPOSALS, RunFolder
from cgexp.runs.stages import Context, claim_training, complete, fit_prior, proposing, simulate, train, training_numbers
from cgexp.simulation.replicas import make_starts
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import file_hash, read_arrays, write_bytes, write_json, write_record
from cgexp.training.fit import LAST


class RoundStages:
    """Trains, simulates and evaluates the model of a round: the ModelMaker of the loop.

    The prior is fitted once, to the initial frames, since selected ones are no sample of any ensemble; with
    ``active.refit_prior`` it is fitted to all data of the round, so that its terms are as wide as these. A model
    is judged by a simulation from the initial frames in every round and arm alike: what has been labelled says where
    replicas begin, and a simulation that is short tells of little else. Candidates come from another one, from frames
    of the data as they are by then, in ``proposals/``. Both are one in the first round, if they have the same settings,
    and where no candidates are needed. Metrics compare with the initial frames, or with the reference.
    """

    def __init__(self, experiment: Experiment, folder: RunFolder, initial: Frames, settings: ActiveLearning) -> None:
        self.experiment, self.folder = experiment, folder
        self.initial, self.settings = initial, settings

    @property
    def steps_per_round(self) -> int:
        """Gradient steps of a round."""
        trainer = self.experiment.trainer
        assert trainer.steps_per_epoch is not None  # checks.py
        return trainer.max_epochs * trainer.steps_per_epoch

    def judged(self, number: int, frames: Frames) -> Judged:
        """Do the stages that are not done, and return what came of them."""
        place = self.place(number)
        frames = weighted(frames, self.settings.added_share)
        context = self._context(number, 0, place, frames)
        self._prior(context)
        self._train(context, number, 0)
        for member in range(1, self.settings.n_models):
            member_context = self._context(number, member, self.place(number, member), frames)
            self._prior(member_context)
            self._train(member_context, number, member)
        judge = replace(context, frames=self.initial)
        complete(judge, "simulate", lambda judge: _simulate(judge, place))
        proposals = self._proposals(place, number)
        if proposals is not place:
            provenance.begin(proposals, frames.content_hash, None)
            proposer = replace(context, experiment=proposing(context.experiment))
            complete(proposer, "simulate", lambda context: _simulate(context, proposals), proposals)
        complete(judge, "evaluate", self._evaluate)
        models = [load_potential(self.place(number, member).potential) for member in range(self.settings.n_models)]
        return self._judged(context, models, Trajectory.load(proposals.trajectory))

    def place(self, number: int, member: int = 0) -> RunFolder:
        """The folder of a round's model, or of another member of its ensemble."""
        path = RoundFolder(self.folder.path, number).path
        return RunFolder(path / "ensemble" / str(member) if member else path)

    def _proposals(self, place: RunFolder, number: int) -> RunFolder:
        """Where the simulation is that proposes candidates."""
        return RunFolder.inside(place.path / PROPOSALS) if self.settings.proposes_apart(number) else place

    def _context(self, number: int, member: int, place: RunFolder, frames: Frames) -> Context:
        """What the stages need; config and hash of the data are written down first."""
        trainer: dict[str, Any] = {}
        previous = self.place(number - 1, member)
        if self.settings.mode != "fresh":
            trainer["use_weights"] = "last"  # frames held out in this round may have been trained on before
        if self.settings.mode == "warm" and number:
            trainer["start_from"] = str(previous.path)
        if self.settings.mode == "online":
            trainer["max_epochs"] = self.experiment.trainer.max_epochs * (number + 1)  # in all
        own = (number, member) if member else (number,)
        # callbacks have a state, so that each training has a trainer of its own
        experiment = self.experiment.changed(seed=seed_of(self.experiment.seed, *own), trainer=trainer)
        if not place.done("evaluate"):
            place.write_config(experiment.config)
        provenance.begin(place, frames.content_hash, None)
        return Context(experiment, place, frames, Tracker())

    def _prior(self, context: Context) -> None:
        first, folder = self.place(0), context.folder
        if folder.path == first.path or self.settings.refit_prior:
            complete(context, "prior", fit_prior)
        else:
            complete(context, "prior", lambda _: write_bytes(folder.prior, first.prior.read_bytes()))

    def _train(self, context: Context, number: int, member: int) -> None:
        def work(context: Context) -> None:
            claim_training(context)
            last = context.folder.training / LAST
            if self.settings.mode == "online" and number and not last.is_file():
                # goes on as if it had been interrupted: with weights, optimiser, averages and the count of epochs
                write_bytes(last, (self.place(number - 1, member).training / LAST).read_bytes())
            train(context)

        complete(context, "train", work)

    @staticmethod
    def _evaluate(context: Context) -> None:
        folder = context.folder
        trajectory = Trajectory.load(folder.trajectory)
        if trajectory.alive.any():
            evaluate(context)
            return
        metrics = {**training_numbers(folder), **replica_metrics(trajectory)}
        experiment, potential = context.experiment, load_potential(folder.potential)
        metrics |= evaluate_mean_force(
            experiment.analysis, experiment.system, potential, context.frames, experiment.kernel
        )
        write_json(folder.metrics, {name: float(value) for name, value in metrics.items()})

    def _judged(self, context: Context, models: list[Potential], proposals: Trajectory) -> Judged:
        folder, experiment = context.folder, context.experiment
        simulation = proposing(experiment).simulation
        tica, starts = folder.definition("tica"), None
        if self.settings.arm == "learning" and simulation is not None and simulation.tempering is None:
            starts = make_starts(
                simulation.starts, context.frames, experiment.system, simulation.n_walkers, experiment.seed
            ).numpy()
        return Judged(
            metrics=folder.read_metrics(),
            trajectory=proposals,
            starts=starts,
            models=models,
            model_hash=file_hash(folder.potential),
            tica=Tica.from_arrays(*read_arrays(tica)) if tica.is_file() else None,
        )


def _simulate(context: Context, into: RunFolder) -> None:
    """Simulate; if all replicas fail, what they visited until then is what there is to learn from."""
    try:
        simulate(context, into)
    except InputError as failed:
        try:
            trajectory = Trajectory.load(into.trajectory)
        except InputError:
            raise failed from None  # which says what to do; that there is nothing to learn from does not
        if trajectory.alive.any() or not len(trajectory.coords):
            raise
        write_record(into.simulated, {"n_failed": len(trajectory.failures), "failures": trajectory.failures})
