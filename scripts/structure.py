"""How the package is put together, in numbers; or its modules, each with the first line of its docstring.

    python scripts/structure.py            # numbers of the package
    python scripts/structure.py modules    # all modules by layer and folder
    python scripts/structure.py where      # the numbers, with the places that they count

A *part* is a class that an option in conf/ names, or one of this package that such a class inherits from.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cgexp"
TOP = 100  # layer of a folder that has none
READERS = ("config", "build", "cli")  # folders whose work is the config itself
UNTYPED = re.compile(r"\b(dict|Mapping|Config|Any)\b")
CONFIG = re.compile(r"\bConfig\b")


@dataclass(frozen=True)
class Module:
    """A file of the package: its path, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, path: Path) -> Module:
        text = path.read_text(encoding="utf-8")
        return cls(path, text, ast.parse(text))

    @property
    def name(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def folder(self) -> str:
        """The folder or file right below the package, '' for the package's own ``__init__.py``."""
        parts = self.name.split(".")
        return "" if parts[1] == "__init__" else parts[1]

    @property
    def first_line(self) -> str:
        return (ast.get_docstring(self.tree) or "").partition("\n")[0]

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {what}"

    def walk(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)


@lru_cache(maxsize=None)
def modules() -> list[Module]:
    return [Module.read(path) for path in sorted(PACKAGE.rglob("*.py"))]


def layers() -> tuple[tuple[str, ...], ...]:
    """The layers as tests/test_floors.py has them, the lowest first."""
    for node in ast.parse((ROOT / "tests" / "test_floors.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "LAYERS":
            return ast.literal_eval(node.value)
    raise LookupError("tests/test_floors.py has no LAYERS")


def last_name(node: ast.expr) -> str:
    """``b`` of ``b``, ``a.b`` and ``a.b[c]``."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def parts(files: Sequence[Module]) -> set[str]:
    """Names of the classes that options name, and of the package's own classes that these inherit from."""
    bases = {
        node.name: [last_name(base) for base in node.bases]
        for file in files
        for node in file.walk()
        if isinstance(node, ast.ClassDef)
    }
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "conf").rglob("*.yaml")]
    targets = {target for text in texts for target in re.findall(r"_target_: cgexp\.[\w.]*?(\w+)\b(?![.\w])", text)}
    found: set[str] = set()
    while targets:
        name = targets.pop()
        if name in bases and name not in found:
            found.add(name)
            targets.update(bases[name])
    return found


def untyped_signatures(files: Sequence[Module], words: re.Pattern[str] = UNTYPED) -> list[str]:
    """Functions with an argument whose annotation has one of these words."""
    places = []
    for file in files:
        for node in file.walk():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
                annotations = [ast.unparse(a.annotation) for a in arguments if a.annotation is not None]
                if any(words.search(text) for text in annotations):
                    places.append(file.at(node, node.name))
    return places


def others_than(folders: Sequence[str], files: Sequence[Module]) -> list[Module]:
    return [file for file in files if file.folder not in folders]


def calls(files: Sequence[Module]) -> Iterator[tuple[Module, ast.Call, str]]:
    for file in files:
        for node in file.walk():
            if isinstance(node, ast.Call):
                yield file, node, last_name(node.func)


def builds(files: Sequence[Module]) -> list[str]:
    return [file.at(node, ast.unparse(node)) for file, node, name in calls(files) if name == "build"]


def isinstance_of_parts(files: Sequence[Module], names: set[str]) -> list[str]:
    places = []
    for file, node, name in calls(files):
        if name == "isinstance" and len(node.args) == 2:
            kinds = {last_name(kind) for kind in ast.walk(node.args[1]) if isinstance(kind, (ast.Name, ast.Attribute))}
            if kinds & names:
                places.append(file.at(node, ast.unparse(node)))
    return places


def endings_of_class_names(files: Sequence[Module]) -> list[str]:
    """Calls of ``endswith`` that are given the end of a class name, such as 'LR' or 'packaged.Packaged'."""
    places = []
    for file, node, name in calls(files):
        if name == "endswith" and node.args:
            texts = [text.value for text in ast.walk(node.args[0]) if isinstance(text, ast.Constant)]
            if any(isinstance(text, str) and re.fullmatch(r"(\w+\.)*[A-Z]\w+", text) for text in texts):
                places.append(file.at(node, ast.unparse(node)))
    return places


def imports_of_folders(files: Sequence[Module]) -> list[tuple[str, str, str]]:
    """Import statements of another folder: place, importing folder, imported folder."""
    found = []
    for file in files:
        for node in file.walk():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top, _, rest = name.partition(".")
                folder = rest.partition(".")[0]
                if top == "cgexp" and folder and file.folder not in ("", folder):
                    found.append((file.at(node, name), file.folder, folder))
    return found


def counts() -> list[tuple[str, list[str] | str]]:
    """What is counted: in words, and the places or a number."""
    files = modules()
    lines = [len(file.text.splitlines()) for file in files]
    layer = {folder: number for number, folders in enumerate(layers()) for folder in folders}
    between = imports_of_folders(files)
    down = [place for place, folder, other in between if layer.get(other, TOP) < layer.get(folder, TOP)]
    others = [place for place, folder, other in between if 0 < layer.get(folder, TOP) <= layer.get(other, TOP)]
    return [
        ("files", str(len(files))),
        ("lines", str(sum(lines))),
        ("median lines of a file", f"{statistics.median(lines):g}"),
        ("lines of the largest file", str(max(lines))),
        ("files of more than 350 lines", [f.name for f, n in zip(files, lines, strict=True) if n > 350]),
        ("files of 40 lines or fewer", [f.name for f, n in zip(files, lines, strict=True) if n <= 40]),
        ("signatures that take Config, Any, a dict or a Mapping", untyped_signatures(files)),
        ("  of these Config or Any", untyped_signatures(files, re.compile(r"\b(Config|Any)\b"))),
        ("  of these a Config outside config, build and cli", untyped_signatures(others_than(READERS, files), CONFIG)),
        ("calls of build", builds(files)),
        ("isinstance on parts", isinstance_of_parts(files, parts(files))),
        ("endswith on class names", endings_of_class_names(files)),
        ("imports from a lower layer", down),
        ("imports from the same layer or a higher one", others),
    ]


def print_modules() -> None:
    """All modules with the first line of their docstrings, by layer (the highest first) and folder."""
    files = modules()
    for number, folders in reversed(list(enumerate(layers()))):
        print(f"layer {number}")
        for folder in folders:
            for file in files:
                if file.folder == folder:
                    name = file.name.removeprefix("cgexp.").removesuffix(".__init__")
                    print(f"  {name:<40} {file.first_line}")


def main(arguments: Sequence[str]) -> int:
    if arguments == ["modules"]:
        print_modules()
    elif arguments in ([], ["where"]):
        for what, found in counts():
            print(f"{what:<56} {found if isinstance(found, str) else len(found)}")
            if arguments and not isinstance(found, str):
                print("".join(f"    {place}\n" for place in found), end="")
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
