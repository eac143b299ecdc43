"""What is installed with the package is what it imports, and the conda recipe asks for the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml

import cgexp

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # where conda-forge has another name
IN_PYPI = {"openmmtorch": "acellera-openmmtorch-cpu"}  # where a module that need not be installed has another name
NOT_IN_PYPI = {"mlcg"}  # asked for by a script that goes with a bundle alone
BROUGHT = {"joblib"}  # by another package that needs it as much as we do: hydra-joblib-launcher


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!\[ ]", requirement)[0].lower().replace("_", "-")


def imported() -> set[str]:
    """Modules of other packages that the package imports."""
    found: set[str] = set()
    for path in (ROOT / "cgexp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"cgexp"}


def test_what_is_imported_is_asked_for() -> None:
    extras = [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
    asked = {name_of(requirement) for requirement in [*PROJECT["dependencies"], *extras]} | BROUGHT
    installed = packages_distributions()
    missing = {
        module
        for module in imported()
        if not asked & {name_of(name) for name in [*installed.get(module, []), IN_PYPI.get(module, module)]}
    }
    assert missing - NOT_IN_PYPI == set(), "name the package in pyproject.toml"


def test_the_conda_recipe_asks_for_the_same() -> None:
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == PROJECT["version"] == cgexp.__version__
    wanted = {"python >=3.11"}
    for requirement in PROJECT["dependencies"]:
        name = name_of(requirement)
        wanted.add(f"{OF_CONDA.get(name, name)} {requirement[len(name) :]}")
    assert set(recipe["requirements"]["run"]) == wanted
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == f"cgexp = {PROJECT['scripts']['cgexp']}"
