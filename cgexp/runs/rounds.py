"""What the rounds of a run of active learning must hold, and which of them lack something."""

from __future__ import annotations

from collections.abc import Iterator

from cgexp.active.rounds import ROUNDS, RoundFolder
from cgexp.active.settings import ActiveLearning
from cgexp.active.workers import Answers
from cgexp.build import build
from cgexp.config.compose import Config
from cgexp.errors import InputError
from cgexp.runs.folder import PROPOSALS, STAGES, RunFolder


def rounds_in(folder: RunFolder) -> list[RoundFolder]:
    """All rounds that are there, and those that a finished run had when it was finished."""
    n_there = len(list((folder.path / ROUNDS).glob("*")))
    return [RoundFolder(folder.path, number) for number in range(max(n_there, _n_recorded(folder)))]


def damaged_rounds(folder: RunFolder, config: Config) -> list[RoundFolder]:
    """The rounds that lack a file or of which a stage is not as it was left.

    Raises InputError if what they record of their stages is damaged.
    """
    settings = build(config["active"], ActiveLearning)
    return [
        place
        for place in rounds_in(folder)
        if not all(path.is_file() for path in place.files) or place.lost_answers() or not _is_whole(place, settings)
    ]


def missing_in_rounds(folder: RunFolder) -> Iterator[str]:
    """Files that rounds must hold and do not, a line each: all rounds of a finished run, or all but the last."""
    try:
        active = folder.read_config()["active"]
        is_finished = "evaluate" in folder.read_provenance()["stages"]
        settings = None if active is None else build(active, ActiveLearning)
    except (InputError, TypeError, KeyError):
        return  # said before
    if settings is None:
        return
    places = rounds_in(folder)
    for place in places if is_finished else places[:-1]:
        models = (place.path, *(place.path / "ensemble" / str(member) for member in range(1, settings.n_models)))
        proposals = (place.path / PROPOSALS,) if settings.proposes_apart(place.number) else ()
        needed = [*place.files, *(RunFolder(one).provenance for one in (*models, *proposals))]
        needed += [Answers(place.labels).path(index) for index in _lost_answers(place)]
        if lost := [str(path.relative_to(place.path)) for path in needed if not path.is_file()]:
            yield f"{', '.join(lost)} in {place.path}: missing"


def _n_recorded(folder: RunFolder) -> int:
    """How many rounds a finished run says that it had; 0: it is not finished, or what it says is damaged."""
    try:
        if not folder.metrics.is_file() or "evaluate" not in folder.read_provenance()["stages"]:
            return 0
        return int(folder.read_metrics()["rounds"]) + 1
    except (InputError, KeyError):
        return 0


def _lost_answers(place: RoundFolder) -> list[int]:
    try:
        return place.lost_answers()
    except InputError:
        return []  # of what is added, which was said to be damaged


def _is_whole(place: RoundFolder, settings: ActiveLearning) -> bool:
    """Whether all stages of a round, of its ensemble and of its proposals, and their configs, are as they were left."""
    members = [RunFolder(member) for member in sorted((place.path / "ensemble").glob("*"))]
    if not all(member.has_config() for member in members):
        return False
    expected = [(RunFolder(place.path), STAGES), *((member, STAGES[:2]) for member in members)]
    if settings.proposes_apart(place.number):
        expected.append((RunFolder.inside(place.path / PROPOSALS), ("simulate",)))
    return all(one.done(stage) for one, stages in expected for stage in stages)
