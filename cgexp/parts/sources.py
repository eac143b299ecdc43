"""Classes read from their source text: where they are defined, what they inherit from, what their fields say.

Nothing but the standard library and the light modules of LIGHT is imported, so that checking a network costs no torch,
and naming a class in a config runs no code of its package.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Union

from cgexp.errors import did_you_mean, shown

TEMPLATE = "cgexp.build.Template"
FOREIGN = "cgexp.parts.foreign"  # stands for modules of torch and Lightning
LIGHT = ("typing", "collections.abc", "pathlib", "annotated_types", "cgexp.parts.ranges")


class UnknownAnnotation(TypeError):
    """An annotation that says nothing that a value could be checked against."""


class ObjectOf:
    """Stands for a class that is not imported: ``dotted`` is the name under which it is defined."""

    dotted: ClassVar[str]
    is_template: ClassVar[bool] = False  # whether a cgexp.build.Template of it is wanted


@dataclass(frozen=True, eq=False)
class Module:
    """A module's source text. package: what relative imports in it start from."""

    name: str
    path: Path
    package: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))

    @cached_property
    def names(self) -> Mapping[str, ast.ClassDef | ast.expr | str]:
        """What names of the module stand for: a class, an expression, or the dotted name of something imported."""
        return dict(_bindings(self.tree.body, self.package))


