"""A run that differs from another only in later stages takes the earlier ones from it."""

from __future__ import annotations

from pathlib import Path

from cgexp.config.compose import Config
from cgexp.config.identity import differences
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.stages import discard, remove
from cgexp.simulation.trajectory import HEADER
from cgexp.store import Chunks, file_hash, write_bytes, write_record


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
    for path in [path for stage in missing for path in _files(parent, stage)]:
        if path.is_symlink():
            raise InputError(f"{path} is a link, which is not followed: put the file itself in its place")
        write_bytes(folder.path / path.relative_to(parent.path), path.read_bytes())
    done = own | {stage: recorded["stages"][stage] for stage in missing}
    if done != own or not folder.provenance.is_file():
        write_record(folder.provenance, {**recorded, "stages": done, "parent": parent.path.name})


def _files(folder: RunFolder, stage: str) -> list[Path]:
    """The files of a finished stage, and no others that lie there."""
    paths = [folder.path / name for name in folder.files(stage)]
    chunks = [*Chunks(folder.trajectory).paths, folder.trajectory / HEADER] if folder.trajectory in paths else []
    return [path for path in paths if path != folder.trajectory] + chunks
