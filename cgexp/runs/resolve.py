"""Which folder a config is of, and whether anything is left to do there. No torch: a finished run says so at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.compose import Config, compose_on
from cgexp.config.identity import differences
from cgexp.errors import InputError
from cgexp.report.tracker import TrackerSettings
from cgexp.runs import provenance
from cgexp.runs.folder import STAGES, RunFolder, changes, folder_of, require_no_links

# the stages a verb does, in order; those before must be done already
VERBS = {"run": STAGES, "train": ("prior", "train"), "simulate": ("simulate",), "evaluate": ("evaluate",)}
Say = Callable[[str], None]


def resolve(config: Config) -> tuple[Config, RunFolder, RunFolder | None]:
    """The config and folder to work on, and the run that earlier stages are taken from, if it is another one.

    With ``run=<folder>`` they are those of that run, with this command's overrides; overrides of later stages give a
    run of their own.
    """
    if config["run"] is None:
        return config, folder_of(config), None
    parent = RunFolder(Path(config["run"]).resolve())
    require_no_links(parent.path)
    # what concerns this command alone: where the folder is now, how to log, whether to repeat
    present: Config = {key: config[key] for key in ("logger", "sweep", "figures", "force", "executor")}
    present |= {"outputs": str(parent.path.parent.parent), "run": None}
    recorded = parent.read_config()
    extra = changes(config)
    if not extra:
        return {**recorded, **present}, parent, None
    merged = compose_on(recorded, extra)
    check(merged)
    merged |= present
    changed = differences(recorded, merged, "train")
    if changed:
        raise InputError(
            f"{', '.join(changed)} differ from what {parent.path} was trained with: start a new run without run=, or "
            "change only simulation and analysis"
        )
    folder = RunFolder(parent.path.parent / folder_of(merged).path.name)
    return (merged, folder, None) if folder.path == parent.path else (merged, folder, parent)


def stages_of(verb: str, simulates: bool) -> tuple[str, ...]:
    """The stages that ``verb`` does; simulates: whether the config has a simulation."""
    if simulates:
        return VERBS[verb]
    if verb == "simulate":
        raise InputError("the config has no simulation (simulation=none): choose another option of that group")
    return tuple(stage for stage in VERBS[verb] if stage != "simulate")


def skipped(config: Config, verb: str, say: Say) -> RunFolder | None:
    """The folder of a run in which all that ``verb`` does is done, after saying so; None if something is left to do.

    Raises InputError if the config is of active learning, or the run was made with other data than its file holds now.
    """
    if config.get("active") is not None:
        raise InputError(
            f"the config is of active learning (active={config['choices'].get('active')}): use `cgexp active`, or add "
            "active=none"
        )
    config, folder, _ = resolve(config)
    stages = stages_of(verb, config["simulation"] is not None)
    if not _is_done(folder, stages, config):
        return None
    _check_own_file(config, folder)
    say(f"{folder.path}: finished, skipped{_made_by(folder, stages[-1])}; force=true runs it again")
    return folder


def _is_done(folder: RunFolder, stages: Sequence[str], config: Config) -> bool:
    """Whether stages are done and not to be done again; a tracker may wait to be told of a finished run, too."""
    if config["force"] or build(config["logger"], TrackerSettings).is_waiting:
        return False
    # from the last on: most runs that are not finished lack it, and no file is read for that
    return all(folder.done(stage) for stage in reversed(stages))


def check_same_data(folder: RunFolder, content_hash: str) -> None:
    """Refuse to go on with a run whose data set is now another (a recipe may read a file)."""
    if folder.data_hash() not in (None, content_hash):
        raise InputError(
            f"{folder.path} was begun with another data set than the one its recipe gives now: run with force=true"
        )


def _check_own_file(config: Config, folder: RunFolder) -> None:
    """The same for a finished run, where the data are not kept in our own cache."""
    if "path" in config["dataset"]:
        from cgexp.runs.data import DataSet

        check_same_data(folder, DataSet.of(config).get()[0].content_hash)


def _made_by(folder: RunFolder, stage: str) -> str:
    """Name the code that made a finished run, if it is not the code that runs now."""
    stages = folder.read_provenance()["stages"] if folder.provenance.is_file() else {}
    recorded, current = stages.get(stage, {}).get("code"), provenance.code_version()
    if recorded in (None, current):
        return ""
    dirty = ", modified" if recorded.get("dirty") else ""
    return f" (made by version {recorded['version']}, commit {str(recorded.get('commit'))[:10]}{dirty})"
