"""cgexp: config-driven experiments with machine-learned coarse-grained force fields.

``cgexp.load(folder)`` opens a run, ``cgexp.load_dataset(name)`` a data set that ships with the package.
"""

from __future__ import annotations

__version__ = "0.1.0"
TYPE_CHECKING = False  # as typing has it, whose import would be a fifth of the time of `cgexp --help`
__all__ = ["Frames", "allow_parts", "load", "load_dataset"]

if TYPE_CHECKING:
    from cgexp.datasets.packaged import load_packaged as load_dataset
    from cgexp.frames import Frames
    from cgexp.parts.allowed import allow_parts
    from cgexp.runs.load import load

_PUBLIC = {
    "Frames": ("cgexp.frames", "Frames"),
    "allow_parts": ("cgexp.parts.allowed", "allow_parts"),
    "load": ("cgexp.runs.load", "load"),
    "load_dataset": ("cgexp.datasets.packaged", "load_packaged"),
}


def __getattr__(name: str) -> object:  # lazily, so that `import cgexp` costs nothing
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cgexp' has no attribute '{name}'")
    import importlib

    module, attribute = _PUBLIC[name]
    found: object = getattr(importlib.import_module(module), attribute)
    return found
