"""Pages of the reference: every option of every config group, from conf/ and the signatures of the classes it names."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from cgexp.config.paths import conf_dir, group_options, groups
from cgexp.config.schema import settings
from cgexp.parts.ranges import Mark
from cgexp.parts.signatures import Signature, marks_of, read_signature
from cgexp.parts.sources import UnknownAnnotation
from cgexp.parts.values import mismatch

TARGET = "_target_"
KEY = re.compile(r"^(?P<indent> *)(?P<unset># )?(?P<name>\w+):(?: +(?P<value>[^#\s].*?))?(?: +#(?P<comment> .*))?$")
NOTES = {  # what a mark on a key means for a reader; the other marks are of no interest to one
    Mark.EXECUTION: "not part of the run id",
    Mark.CONTENT: "counts by its content",
}


@dataclass(frozen=True)
class Key:
    """A key of an option: its dotted path, the value there, and the comment on it; unset where it is commented out."""

    path: str
    value: str
    comment: str
    unset: bool = False


def write_reference(folder: Path) -> None:
    """Write a page for each group, one for the settings beside them, and a page that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in groups():
        (folder / f"{file_name(group)}.md").write_text(group_page(group), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")


def file_name(group: str) -> str:
    """The name of a group's page."""
    return group.replace("/", "_")


def group_page(group: str) -> str:
    """All options of a group, each with its keys, and the classes that they name."""
    options = [option for option in group_options(group) if (conf_dir() / group / f"{option}.yaml").exists()]
    texts = {option: text_of(group, option) for option in options}
    links = ", ".join(f"[{option}](#{anchor(f'{group}={option}')})" for option in options)
    purpose = purposes().get(group)
    parts = [f"# `{group}`" + (f": {escaped(purpose)}" if purpose else ""), f"Options: {links}."]
    for option, text in texts.items():
        parts += [f"## `{group}={option}`", header(text), listing(text) if "@package" in text else table(text, group)]
    classes = dict.fromkeys(re.findall(r"_target_: (cgexp\.[\w.]+)", "\n".join(texts.values())))
    if classes:
        parts.append("## Classes")
        parts += [part for target in classes for part in (f"### `{target}`", docstring(target), arguments(target))]
    return "\n\n".join(part for part in parts if part) + "\n"


def purposes() -> dict[str, str]:
    """Group -> what conf/config.yaml says of it."""
    text = (conf_dir() / "config.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^  - (\w+): \w+ +# ([^:;\n]+)", text, re.MULTILINE)
    return {group: re.sub(r" \(.*", "", purpose).strip() for group, purpose in found}


def settings_page() -> str:
    """The keys beside the groups."""
    text = (conf_dir() / "config.yaml").read_text(encoding="utf-8").partition("\nhydra:")[0]
    kinds = settings()
    rows = [row(key, kinds.get(key.path)) for key in keys(text) if key.path in kinds]
    return "# Settings beside the groups\n\n" + as_table(rows) + "\n"


def anchor(heading: str) -> str:
    """What a link to a heading is called."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def text_of(group: str, option: str) -> str:
    """The file of an option that ships."""
    return (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")


def header(text: str) -> str:
    """What an option's file says at its top, without Hydra's own line."""
    lines = [line for line in text.splitlines() if not line.startswith("# @package")]
    return escaped(" ".join(line[1:].strip() for line in takewhile(lambda line: line.startswith("#"), lines)))


def listing(text: str) -> str:
    """An option as it stands in its file."""
    return f"```yaml\n{text.rstrip()}\n```"


def table(text: str, group: str) -> str:
    """The keys of an option: value there, what it may be, what it is."""
    found = [key for key in keys(text) if not key.path.endswith(TARGET)]
    own, based_on = classes_of(text), bases(text)
    inherited = {node: name for base in based_on for node, name in classes_of(text_of(group, base)).items()}
    rows = [row(key, annotation(key.path, inherited | own)) for key in found]
    lines = [f"As [`{group}={base}`](#{anchor(f'{group}={base}')}), with" for base in based_on]
    if "" in own:
        name = own[""]
        lines.append(f"Class: [`{name}`](#{anchor(name)})." if name.startswith("cgexp.") else f"Class: `{name}`.")
    return "\n\n".join([*lines, as_table(rows)])


def classes_of(text: str) -> dict[str, str]:
    """Dotted path of a node ('' for the option itself) -> the class that it names."""
    return {key.path.rpartition(".")[0]: key.value for key in keys(text) if key.path.split(".")[-1] == TARGET}


def bases(text: str) -> list[str]:
    """The options of the same group that an option begins with."""
    found = re.search(r"^defaults:\n((?:  - .*\n)+)", text, re.MULTILINE)
    names = re.findall(r"^  - (\w+)(?: +#.*)?$", found[1], re.MULTILINE) if found else []
    return [name for name in names if name != "_self_"]


def annotation(path: str, classes: Mapping[str, str]) -> Any:
    """The annotation of a key in the class that its node names."""
    node, _, name = path.rpartition(".")
    signature = read_signature(classes[node]) if node in classes else None
    return None if signature is None else signature.parameters.get(name)


def keys(text: str) -> Iterator[Key]:
    """The keys of an option in the order of its lines, those that are commented out included."""
    lines = text.splitlines()
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        found = re.match(
            r"^(?P<indent> *)(?P<unset># )?(?P<name>\w+):(?: +(?P<value>[^#\s].*?))?(?: +#(?P<comment> .*))?$", line
        )
        if not found or (found["unset"] and not found["comment"]):
            continue
        depth = len(found["indent"])
        above = [(indent, name) for indent, name in above if indent < depth]
        path = ".".join([*(name for _, name in above), found["name"]])
        if path.split(".")[0] == "defaults":
            continue
        if not found["unset"]:
            above.append((depth, found["name"]))
        comment = found["comment"] or (lines[number - 1].strip() if number and not found["unset"] else "")
        yield Key(path, found["value"] or "", comment.lstrip("# ").strip(), bool(found["unset"]))


def row(key: Key, hint: Any) -> tuple[str, ...]:
    """A row of a table of keys."""
    value = "" if not key.value else f"`{key.value}`" + (" (unset)" if key.unset else "")
    marks = marks_of(hint) if hint is not None else frozenset()
    notes = [note for mark, note in NOTES.items() if mark in marks and note not in key.comment]
    meaning, kind = escaped("; ".join([key.comment, *notes]).strip("; ")), escaped(expected(hint))
    return f"`{key.path}`", value, f"{meaning} (*{kind}*)" if kind else meaning


def expected(hint: Any) -> str:
    """What a value must be, in the words of the message that refuses another one."""
    if hint is None or hint is UnknownAnnotation:
        return ""
    return re.sub(r"^one of (\S+)$", r"\1", mismatch(hint, object()) or "")


def as_table(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table of keys."""
    if not rows:
        return ""
    lines = ["| key | value | what it is, and what it may be |", "|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in rows)])


def docstring(target: str) -> str:
    """A class's docstring as text, with the paragraphs that it has; names of its arguments are code."""
    module, _, name = target.rpartition(".")
    text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    signature = read_signature(target)
    text = with_names_marked(text, signature.parameters if signature else ())
    return "\n\n".join(escaped(textwrap.dedent(part).replace("\n", " ")) for part in text.split("\n\n"))


def with_names_marked(text: str, names: Iterable[str]) -> str:
    """A docstring in which arguments that it explains, as ``cutoff: Å, ...``, are code."""
    known = "|".join(map(re.escape, names))
    if not known:
        return text
    several = re.compile(rf"(?<![\w`.])((?:{known})(?:, (?:{known}))*)(?=:\s)")
    return several.sub(lambda match: ", ".join(f"``{name}``" for name in match[1].split(", ")), text)


def arguments(target: str) -> str:
    """All arguments of a class: default, and what each may be."""
    signature = read_signature(target)
    if signature is None or not signature.parameters:
        return ""
    lines = ["| argument | default | may be |", "|---|---|---|"]
    for name, hint in signature.parameters.items():
        lines.append(f"| `{name}` | {default(signature, name)} | {escaped(expected(hint))} |")
    return "\n".join(lines)


def default(signature: Signature, name: str) -> str:
    """The default of an argument as code, 'required', or nothing where it is not written out."""
    if name in signature.required:
        return "required"
    return f"`{signature.defaults[name]!r}`" if name in signature.defaults else ""


def escaped(text: str) -> str:
    """Plain text as Markdown: what is between backticks stays code."""
    text = text.replace("``", "`")
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_\[\]<>{}#])", r"\\\1", part) for part in parts)
