"""Tab completion for bash and zsh: verbs, config groups with their options, and keys. Imports no Hydra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cgexp.cli.export import FORMATS, KEYS
from cgexp.cli.verbs import VERBS
from cgexp.config.paths import conf_dir, conf_dirs, group_options
from cgexp.config.study import experiments_in, parts_of
from cgexp.errors import InputError

BASH = """_cgexp() {
  local IFS=$'\\n' word="${COMP_LINE:0:$COMP_POINT}"
  COMPREPLY=( $(cgexp _complete "$word") )
  local last="${word##* }" cut
  cut="${last%"${last##*=}"}"  # readline completes only what stands behind the last '='
  [[ $COMP_WORDBREAKS == *=* && -n $cut ]] && COMPREPLY=( "${COMPREPLY[@]#"$cut"}" )
}
complete -o nospace -F _cgexp cgexp"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n" + BASH


def main(arguments: Sequence[str]) -> int:
    """Print the shell code that switches completion on."""
    shells = {"bash": BASH, "zsh": ZSH}
    shell = arguments[0] if arguments else "bash"
    if shell not in shells:
        raise InputError(f"no completion for '{shell}': expected one of {', '.join(shells)}")
    print(shells[shell])
    return 0


def complete(arguments: Sequence[str]) -> int:
    """Print the words that may stand at the end of a command line, one a line."""
    line = arguments[0] if arguments else ""
    words = line.split()
    word = words[-1] if words and not line.endswith(" ") else ""
    for candidate in candidates(words[1:] if word == "" else words[1:-1], word):
        print(candidate)
    return 0


def candidates(before: Sequence[str], word: str) -> list[str]:
    """Completions of ``word`` after the words ``before`` (the verb first)."""
    if not before:
        options = [f"{verb} " for verb in VERBS]
    elif before[0] == "completion":
        options = ["bash ", "zsh "]
    elif before[0] == "export":
        options = [f"{key}=" for key in KEYS] if "=" not in word else [f"format={name} " for name in FORMATS]
    elif before == ["reproduce"] and "=" not in word:
        options = [f"{name} " for name in experiments_in(Path("experiments"))]
    elif before[0] == "reproduce" and len(before) > 1 and word.startswith("part="):
        options = [f"part={part} " for part in parts_of(Path("experiments") / before[1])]
    elif "=" in word:
        group = word.split("=")[0]
        options = [f"{group}={option} " for option in group_options(group)]
    else:
        options = list(_keys(_chosen(before)))
    return sorted(option for option in options if option.startswith(word))


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
            yield f"{prefix}{key}" + ("." if isinstance(value, dict) else "=")
            if isinstance(value, dict):
                yield from _flat(value, f"{prefix}{key}.")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
