"""What a config may set of Hydra itself, which makes objects, opens log files and sets environments when it is told to.

A file may choose a launcher or a sweeper that ships or that the user allows (``parts=[hydra_plugins.mine]``) and set
its arguments; all else under ``hydra`` counts only if the command line says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cgexp.errors import InputError, shown
from cgexp.parts.allowed import stated_parts

if TYPE_CHECKING:
    from omegaconf import DictConfig

OF_THE_CLUSTER = (  # launchers of cgexp[cluster], and that of Dask
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    "hydra_plugins.cgexp_dask_launcher.DaskLauncher",
)
QUIET = {"version": 1, "root": None, "disable_existing_loggers": False}
# key under hydra -> the values that a file may give it
FIXED: Mapping[str, tuple[Any, ...]] = {
    "callbacks": ({}, None),
    "job_logging": (QUIET,),
    "hydra_logging": (QUIET,),
    "output_subdir": (None,),
    "run.dir": (".",),
    "sweep.subdir": ("${hydra.job.num}",),
    "job.chdir": (False,),
    "job.env_set": ({},),
    "launcher.setup": (None,),  # shell commands of a SLURM job
    "launcher.submitit_folder": (None, "${hydra.sweep.dir}/.submitit/%j"),
    "launcher.temp_folder": (None,),
    "launcher.address": ("???",),  # of a scheduler of Dask
    "launcher.additional_parameters": (None, {}),
    "launcher.name": ("${hydra.job.name}",),
    "job.name": ("cgexp",),
}
SWEEPS = "${outputs}/.sweeps/"


def require_known_plugins(node: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError if a config's hydra node makes or writes something on its own, or its launcher lacks a value.

    overrides: of the command line, where the user may say anything but ``_target_``.
    """
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.to_container(node, resolve=False)
    shipped = (*_basic(), *OF_THE_CLUSTER)
    for place, target in _targets(settings):
        if target not in shipped and not str(target).startswith(tuple(f"{name}." for name in stated_parts())):
            raise InputError(
                f"hydra.{place}={shown(target)} is not allowed: expected a launcher or sweeper that ships with Hydra "
                "or cgexp[cluster], or one of a package that you allow with parts=[<package>]"
            )
    lacking = [f"hydra.launcher.{key}" for key, value in (settings.get("launcher") or {}).items() if value == "???"]
    if lacking:
        raise InputError(f"{lacking[0]} is missing a value: set {lacking[0]}=<value>")
    given = " ".join(overrides)
    said = tuple(f"hydra.{key}" for key in FIXED if any(o.lstrip("+~").startswith(f"hydra.{key}") for o in overrides))
    for key, values in FIXED.items():
        found = _at(settings, key)
        if found not in (*values, _MISSING) and f"hydra.{key}" not in said:
            raise InputError(f"hydra.{key} is set by a config file: leave it out, or set it on the command line")
    for key, value in (settings.get("launcher") or {}).items():
        plain = not isinstance(value, str) or (value.isprintable() and "${" not in value)
        if not plain and value not in FIXED.get(f"launcher.{key}", ()) and f"hydra.launcher.{key}=" not in given:
            raise InputError(
                f"hydra.launcher.{key}={shown(value)} is set by a config file: expected one line of plain text, as it "
                "goes into a script"
            )
    folder = str(_at(settings, "sweep.dir"))
    if not (folder.startswith(SWEEPS) and ".." not in folder) and not any("hydra.sweep.dir=" in o for o in overrides):
        raise InputError("hydra.sweep.dir is set by a config file: leave it out, or set it on the command line")


def is_basic(sweeper: DictConfig) -> bool:
    """Whether a sweeper is Hydra's own, which runs all combinations of values."""
    return str(sweeper["_target_"]) in _basic()


_MISSING = object()


def _basic() -> Iterator[str]:
    """The launcher and the sweeper that Hydra itself brings, as it registers them."""
    from hydra.core.config_store import ConfigStore

    for group in ("launcher", "sweeper"):
        yield ConfigStore.instance().load(f"hydra/{group}/basic.yaml").node["_target_"]


def _at(node: Any, key: str) -> Any:
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return _MISSING
        node = node[name]
    return node


def _targets(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever below a node names something that is called: a ``_target_``, or a factory of ``logging``."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for name, child in items:
        here = f"{place}.{name}" if place else str(name)
        if name in ("_target_", "()", "class"):
            yield here, child
        yield from _targets(child, here)
