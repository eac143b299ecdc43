"""Hydra opens files of the folders of options alone: a path that leads out of one is refused before it is read."""

from __future__ import annotations

from pathlib import PurePosixPath

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin

from cgexp.errors import InputError, shown

SCHEME = "cgexp-inside"


class PathsOutside(ConfigSource):
    """The source of every option whose path leads out of its folder of options. What is asked of it is refused."""

    @staticmethod
    def scheme() -> str:
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        raise InputError(f"{shown(config_path)} leads out of its folder of options: name an option that lies in it")

    def is_config(self, config_path: str) -> bool:
        path = PurePosixPath(config_path)
        return path.is_absolute() or ".." in path.parts

    def is_group(self, config_path: str) -> bool:
        return False

    def available(self) -> bool:
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return []


class AskedFirst(SearchPathPlugin):
    """Lets Hydra ask ``PathsOutside`` before it looks into any folder."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.prepend(provider="cgexp", path=f"{SCHEME}://")


def read_inside_only() -> None:
    """Have Hydra, in this process, refuse paths that lead out of a folder of options."""
    for plugin in (PathsOutside, AskedFirst):
        Plugins.instance().register(plugin)
