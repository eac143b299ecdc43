"""Study: what an experiment in ``experiments/`` runs, read from its study.yaml, and what it expects to find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cgexp.config.compose import Config, compose_seeds
from cgexp.config.jobs import expand
from cgexp.config.overrides import require_of_a_file
from cgexp.errors import InputError, did_you_mean

STUDY, EXPECTED = "study.yaml", "expected.yaml"
STUDY_KEYS = ("title", "seeds", "verb", "common", "shared", "columns", "arms")  # shared: lists that arms refer to
ARM_KEYS = ("label", "overrides", "seeds", "verb", "start_from", "variants", "computed")
VERBS = ("run", "active")
# ${run:ARM}: folder of a run of that arm; of which, see paired_seeds. ${runs:ARM}: list of the folders of all its runs
OTHER_RUN = re.compile(r"\$\{(runs?):([^}]*)\}")


@dataclass(frozen=True)
class Arm:
    """One setting of a study: it is run once for each seed, and for each combination of comma-separated values.

    name: ``arm`` or ``arm/variant``. verb: what runs it, ``run`` or ``active``. computed: it has no runs; the
    experiment's own code gives its numbers.
    """

    name: str
    label: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    verb: str = "run"
    computed: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The arms whose runs this one needs: those that ``${run:ARM}`` and ``${runs:ARM}`` name, each once."""
        return tuple(dict.fromkeys([*self._named("run"), *self._named("runs")]))

    @property
    def paired_sources(self) -> tuple[str, ...]:
        """Those of which each run needs that of its own seed: ``${run:ARM}``."""
        return tuple(dict.fromkeys(self._named("run")))

    def _named(self, kind: str) -> list[str]:
        return [name for text in self.overrides for found, name in OTHER_RUN.findall(text) if found == kind]

    def needed(self, name: str, by_seed: Mapping[int, str], seed: int) -> list[str]:
        """What the run of a seed needs of the runs of the arm called ``name``, given for each of that arm's seeds.

        ``${runs:ARM}`` needs all, ``${run:ARM}`` that of the paired seed.
        """
        if name in self._named("runs"):
            return list(by_seed.values())
        return [by_seed[self._paired(by_seed)[seed]]]

    def _paired(self, by_seed: Mapping[int, str]) -> dict[int, int]:
        pairs = paired_seeds(self.seeds, list(by_seed))
        assert pairs is not None  # Study.load
        return pairs

    def configs(
        self, extra: Sequence[str] = (), folders: Mapping[str, Mapping[int, str]] | None = None
    ) -> list[Config]:
        """The composed configs of all its runs, seed after seed for each combination.

        folders: arm -> its seed -> folder of its run, for all ``sources``; without it, names stand for the folders.
        """
        return [config for job, seeds in self.jobs(extra, folders) for config in compose_seeds(job, seeds)]

    def jobs(
        self, extra: Sequence[str] = (), folders: Mapping[str, Mapping[int, str]] | None = None
    ) -> Iterator[tuple[list[str], Sequence[int]]]:
        """Overrides and seeds of its runs, a combination at a time; also a seed at a time if their folders differ."""
        if self.computed:
            return
        for seeds in [[seed] for seed in self.seeds] if self.sources and folders else [self.seeds]:
            own = [self._filled(text, seeds[0], folders) for text in self.overrides]
            yield from ((job, seeds) for job in expand([*own, *extra]))

    def _filled(self, text: str, seed: int, folders: Mapping[str, Mapping[int, str]] | None) -> str:
        """An override with folders in the place of the arms whose runs it names."""

        def place(found: re.Match[str]) -> str:
            kind, name = found.groups()
            by_seed = {seed: name} if folders is None else folders[name]
            if kind == "runs":
                return f"[{','.join(map(_quoted, by_seed.values()))}]"
            return _quoted(name if folders is None else by_seed[self._paired(by_seed)[seed]])

        return OTHER_RUN.sub(place, text)


@dataclass(frozen=True)
class Study:
    """A folder of ``experiments/``, or a part of one, which is a folder inside it with a study.yaml of its own.

    Its arms, the metrics of its table, and the bounds that its numbers must keep. name: ``name`` or ``name/part``.
    expected: name of a number -> (what: 'mean' or 'each', lowest or None, highest or None).
    """

    name: str
    folder: Path
    title: str
    columns: tuple[str, ...]
    arms: tuple[Arm, ...]
    expected: Mapping[str, tuple[str, float | None, float | None]]
    part: str | None = None

    @classmethod
    def load(cls, name: str, experiments: Path, part: str | None = None) -> Study:
        """Read ``experiments/name`` or its part. Raises InputError with one sentence for whatever is wrong there."""
        folder = _folder(name, experiments, part)
        content = _read(folder / STUDY)
        _require_keys(folder / STUDY, "", content, STUDY_KEYS, ("title", "seeds", "arms"))
        if not _are_seeds(content["seeds"]):
            raise InputError(f"{folder / STUDY}: seeds is {content['seeds']!r}: expected a list of integers")
        if not isinstance(content["arms"], dict):
            raise InputError(f"{folder / STUDY}: arms is no mapping: expected the name of each arm with its settings")
        arms = tuple(arm for key, node in content["arms"].items() for arm in _arms(folder / STUDY, key, node, content))
        _require_sources(folder / STUDY, arms)
        if all(arm.computed for arm in arms):
            raise InputError(f"{folder / STUDY}: no arm has runs: expected one without computed: true")
        expected = {key: _bounds(folder / EXPECTED, key, node) for key, node in _read(folder / EXPECTED).items()}
        full_name = name if part is None else f"{name}/{part}"
        columns = tuple(content.get("columns") or ())
        return cls(full_name, folder, str(content["title"]), columns, arms, expected, part)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its code may lie: its folder, and for a part the experiment's."""
        return (self.folder,) if self.part is None else (self.folder, self.folder.parent)

    def levels(self) -> list[list[Arm]]:
        """The arms in the order in which they can be run: those of a level need no runs but those of earlier ones.

        Raises InputError if arms need one another.
        """
        levels: list[list[Arm]] = []
        done: set[str] = set()
        waiting = list(self.arms)
        while waiting:
            ready = [arm for arm in waiting if set(arm.sources) <= done]
            if not ready:
                names = ", ".join(arm.name for arm in waiting)
                raise InputError(f"{self.folder / STUDY}: the arms {names} need one another's runs")
            levels.append(ready)
            done |= {arm.name for arm in ready}
            waiting = [arm for arm in waiting if arm not in ready]
        return levels