def _bindings(body: list[ast.stmt], package: str) -> Iterator[tuple[str, ast.ClassDef | ast.expr | str]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            yield from ((alias.asname or alias.name, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                (a.asname or a.name.split(".")[0], a.name if a.asname else a.name.split(".")[0]) for a in node.names
            )
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.If):  # if TYPE_CHECKING
            yield from _bindings(node.body, package)


@dataclass(frozen=True, eq=False)
class ClassSource:
    """A class as it stands in its module."""

    node: ast.ClassDef
    module: Module

    @property
    def dotted(self) -> str:
        """Its name with that of the module it is defined in."""
        return f"{self.module.name}.{self.node.name}"

    @cached_property
    def bases(self) -> list[ClassSource]:
        """The classes it inherits from directly, as far as their sources can be read."""
        found = [find_class(name) for name in self.base_names]
        return [base for base in found if base is not None]

    @cached_property
    def base_names(self) -> list[str]:
        """Dotted names of the classes it inherits from directly."""
        bases = (b.value if isinstance(b, ast.Subscript) else b for b in self.node.bases)
        return [name for base in bases if (name := dotted_name(base, self.module)) is not None]

    @cached_property
    def lineage(self) -> frozenset[str]:
        """Dotted names of the class and of all it inherits from."""
        own = {self.dotted, *self.base_names, *([kind] if (kind := self.literal("kind")) else [])}
        return frozenset(own.union(*(base.lineage for base in self.bases)))

    @cached_property
    def is_dataclass(self) -> bool:
        decorators = (d.func if isinstance(d, ast.Call) else d for d in self.node.decorator_list)
        return any(dotted_name(d, self.module) == "dataclasses.dataclass" for d in decorators)

    def literal(self, name: str, default: Any = None, inherited: bool = True) -> Any:
        """A class variable whose value is written out, of the class or the nearest that it inherits from."""
        for item in self.node.body:
            target: ast.expr
            if isinstance(item, ast.AnnAssign) and item.value is not None:
                target, value = item.target, item.value
            elif isinstance(item, ast.Assign):
                target, value = item.targets[0], item.value
            else:
                continue
            if isinstance(target, ast.Name) and target.id == name:
                try:
                    return ast.literal_eval(value)
                except ValueError:
                    return default
        for base in self.bases if inherited else ():
            if (found := base.literal(name)) is not None:
                return found
        return default


def fact(target: str, name: str, default: Any = None, inherited: bool = True) -> Any:
    """A literal class variable of the class that a config names, ``default`` where it has none."""
    found = find_class(target)
    return default if found is None else found.literal(name, default, inherited)


@lru_cache(maxsize=None)
def find_class(dotted: str) -> ClassSource | None:
    """The class of a dotted name, followed through the imports of its module; None where there is none."""
    module_name, _, name = dotted.rpartition(".")
    if (stand_in := _foreign(module_name, name)) is not None:
        return stand_in
    module = find_module(module_name)
    bound = None if module is None else module.names.get(name)
    if isinstance(bound, ast.ClassDef) and module is not None:
        return ClassSource(bound, module)
    return find_class(bound) if isinstance(bound, str) and bound != dotted else None


def why_no_class(dotted: str) -> str:
    """What of a dotted name is wrong, for which ``find_class`` found nothing: its module, or the class in it."""
    module_name, _, name = dotted.rpartition(".")
    module = find_module(module_name)
    if module is not None:
        classes = [known for known, bound in module.names.items() if isinstance(bound, ast.ClassDef)]
        return f"the module {module_name} has no class {shown(name)}{did_you_mean(name, classes)}"
    outer, _, inner = module_name.rpartition(".")
    while outer and find_module(outer) is None:
        outer, _, inner = outer.rpartition(".")
    if not outer:
        return f"there is no module {shown(module_name)}: install it, or check its spelling"
    return f"{outer} has no module {shown(inner)}{did_you_mean(inner, _modules_in(outer))}"


def _modules_in(package: str) -> list[str]:
    found = find_module(package)
    folder = None if found is None or found.path.name != "__init__.py" else found.path.parent
    return [] if folder is None else [path.stem for path in folder.iterdir() if path.suffix in (".py", "")]


def _foreign(module_name: str, name: str) -> ClassSource | None:
    if not module_name.startswith(("torch.optim", "pytorch_lightning.callbacks")):
        return None
    module = find_module(FOREIGN)
    node = None if module is None else module.names.get(name)
    if not isinstance(node, ast.ClassDef) or module is None:
        return None
    found = ClassSource(node, module)
    return found if module_name == found.literal("module") else None


@lru_cache(maxsize=None)
def find_module(dotted: str) -> Module | None:
    """The source of a module, found without importing it or the package that it is in."""
    parts = dotted.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not spec.submodule_search_locations:  # a package of one file
        path = Path(spec.origin or "")
        return Module(dotted, path, "") if len(parts) == 1 and path.suffix == ".py" else None
    for root in spec.submodule_search_locations:
        folder = Path(root).joinpath(*parts[1:])
        if (folder / "__init__.py").is_file():
            return Module(dotted, folder / "__init__.py", dotted)
        if len(parts) > 1 and folder.with_suffix(".py").is_file():
            return Module(dotted, folder.with_suffix(".py"), dotted.rpartition(".")[0])
    return None


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")
    return ".".join(base[: len(base) - (node.level - 1)] + ([node.module] if node.module else []))


def dotted_name(node: ast.expr, module: Module) -> str | None:
    """The full name of what a name in a module refers to, as far as its imports say."""
    if isinstance(node, ast.Name):
        bound = module.names.get(node.id)
        return bound if isinstance(bound, str) else f"{module.name}.{node.id}" if bound else f"builtins.{node.id}"
    if isinstance(node, ast.Attribute):
        outer = dotted_name(node.value, module)
        return None if outer is None else f"{outer}.{node.attr}"
    return None


def annotation(node: ast.expr, module: Module) -> Any:
    """An annotation as an object of ``typing``, in which an ObjectOf stands for each class that is not imported.

    Raises UnknownAnnotation for one that cannot be read.
    """
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return annotation(ast.parse(node.value, mode="eval").body, module)
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[annotation(node.left, module), annotation(node.right, module)]  # noqa: UP007 - made at run time
    if isinstance(node, ast.Tuple | ast.List):
        items = tuple(annotation(item, module) for item in node.elts)
        return items if isinstance(node, ast.Tuple) else list(items)
    if isinstance(node, ast.Subscript):
        outer, name = annotation(node.value, module), dotted_name(node.value, module)
        if name == "typing.Literal":
            return outer[ast.literal_eval(node.slice)]
        if name == TEMPLATE:
            return template_of(annotation(node.slice, module).dotted)  # in a config it is the part itself
        if isinstance(outer, type) and issubclass(outer, ObjectOf):
            return outer  # what a class is made of is its own matter
        return outer[annotation(node.slice, module)]
    if isinstance(node, ast.Call):  # metadata, as Ge(0)
        arguments = [ast.literal_eval(argument) for argument in node.args]
        return annotation(node.func, module)(
            *arguments, **{k.arg or "": ast.literal_eval(k.value) for k in node.keywords}
        )
    name = dotted_name(node, module)
    if name is None:
        raise UnknownAnnotation(ast.unparse(node))
    return _named(name)


@lru_cache(maxsize=None)
def _named(dotted: str) -> Any:
    outer, _, name = dotted.rpartition(".")
    if outer == "builtins":
        if not hasattr(builtins, name):
            raise UnknownAnnotation(name)
        return getattr(builtins, name)
    if outer in LIGHT:
        return getattr(importlib.import_module(outer), name)
    found = find_class(dotted)
    if found is not None:
        return object_of(found.literal("kind", found.dotted) if found.module.name == FOREIGN else found.dotted)
    module = find_module(outer)
    bound = None if module is None else module.names.get(name)
    if isinstance(bound, str) and bound != dotted:
        return _named(bound)
    if isinstance(bound, ast.expr) and module is not None:
        return annotation(bound, module)
    return object_of(dotted)


@lru_cache(maxsize=None)
def object_of(dotted: str) -> type[ObjectOf]:
    """What stands for the class of that name."""
    module, _, name = dotted.rpartition(".")
    return type(name, (ObjectOf,), {"dotted": dotted, "__module__": module})


@lru_cache(maxsize=None)
def template_of(dotted: str) -> type[ObjectOf]:
    """What stands for a Template of the class of that name."""
    found = object_of(dotted)
    return type(found.__name__, (found,), {"is_template": True, "__module__": found.__module__})
