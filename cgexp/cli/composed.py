"""What the verbs share: overrides to a checked config, one job or a multirun."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from cgexp.config.checks import GROUPS, check
from cgexp.config.compose import Config, compose
from cgexp.config.launch import multirun, split_multirun
from cgexp.config.paths import group_options
from cgexp.config.paths import groups as all_groups

Job = Callable[[Config], float | None]


def run_jobs(
    arguments: Sequence[str],
    job: Job,
    groups: Collection[str] = tuple(GROUPS),
    after: Callable[[list[Config]], None] | None = None,
) -> int:
    """Compose and check the config (or every config of a multirun), then run ``job``; return the exit code.

    ``groups`` are the config groups that the job uses; mistakes in others do not matter to it. ``after`` is given the
    configs of a multirun when all its jobs are done.
    """
    print_config = "--cfg" in arguments
    many, overrides = split_multirun([a for a in arguments if a != "--cfg"])
    if print_config:
        import yaml

        print(yaml.safe_dump(compose(overrides), sort_keys=False, allow_unicode=True), end="")
        return 0
    if many:
        configs = multirun(overrides, job, groups)
        if after is not None:
            after(configs)
    else:
        config = compose(overrides)
        check(config, groups)
        job(config)
    return 0


def groups_help() -> str:
    """The config groups with their options."""
    lines = [f"  {group:<12}{', '.join(group_options(group))}" for group in all_groups()]
    return "Config groups (group=option; group.key=value for what is inside):\n" + "\n".join(lines)
