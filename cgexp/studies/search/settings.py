"""What a search is told: its objective, how it chooses and stops trials, on which seeds, and what counts as allowed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from cgexp.config.compose import Config
from cgexp.config.identity import digest, experiment_name
from cgexp.config.paths import group_options
from cgexp.config.space import GROUP, Dimension, as_content
from cgexp.errors import InputError, did_you_mean, require_once, shown
from cgexp.studies.query import Condition, conditions

CHOICES = {
    "direction": ("minimize", "maximize"),
    "sampler": ("tpe", "gp", "random"),
    "pruner": ("none", "halving"),
}
KEYS = (
    "space", "objective", "n_trials", *CHOICES, "min_epochs", "seeds", "constraints", "n_jobs", "timeout", "confirm",
    "name",
)  # fmt: skip
NOT_FOR_A_SEARCH = {  # beginnings of overrides -> what to do instead
    "run=": "its runs are new ones, so leave it out",
    "force=": "finished runs are taken as they are, so leave it out",
    "seed=": "give seeds=1,2 for the seeds of each trial",
    "launcher=": "give n_jobs=2 for trials side by side",
    "hydra.": "give n_jobs=2 for trials side by side",
}
EXTRA = 'pip install "cgexp[search]"'


@dataclass(frozen=True)
class Settings:
    """name: of the search and its folder. objective: a metric of metrics.json. n_trials: in all, of all calls.

    min_epochs: epochs of the first rung of pruner=halving. seeds: of the runs of each trial, over which the objective
    is averaged. constraints: conditions on metrics that hold for every seed of a trial that is allowed. n_jobs: trials
    side by side. timeout: of a trial, seconds; None: none. confirm: fresh seeds on which the best is compared with the
    default.
    """

    name: str
    space: str
    objective: str
    n_trials: int
    direction: Literal["minimize", "maximize"]
    sampler: str
    pruner: str
    min_epochs: int
    seeds: tuple[int, ...]
    constraints: tuple[Condition, ...]
    n_jobs: int
    timeout: float | None
    confirm: int

    @property
    def sign(self) -> float:
        """1 where less of the objective is better, else -1."""
        return 1.0 if self.direction == "minimize" else -1.0

    def claimed(self, space: Sequence[Dimension], overrides: Sequence[str]) -> dict[str, Any]:
        """What a search is: when it goes on, all of this must be as it was."""
        return {
            "objective": self.objective,
            "direction": self.direction,
            "sampler": self.sampler,
            "pruner": self.pruner if self.pruner == "none" else f"{self.pruner}, {self.min_epochs} epochs",
            "seeds": list(self.seeds),
            "constraints": [f"{one.key}{one.sign}{one.value}" for one in self.constraints],
            "space": as_content(space),
            "overrides": sorted(o for o in overrides if not o.startswith(("outputs=", "logger", "figures=", "parts="))),
        }


def sorted_words(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The settings of the search by key, and the overrides of all its runs. Raises InputError."""
    given: dict[str, str] = {}
    overrides: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"'{shown(word)}' is no key=value: expected {', '.join(KEYS)} or overrides of the runs")
        if key not in KEYS:
            overrides.append(word)
        elif not value:
            raise InputError(f"{word} lacks a value: expected {key}=<value>")
        else:
            require_once(given, key, word)
            given[key] = value
    for word in overrides:
        advice = next((text for start, text in NOT_FOR_A_SEARCH.items() if word.startswith(start)), None)
        if advice is not None:
            raise InputError(f"{word} is not for a search: {advice}")
    return given, overrides