def experiments_in(experiments: Path) -> list[str]:
    """The names of the experiments in a folder: those with a study.yaml, in their folder or in parts."""
    found = {path.parent.name for path in experiments.glob(f"*/{STUDY}")}
    return sorted(found | {path.parents[1].name for path in experiments.glob(f"*/*/{STUDY}")})


def parts_of(folder: Path) -> list[str]:
    """The names of the parts of an experiment: its folders with a study.yaml."""
    return sorted(path.parent.name for path in folder.glob(f"*/{STUDY}"))


def _folder(name: str, experiments: Path, part: str | None) -> Path:
    folder, known = experiments / name, experiments_in(experiments)
    if name not in known:
        hint = f"expected one of {', '.join(known)}" if known else "go to a checkout or give --experiments DIR"
        raise InputError(f"no experiment '{name}' in {experiments}{did_you_mean(name, known)}: {hint}")
    parts = parts_of(folder)
    if part is None and not (folder / STUDY).is_file():
        raise InputError(f"{folder} has only parts: add part={' or part='.join(parts)}")
    if part is not None and part not in parts:
        hint = f"expected one of {', '.join(parts)}" if parts else f"it has no parts, leave out part={part}"
        raise InputError(f"{folder} has no part '{part}'{did_you_mean(part, parts)}: {hint}")
    return folder if part is None else folder / part


def _arms(path: Path, name: str, node: Any, study: Mapping[str, Any]) -> Iterator[Arm]:
    _require_keys(path, f"arms.{name}", node, ARM_KEYS, ("label",))
    variants = node.get("variants") or {None: []}
    if not isinstance(variants, Mapping):
        raise InputError(f"{path}: arms.{name}.variants is no mapping: expected names with lists of overrides")
    seeds, source = node.get("seeds") or study["seeds"], node.get("start_from")
    if not _are_seeds(seeds):
        raise InputError(f"{path}: arms.{name}.seeds is {seeds!r}: expected a list of integers")
    if source is not None and not isinstance(source, str):
        raise InputError(f"{path}: arms.{name}.start_from is {source!r}: expected the name of an arm")
    verb = node.get("verb") or study.get("verb") or VERBS[0]
    if verb not in VERBS:
        raise InputError(f"{path}: verb of arms.{name} is {verb!r}: expected one of {', '.join(VERBS)}")
    start = [] if source is None else [f"trainer.start_from=${{run:{source}}}"]
    for variant, own in variants.items():
        overrides = tuple(_flat([study.get("common") or [], node.get("overrides") or [], own, start]))
        bad = [o for o in overrides if not isinstance(o, str) or ("=" not in o and not o.startswith("~"))]
        if bad:
            raise InputError(f"{path}: arms.{name} has the override {bad[0]!r}: expected a text like group.key=value")
        require_of_a_file(overrides, f"{path}: arms.{name}")
        full_name = name if variant is None else f"{name}/{variant}"
        yield Arm(full_name, str(node["label"]), overrides, tuple(seeds), verb, bool(node.get("computed", False)))


def _require_sources(path: Path, arms: Sequence[Arm]) -> None:
    """Refuse a ``${run:ARM}`` or ``${runs:ARM}`` of an arm that is none, has no runs or lacks a seed."""
    known = {arm.name: arm for arm in arms}
    for arm, name in ((one, source) for one in arms for source in one.sources):
        if name not in known:
            raise InputError(
                f"{path}: arm {arm.name} needs runs of '{name}', which is no arm{did_you_mean(name, known)}"
            )
        if known[name].computed:
            raise InputError(f"{path}: arm {arm.name} needs runs of {name}, which has no runs")
        if name in arm.paired_sources and paired_seeds(arm.seeds, known[name].seeds) is None:
            raise InputError(
                f"{path}: arm {arm.name} has seeds {list(arm.seeds)} but {name}, whose runs it needs, has "
                f"{list(known[name].seeds)}: give it no others, or as many, all of them others"
            )


def paired_seeds(own: Sequence[int], others: Sequence[int]) -> dict[int, int] | None:
    """Which seed's run of another arm each seed of an arm needs; None where that is left open.

    The same seed, or the other arm's only one. Where the arms share no seed, as a student that is not to begin with
    its teacher's weights, the one at the same place in the list.
    """
    if len(others) == 1:
        return dict.fromkeys(own, others[0])
    if set(own) <= set(others):
        return {seed: seed for seed in own}
    if len(own) == len(others) and not set(own) & set(others):
        return dict(zip(own, others, strict=True))
    return None


def _quoted(path: str) -> str:
    """A path as Hydra reads it, whatever signs it holds."""
    return "'" + path.replace("'", "\\'") + "'"


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
        raise InputError(f"{path} holds no mapping: see docs/adding/experiments.md for what belongs there")
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
