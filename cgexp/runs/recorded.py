"""The config of a run's folder with a command's overrides laid on it: what ``run=<folder>`` means."""

from __future__ import annotations

from pathlib import Path

from cgexp.config.compose import Config, compose, is_of_hydra
from cgexp.runs.folder import RunFolder

OF_THE_COMMAND = ("run=", "parts=", "force=", "figures=", "outputs=", "logger", "launcher=", "sweep.")


def changes(config: Config) -> list[str]:
    """The overrides of a command that change what a run is, and not only what is done with it."""
    return [o for o in config["overrides"] if not o.lstrip("+").startswith(OF_THE_COMMAND)]


def trusted(recorded: Config) -> list[str]:
    """The overrides that a run's folder records, but for what only a user may say: it may be somebody else's folder."""
    return [o for o in recorded["overrides"] if not is_of_hydra(o) and not o.lstrip("+~").startswith("parts=")]


def laid_on_recorded(config: Config) -> Config:
    """The config to check instead of ``config``: with ``run=<folder>`` and changes, that run's with the overrides.

    Without changes it is ``config``, since the recorded one was checked when the run was made, and need not compose
    here: its experiment may lie in another directory. Raises InputError if the folder is no run.
    """
    if config["run"] is None or not changes(config):
        return config
    recorded = RunFolder(Path(config["run"])).read_config()
    return compose([*trusted(recorded), *(o for o in config["overrides"] if not o.lstrip("+").startswith("run="))])
