"""A run that differs from another only in later stages takes the earlier ones from it."""

from __future__ import annotations

from cgexp.config.compose import Config
from cgexp.config.identity import differences
from cgexp.runs.folder import RunFolder
from cgexp.runs.stages import discard
from cgexp.store import write_bytes, write_json


def inherit(parent: RunFolder, folder: RunFolder, config: Config) -> None:
    """Copy what both runs share into ``folder``, with its provenance; markers of finished stages are copied last.

    If the parent was trained again since an earlier copy, that copy and all that followed from it is discarded.
    """
    if folder.potential.is_file() and folder.potential.read_bytes() != parent.potential.read_bytes():
        discard(folder, "prior")
    shared = [parent.history, parent.training_metrics, parent.prior, parent.potential]
    stages = ["prior", "train"]
    if not differences(parent.read_config(), config, "simulate"):
        shared += [*sorted(parent.trajectory.glob("*")), parent.simulated]
        stages.append("simulate")
    recorded = parent.read_provenance()
    if not folder.provenance.is_file():
        done = {stage: recorded["stages"][stage] for stage in stages if stage in recorded["stages"]}
        write_json(folder.provenance, {**recorded, "stages": done, "parent": parent.path.name})
    for path in shared:
        copy = folder.path / path.relative_to(parent.path)
        if path.is_file() and not copy.exists():
            write_bytes(copy, path.read_bytes())
