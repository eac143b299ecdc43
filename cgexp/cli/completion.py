"""Tab completion for bash and zsh: verbs, config groups with their options, and keys. Imports no Hydra."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import BaseCompleter

from cgexp.cli.export import FORMATS, KEYS, KINDS
from cgexp.cli.importing import known_settings
from cgexp.cli.parser import VERBS, Parser
from cgexp.cli.wandb import ACTIONS
from cgexp.cli.wandb import KEYS as KEYS_OF_WANDB
from cgexp.config.paths import conf_dir, conf_dirs, group_options
from cgexp.errors import InputError
from cgexp.runs.sweeps import sweeps_in
from cgexp.studies.catalogue import STATES
from cgexp.studies.query import LATEST
from cgexp.studies.search.settings import CHOICES as CHOICES_OF_SEARCH
from cgexp.studies.search.settings import KEYS as KEYS_OF_SEARCH
from cgexp.studies.study import experiments_in, parts_of

SHELLS = ("bash", "zsh")
KEYS_OF_LISTS = {
    "runs": ("sort", "columns", "outputs"),
    "compare": ("metrics", "baseline", "over", "to", "outputs"),
    "diff": ("outputs",),
    "rerun": ("to", "run", "outputs"),
    "wandb": KEYS_OF_WANDB,
}


def main(command: argparse.Namespace) -> int:
    """Print the shell code that switches completion on."""
    shell = command.words[0] if command.words else SHELLS[0]
    if shell not in SHELLS:
        raise InputError(f"no completion for '{shell}': expected one of {', '.join(SHELLS)}")
    print(argcomplete.shellcode(["cgexp"], shell=shell))
    return 0


class Words(BaseCompleter):
    """What may stand where a word is asked for: overrides, names, keys."""

    def __call__(self, *, prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        return candidates([parsed_args.verb, *(getattr(parsed_args, "words", None) or [])], prefix)


def complete(parser: Parser) -> None:
    """Answer the shell, which asks through argcomplete's variables, and end the process."""
    argcomplete.CompletionFinder()(parser, always_complete_options=False, default_completer=Words())


def candidates(before: Sequence[str], word: str) -> list[str]:
    """Completions of ``word`` after the words ``before`` (the verb first)."""
    if not before:
        options = list(VERBS)
    elif before[0] == "completion":
        options = list(SHELLS)
    elif before[0] == "import":
        options = [f"{key}=" for key in known_settings()]
    elif before[0] == "export" and not word.startswith("run="):
        values = [*(f"format={name}" for name in FORMATS), *(f"as={kind}" for kind in KINDS)]
        options = values if "=" in word else [f"{key}=" for key in KEYS]
    elif before == ["reproduce"] and "=" not in word:
        options = experiments_in(Path("experiments"))
    elif before[0] == "reproduce" and len(before) > 1 and word.startswith("part="):
        options = [f"part={part}" for part in parts_of(Path("experiments") / before[1])]
    elif before[0] == "status":
        options = [*sweeps_in(Path("outputs")), "outputs="]
    elif before[0] == "search" and word.partition("=")[0] in CHOICES_OF_SEARCH:
        key = word.partition("=")[0]
        options = [f"{key}={value}" for value in CHOICES_OF_SEARCH[key]]
    elif before[0] in KEYS_OF_LISTS:
        options = _of_runs(before[0], word)
    elif word.startswith("run="):
        options = ["run=latest", *(f"run={path}" for path in _runs())]
    elif before[0] == "search" and word.startswith("space="):
        options = [f"space={name}" for name in group_options("search")]
    elif "=" in word:
        group = word.split("=")[0]
        options = [f"{group}={option}" for option in group_options(group)]
    else:
        options = list(_keys(_chosen(before)))
        options += [f"{key}=" for key in KEYS_OF_SEARCH] if before[0] == "search" else []
    return sorted(option for option in options if option.startswith(word))


def _of_runs(verb: str, word: str) -> list[str]:
    """Words of a verb that chooses among runs; after ``key=`` the values there are."""
    values = {"state": STATES, "experiment": sorted({path.parent.name for path in _runs()})}
    key, equals, _ = word.partition("=")
    if equals:
        return [f"{key}={value}" for value in values.get(key, ())]
    takes_many = verb not in ("diff", "rerun")
    conditions = (*values, "where") if takes_many else ()
    words = [*{"runs": ["remove"], "wandb": ACTIONS}.get(verb, []), LATEST]
    words += sweeps_in(Path("outputs")) if takes_many else []
    return [*words, *(f"{key}=" for key in (*conditions, *KEYS_OF_LISTS[verb])), *map(str, _runs())]


def _runs() -> list[Path]:
    """The folders of the runs in ./outputs."""
    return [path.parent for path in sorted(Path("outputs").glob("*/*/config.yaml"))]


def _chosen(before: Sequence[str]) -> dict[str, str]:
    """group -> option: the defaults, replaced by what stands on the line."""
    defaults = _read(conf_dir() / "config.yaml").get("defaults", [])
    chosen = {g: o for entry in defaults if isinstance(entry, dict) for g, o in entry.items()}
    return chosen | {g: o for g, _, o in (word.partition("=") for word in before) if g in chosen}


def _keys(chosen: dict[str, str]) -> Iterator[str]:
    yield from (f"{key}=" for key in _read(conf_dir() / "config.yaml") if key not in ("defaults", "hydra"))
    for group, option in chosen.items():
        yield f"{group}="
        yield from _flat(_option(group, option), f"{group}.")


def _option(group: str, option: str) -> dict[str, Any]:
    """The keys of an option, with those of the options it starts from; none for one that sets global keys."""
    path = next((p for folder in conf_dirs() if (p := folder / group / f"{option}.yaml").is_file()), None)
    if path is None or path.read_text(encoding="utf-8").startswith("# @package _global_"):
        return {}
    content = _read(path)
    parents = [entry for entry in content.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    return {key: value for parent in parents for key, value in _option(group, parent).items()} | content


def _flat(node: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in node.items():
        if key != "_target_":
            if isinstance(value, dict) and value:
                yield from _flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}="


def _read(path: Path) -> dict[str, Any]:
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
