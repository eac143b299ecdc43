"""The floors of the house: a room imports only from floors below its own, and light rooms stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cgexp

ROOT = Path(cgexp.__file__).parent
FLOORS = (
    (
        "units",
        "frames",
        "build",
        "errors",
        "parts",
        "stability",
        "progress",
        "cards",
        "messages",
        "curves",
        "executor",
        "quantised",
    ),
    ("config", "systems", "geometry", "store"),
    ("energy",),
    ("priors", "models", "analysis"),
    ("kernels",),
    ("simulation", "training", "all_atom"),
    ("datasets", "interfaces"),
    ("oracles",),
    ("active", "report"),
    ("runs",),
    ("studies",),
    ("cli", "testing", "notebook"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# parts, errors and units serve all: the ground floor has a cellar
CELLAR = ("errors", "units", "parts")
ONLY_IN = {
    "hydra": ("config",),
    "pytorch_lightning": ("training",),
    "wandb": ("report",),
    "openmm": ("all_atom", "interfaces"),  # there only in the script that goes with a bundle
    "ase": ("interfaces",),
    "safetensors": ("interfaces",),
}


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_floors_below(path: Path) -> None:
    room = room_of(path)
    assert room in FLOOR, f"{room} has no floor: add it to FLOORS and to docs/architecture.md"
    for module in imports(path):
        parts = module.split(".")
        if parts[0] in ONLY_IN:
            assert room in ONLY_IN[parts[0]], f"{module} belongs in {' or '.join(ONLY_IN[parts[0]])}"
        if parts[0] == "cgexp" and len(parts) > 1 and parts[1] != room and parts[1] not in CELLAR:
            assert FLOOR[parts[1]] < FLOOR[room], f"{room} (floor {FLOOR[room]}) imports {module}"


def test_the_table_of_floors_is_this_one() -> None:
    lines = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d+ \|", line)]
    written = {int(number): set(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows}
    assert written == {number: set(rooms) for number, rooms in enumerate(FLOORS)}


def test_files_are_small() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in FILES}
    assert max(sizes.values()) <= 350


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(m for m in sys.modules if '.' not in m))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import cgexp", "import cgexp.cli.main", "import cgexp.config.checks"])
def test_light_rooms_import_nothing_heavy(statement: str) -> None:
    heavy = {"torch", "hydra", "pytorch_lightning", "wandb", "matplotlib", "openmm", "mdtraj", "scipy", "ase"}
    assert not modules_after(statement) & heavy


def test_loading_needs_no_hydra_lightning_or_wandb() -> None:
    loaded = modules_after("import cgexp; cgexp.load; cgexp.load_dataset; import cgexp.models.potential")
    assert not loaded & {"hydra", "omegaconf", "pytorch_lightning", "wandb"}
