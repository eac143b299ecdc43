"""Whether all files of a run's folder are as they were written: ``cgexp check run=<folder>``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cgexp.config.identity import run_id
from cgexp.datasets.teacher_run import data_file
from cgexp.errors import InputError, sentence_of
from cgexp.runs.folder import PROPOSALS, STAGES, RunFolder, command, is_run, require_no_links
from cgexp.runs.linked import MARK
from cgexp.runs.rounds import missing_in_rounds
from cgexp.simulation.trajectory import HEADER
from cgexp.store import read_arrays, read_frames, read_record

ARRAYS = ("*.npz", "*.ckpt")
RECORDS = (
    *(
        "prior.json",
        "train/metrics.json",
        "train/made_of.json",
        "simulation.json",
        f"trajectory/{HEADER}",
        f"trajectory/{MARK}",
    ),
    "round.json",  # of active learning
)


def verify(path: Path) -> Iterator[str]:
    """Yield lines that say what was verified in a run's folder, rounds of active learning included; writes nothing.

    Every checksum is computed again. Raises InputError that names all files that differ, with the command that makes
    them again, or if ``path`` is no run.
    """
    if not is_run(path):
        RunFolder(path).read_config()  # which says so
    require_no_links(path)
    folders = [
        RunFolder(path),
        *(RunFolder.inside(found.parent) for found in sorted(path.glob("*/**/provenance.json"))),
    ]
    damaged: list[str] = []
    n_files = 0
    for folder in folders:
        for read in _readers(folder):
            n_files += 1
            try:
                read()
            except InputError as error:
                damaged.append(sentence_of(error))
        damaged += _unlike_record(folder)
    damaged += missing_in_rounds(folders[0])
    if damaged:
        raise InputError(
            f"{path} is not as it was written: {'; '.join(dict.fromkeys(damaged))}; "
            f"then `{command('run', path)}` makes again what is missing"
        )
    yield f"files      ok: {n_files} in {path}, each with the checksum that it was written with"
    yield f"stages     ok: {', '.join(_done(folders[0])) or 'none is done'}"
    if problem := _other_name(folders[0]):
        yield f"name       {problem}"


def _readers(folder: RunFolder) -> Iterator[Callable[[], object]]:
    """What reads each file of a folder with its checksum, without those of runs inside it."""
    yield folder.read_provenance
    if folder.path.name != PROPOSALS:  # which has the config of its round
        yield folder.read_config
    for name in RECORDS:
        if (folder.path / name).is_file():
            yield partial(read_record, folder.path / name, must_be_sealed=lambda _: folder.has_checksums())
    for place in (folder.path, folder.training, folder.trajectory, folder.path / "labels"):
        for pattern in ARRAYS:
            yield from (partial(read_arrays, path) for path in sorted(place.glob(pattern)))
    if (data := _data_file(folder)) is not None:
        yield partial(read_frames, data)


def _data_file(folder: RunFolder) -> Path | None:
    """The frames that are kept beside the runs, if they are there."""
    try:
        path = folder.read_provenance()["data"]["path"]
        file = None if path is None else data_file(folder.path, path)
    except InputError:
        return None
    return file if file is not None and file.is_file() else None


def _unlike_record(folder: RunFolder) -> Iterator[str]:
    """What differs from what the stages recorded."""
    try:
        stages = folder.read_provenance()["stages"]
    except InputError:
        return  # said before
    for stage in (stage for stage in STAGES if stage in stages):
        if lost := [name for name in folder.changed(stage, "files") if name != folder.config.name]:
            yield f"{', '.join(lost)} of stage {stage} in {folder.path}: missing, or not as recorded"
        elif other := folder.changed(stage, "made_of"):
            yield f"stage {stage} in {folder.path} was made from another {', '.join(other)}"


def _done(folder: RunFolder) -> list[str]:
    return [f"{stage} is done" for stage in STAGES if folder.done(stage)]


def _other_name(folder: RunFolder) -> str:
    """Said of a folder that does not have the name that its config gives it."""
    expected = run_id(folder.read_config())
    name = folder.path.resolve().name
    if name == expected:
        return ""
    return f"{name}, but its config has the run id {expected}: it was renamed, or made by another version"
