"""Multirun: Hydra's sweeper and launcher run the jobs, which are checked before (cli/composed.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cgexp.config.compose import CONFIG_NAME, Config, finish, forgiving, search_path
from cgexp.config.identity import digest
from cgexp.config.paths import conf_dir
from cgexp.errors import InputError

Job = Callable[[Config], float | None]


def launch(overrides: Sequence[str], job: Job) -> None:
    """Run ``job`` on every combination of the overrides' values, with Hydra's sweeper and launcher.

    A job that fails does not stop the others; its error is raised at the end. The sweep's name is a hash of the
    overrides, so a repeated call falls into the same group.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig

    name = "sweep-" + digest(sorted(overrides))

    def task(node: Any) -> float | None:
        runtime = HydraConfig.get()
        config = finish(node, dict(runtime.runtime.choices), list(runtime.overrides.task))
        if config["sweep"]["name"] is None:
            config["sweep"]["name"] = name
        return job(config)

    arguments, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [arguments[0], "--multirun", *search_path(), *forgiving(overrides)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as exceptions instead of Hydra's printed traceback
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=CONFIG_NAME)(task)()
    finally:
        sys.argv = arguments
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]


def split_multirun(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Separate ``-m``/``--multirun`` from the overrides; another option is refused."""
    overrides = [a for a in arguments if a not in ("-m", "--multirun")]
    for argument in overrides:
        if argument.startswith("-"):
            raise InputError(f"unknown option {argument}: expected -m, --cfg, --help or overrides like seed=1")
    return len(overrides) < len(arguments), overrides
