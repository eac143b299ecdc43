"""Every part says what it takes in words that the checker understands, and what stands for torch is like torch."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import cgexp
from cgexp.build import build
from cgexp.config.schema import groups, settings
from cgexp.errors import InputError
from cgexp.parts.foreign import __file__ as FOREIGN_FILE
from cgexp.parts.signatures import read_signature
from cgexp.parts.sources import find_class
from cgexp.parts.values import kinds, require_known
from cgexp.training.losses import ErrorTerm

ROOT = Path(cgexp.__file__).parent
# arguments that exist only at run time
RUN_TIME = {"params", "optimizer", "total_steps", "T_max"}


def classes(path: Path) -> list[str]:
    module = ".".join((path.relative_to(ROOT.parent)).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [f"{module}.{node.name}" for node in tree.body if isinstance(node, ast.ClassDef)]


def is_part(target: str) -> bool:
    found = find_class(target)
    return found is not None and "cgexp.parts.part.Part" in found.lineage


PARTS = [target for path in sorted(ROOT.rglob("*.py")) for target in classes(path) if is_part(target)]
STAND_INS = [name for name in classes(Path(FOREIGN_FILE)) if (found := find_class(name)) and found.bases]


def test_there_are_parts() -> None:
    assert len(PARTS) > 60
    for group in groups().values():
        assert group.kinds


@pytest.mark.parametrize("target", PARTS)
def test_every_annotation_is_understood(target: str) -> None:
    signature = read_signature(target)
    assert signature is not None
    assert not signature.takes_anything
    for name, hint in signature.parameters.items():
        assert hint is not None, f"{target} does not annotate {name}"
        require_known(hint)
        for kind in kinds(hint):
            assert is_part(kind.dotted) or "Callback" in kind.dotted, (
                f"{target}.{name}: no config can give {kind.dotted}"
            )


def test_every_setting_is_understood() -> None:
    for hint in settings().values():
        require_known(hint)


@pytest.mark.parametrize("name", STAND_INS)
def test_what_stands_for_a_class_takes_what_the_class_takes(name: str) -> None:
    found, signature = find_class(name), read_signature(name)
    assert found is not None
    assert signature is not None
    real = getattr(importlib.import_module(found.literal("module")), found.node.name)
    taken = inspect.signature(real.__init__).parameters
    assert signature.parameters.keys() <= taken.keys()
    kind = importlib.import_module(found.literal("kind").rpartition(".")[0])
    assert issubclass(real, getattr(kind, found.literal("kind").rpartition(".")[2]))
    for argument, hint in signature.parameters.items():
        if argument not in RUN_TIME:
            require_known(hint)
            default = taken[argument].default
            assert (default is inspect.Parameter.empty) == (argument in signature.required), argument
            if argument in signature.defaults:
                assert signature.defaults[argument] == default or isinstance(default, float), argument


def test_mistakes_in_ones_own_module_say_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mylab_bare.py").write_text(
        "from cgexp.training.losses import ErrorTerm\n\n\nclass Bare(ErrorTerm):\n"
        "    def __init__(self, delta=1.0):\n        super().__init__(delta)\n"
    )
    (tmp_path / "mylab_broken.py").write_text("class Broken(:\n")
    monkeypatch.setenv("CGEXP_PARTS", "mylab_bare,mylab_broken")
    with pytest.raises(InputError, match=r"delta has no annotation in mylab_bare\.Bare"):
        build({"_target_": "mylab_bare.Bare", "delta": 2.0}, ErrorTerm)
    with pytest.raises(SyntaxError, match=r"mylab_broken\.py"):
        build({"_target_": "mylab_broken.Broken"}, ErrorTerm)