def read_settings(given: Mapping[str, str], overrides: Sequence[str], config: Config) -> Settings:
    """The settings that are given, and defaults for the others. config: of a run without the space's keys.

    Raises InputError with the first mistake.
    """
    experiment = experiment_name(config)
    space = given.get("space", experiment)
    if "space" not in given and experiment not in group_options(GROUP):
        raise InputError(f"say what to search over: space=<one of {', '.join(group_options(GROUP))}>, or a file")
    if "objective" not in given:
        raise InputError("say what to search for: objective=<metric>, as loss_validation or w1_tica (docs/metrics.md)")
    max_epochs = config["trainer"]["max_epochs"]
    settings = Settings(
        name=given.get("name", ""),
        space=space,
        objective=given["objective"],
        n_trials=_number(given, "n_trials", 20, 1),
        direction=_direction(given),
        sampler=_choice(given, "sampler", "tpe"),
        pruner=_choice(given, "pruner", "none"),
        min_epochs=_number(given, "min_epochs", max(1, max_epochs // 4), 1),
        seeds=_seeds(given, config["seed"]),
        constraints=_constraints(given.get("constraints")),
        n_jobs=_number(given, "n_jobs", 1, 1),
        timeout=_timeout(given),
        confirm=_number(given, "confirm", 0, 0),
    )
    if settings.pruner != "none":
        _require_prunable(settings, config)
    if not settings.name:
        return _named(settings, f"{experiment}-{digest([given.get('space'), _physics(given), sorted(overrides)])[:6]}")
    if os.sep in settings.name or settings.name.startswith("."):
        raise InputError(f"name={shown(settings.name)} is not valid: expected a plain name, which a folder gets")
    return settings


def require_optuna() -> None:
    """Raise InputError if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise InputError(f"cgexp search needs Optuna, which is not installed: run {EXTRA}")


def _named(settings: Settings, name: str) -> Settings:
    from dataclasses import replace

    return replace(settings, name=name)


def _physics(given: Mapping[str, str]) -> list[str]:
    """What another value of makes another search."""
    return sorted(
        f"{k}={v}" for k, v in given.items() if k not in ("n_trials", "n_jobs", "timeout", "confirm", "name", "space")
    )


def _choice(given: Mapping[str, str], key: str, default: str) -> str:
    value = given.get(key, default)
    if value not in CHOICES[key]:
        known = ", ".join(CHOICES[key])
        raise InputError(
            f"{key}={shown(value)} is not valid{did_you_mean(value, CHOICES[key])}: expected one of {known}"
        )
    return value


def _direction(given: Mapping[str, str]) -> Literal["minimize", "maximize"]:
    """As given, or the one in which the objective is better."""
    if "direction" in given:
        return "minimize" if _choice(given, "direction", "") == "minimize" else "maximize"
    from cgexp.analysis.arms import LESS, direction_of  # only now: completion has no use for it

    better = direction_of(given["objective"])
    if better is None:
        raise InputError(
            f"whether less or more of objective={shown(given['objective'])} is better is not known: add "
            "direction=minimize or direction=maximize"
        )
    return "minimize" if better == LESS else "maximize"


def _number(given: Mapping[str, str], key: str, default: int, least: int) -> int:
    return int(_read(given, key, default, int, f"a whole number from {least} on", lambda n: n >= least))


def _timeout(given: Mapping[str, str]) -> float | None:
    return None if "timeout" not in given else _read(given, "timeout", 0.0, float, "seconds above 0", lambda s: s > 0)


def _read(
    given: Mapping[str, str],
    key: str,
    default: float,
    kind: Callable[[str], float],
    expected: str,
    fits: Callable[[float], bool],
) -> float:
    if key not in given:
        return default
    try:
        value = kind(given[key])
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise InputError(f"{key}={shown(given[key])} is not valid: expected {expected}")
    return value


def _seeds(given: Mapping[str, str], default: int) -> tuple[int, ...]:
    if "seeds" not in given:
        return (default,)
    words = given["seeds"].strip("[]").split(",")
    if not all(word.strip().isdecimal() for word in words) or len(set(words)) < len(words):
        raise InputError(f"seeds={shown(given['seeds'])} is not valid: expected different whole numbers, as 1,2,3")
    return tuple(int(word) for word in words)


def _constraints(text: str | None) -> tuple[Condition, ...]:
    found = () if text is None else tuple(conditions(text))
    for one in found:
        if one.sign == "!=" or not isinstance(one.value, float):
            raise InputError(
                f"constraints={shown(text)} is not valid: expected metrics with = < <= > >= and a number, as "
                "'replicas_failed=0 and w1_tica<0.5'"
            )
    return found


def _require_prunable(settings: Settings, config: Config) -> None:
    trainer = config["trainer"]
    if trainer.get("validation_fraction") == 0:
        raise InputError(
            "pruner=halving judges trials by their validation loss, but trainer.validation_fraction=0: hold some "
            "frames out, or use pruner=none"
        )
    if config.get("active") is not None:
        raise InputError("pruner=halving stops one training, and active learning has many: use pruner=none")
    if settings.min_epochs >= trainer["max_epochs"]:
        raise InputError(
            f"min_epochs={settings.min_epochs} is not below trainer.max_epochs={trainer['max_epochs']}: nothing would "
            "be pruned"
        )
