"""Study: what an experiment in ``experiments/`` runs, read from its study.yaml, and what it expects to find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cgexp.config.compose import Config, compose_seeds, expand
from cgexp.errors import InputError, did_you_mean

STUDY, EXPECTED = "study.yaml", "expected.yaml"
STUDY_KEYS = ("title", "seeds", "common", "shared", "columns", "arms")  # shared: lists that arms refer to
ARM_KEYS = ("label", "overrides", "seeds", "start_from", "variants", "computed")


@dataclass(frozen=True)
class Arm:
    """One setting of a study: it is run once for each seed, and for each combination of comma-separated values.

    name: ``arm`` or ``arm/variant``. start_from: the arm whose run of the same seed gives the first weights.
    computed: it has no runs; the experiment's own code gives its numbers.
    """

    name: str
    label: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    start_from: str | None = None
    computed: bool = False

    def configs(self, extra: Sequence[str] = ()) -> list[Config]:
        """The composed configs of all its runs, seed after seed for each combination."""
        if self.computed:
            return []
        return [config for job in expand([*self.overrides, *extra]) for config in compose_seeds(job, self.seeds)]


@dataclass(frozen=True)
class Study:
    """A folder of ``experiments/``: its arms, the metrics of its table, and the bounds that its numbers must keep.

    expected: name of a number -> (what: 'mean' or 'each', lowest or None, highest or None).
    """

    name: str
    folder: Path
    title: str
    columns: tuple[str, ...]
    arms: tuple[Arm, ...]
    expected: Mapping[str, tuple[str, float | None, float | None]]

    @classmethod
    def load(cls, name: str, experiments: Path) -> Study:
        """Read ``experiments/name``. Raises InputError with one sentence for whatever is wrong there."""
        folder = experiments / name
        if not (folder / STUDY).is_file():
            known = [path.parent.name for path in sorted(experiments.glob(f"*/{STUDY}"))]
            hint = f"expected one of {', '.join(known)}" if known else "go to a checkout or give --experiments DIR"
            raise InputError(f"no experiment '{name}' in {experiments}{did_you_mean(name, known)}: {hint}")
        content = _read(folder / STUDY)
        _require_keys(folder / STUDY, "", content, STUDY_KEYS, ("title", "seeds", "arms"))
        common, seeds = content.get("common") or [], content["seeds"]
        if not _are_seeds(seeds):
            raise InputError(f"{folder / STUDY}: seeds is {seeds!r}: expected a list of integers")
        if not isinstance(content["arms"], dict):
            raise InputError(f"{folder / STUDY}: arms is no mapping: expected the name of each arm with its settings")
        arms = tuple(
            arm for key, node in content["arms"].items() for arm in _arms(folder / STUDY, key, node, common, seeds)
        )
        names = [arm.name for arm in arms]
        for arm in arms:
            if arm.start_from is not None:
                source = next((other for other in arms if other.name == arm.start_from), None)
                if source is None:
                    raise InputError(
                        f"{folder / STUDY}: arm {arm.name} starts from '{arm.start_from}', which is no arm"
                        f"{did_you_mean(arm.start_from, names)}"
                    )
                if source.computed:
                    raise InputError(f"{folder / STUDY}: arm {arm.name} starts from {source.name}, which has no runs")
                if not set(arm.seeds) <= set(source.seeds):
                    raise InputError(
                        f"{folder / STUDY}: arm {arm.name} has seeds {list(arm.seeds)} but {source.name}, which it "
                        f"starts from, has {list(source.seeds)}: give it no others"
                    )
        if all(arm.computed for arm in arms):
            raise InputError(f"{folder / STUDY}: no arm has runs: expected one without computed: true")
        expected = {key: _bounds(folder / EXPECTED, key, node) for key, node in _read(folder / EXPECTED).items()}
        return cls(name, folder, str(content["title"]), tuple(content.get("columns") or ()), arms, expected)

    def levels(self) -> list[list[Arm]]:
        """The arms in the order in which they can be run: those of a level start from none or from earlier ones.

        Raises InputError if arms start from one another.
        """
        levels: list[list[Arm]] = []
        done: set[str] = set()
        waiting = list(self.arms)
        while waiting:
            ready = [arm for arm in waiting if arm.start_from is None or arm.start_from in done]
            if not ready:
                names = ", ".join(arm.name for arm in waiting)
                raise InputError(f"{self.folder / STUDY}: the arms {names} start from one another")
            levels.append(ready)
            done |= {arm.name for arm in ready}
            waiting = [arm for arm in waiting if arm not in ready]
        return levels


def _arms(path: Path, name: str, node: Any, common: list[str], seeds: list[int]) -> Iterator[Arm]:
    _require_keys(path, f"arms.{name}", node, ARM_KEYS, ("label",))
    variants = node.get("variants") or {None: []}
    if not isinstance(variants, Mapping):
        raise InputError(f"{path}: arms.{name}.variants is no mapping: expected names with lists of overrides")
    own_seeds, source = node.get("seeds") or seeds, node.get("start_from")
    if not _are_seeds(own_seeds):
        raise InputError(f"{path}: arms.{name}.seeds is {own_seeds!r}: expected a list of integers")
    if source is not None and not isinstance(source, str):
        raise InputError(f"{path}: arms.{name}.start_from is {source!r}: expected the name of an arm")
    for variant, own in variants.items():
        overrides = tuple(_flat([common, node.get("overrides") or [], own]))
        bad = [o for o in overrides if not isinstance(o, str) or "=" not in o]
        if bad:
            raise InputError(f"{path}: arms.{name} has the override {bad[0]!r}: expected a text like group.key=value")
        yield Arm(
            name if variant is None else f"{name}/{variant}",
            str(node["label"]),
            overrides,
            tuple(own_seeds),
            source,
            bool(node.get("computed", False)),
        )


def _flat(items: Any) -> Iterator[Any]:
    """A list may stand inside a list, so that a YAML anchor can be extended."""
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item


def _bounds(path: Path, name: str, node: Any) -> tuple[str, float | None, float | None]:
    if isinstance(node, Mapping) and len(node) == 1:
        ((what, bounds),) = node.items()
        sound = isinstance(bounds, list) and len(bounds) == 2
        if what in ("mean", "each") and sound and all(b is None or isinstance(b, (int, float)) for b in bounds):
            return what, bounds[0], bounds[1]
    raise InputError(
        f"{path}: {name} is {node!r}: expected {{mean: [lowest, highest]}} or {{each: ...}}, numbers (1.0e-3, not "
        "1e-3) or null for open"
    )


def _are_seeds(seeds: Any) -> bool:
    return isinstance(seeds, list) and all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: an experiment needs {STUDY} and {EXPECTED}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping: see docs/adding.md for what belongs there")
    return content


def _require_keys(path: Path, where: str, node: Any, known: Sequence[str], required: Sequence[str]) -> None:
    if not isinstance(node, Mapping):
        raise InputError(f"{path}: {where} is {node!r}: expected a mapping with {', '.join(known)}")
    for key in node:
        if key not in known:
            raise InputError(f"{path}: unknown key '{key}' {where}{did_you_mean(str(key), known)}".rstrip())
    for key in required:
        if not node.get(key):
            raise InputError(f"{path}: {where or 'the study'} lacks '{key}'")
