"""What the verbs share: overrides to a checked config, one job or a multirun."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from cgexp.config.checks import GROUPS, check
from cgexp.config.compose import Config, compose, expand
from cgexp.config.launch import launch, split_multirun
from cgexp.config.paths import group_options
from cgexp.config.paths import groups as all_groups
from cgexp.runs.lock import require_writable

Job = Callable[[Config], float | None]


def run_jobs(
    arguments: Sequence[str],
    job: Job,
    groups: Collection[str] = tuple(GROUPS),
    after: Callable[[list[Config]], None] | None = None,
) -> int:
    """Compose and check the config (or every config of a multirun), then run ``job``; return the exit code.

    ``groups`` are the config groups that the job uses; mistakes in others do not matter to it. ``after`` is given all
    configs when the jobs are done.
    """
    print_config = "--cfg" in arguments
    many, overrides = split_multirun([a for a in arguments if a != "--cfg"])
    configs = [compose(o) for o in expand(overrides)] if many else [compose(overrides)]
    for config in configs:
        check(_to_check(config), groups)
    if print_config:
        import yaml

        print(yaml.safe_dump_all(configs, sort_keys=False, allow_unicode=True), end="")
        return 0
    if not many:
        job(configs[0])
    failed: Exception | None = None
    if many:
        require_writable(Path(configs[0]["outputs"]))
        try:
            launch(overrides, job)
        except Exception as error:  # the jobs that did not fail are still shown
            failed = error
    if after is not None:
        after(configs)
    if failed is not None:
        raise failed
    return 0


def _to_check(config: Config) -> Config:
    """With ``run=<folder>`` an override is of that run's parts, which may take other keys than the default ones."""
    if config["run"] is None:
        return config
    from cgexp.runs.recorded import laid_on_recorded

    return laid_on_recorded(config)


def groups_help() -> str:
    """The config groups with their options."""
    lines = [f"  {group:<18}{', '.join(group_options(group))}" for group in all_groups()]
    return "Config groups (group=option; group.key=value for what is inside):\n" + "\n".join(lines)
