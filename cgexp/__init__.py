"""cgexp: config-driven experiments with machine-learned coarse-grained force fields.

In a notebook: ``load_dataset``, ``fit``, ``simulate``, ``compare`` (cgexp/notebook.py). ``load(folder)`` opens a run,
``load_bundle(path)`` an exported model.
"""

from __future__ import annotations

__version__ = "0.1.0"
TYPE_CHECKING = False  # as typing has it, whose import would be a fifth of the time of `cgexp --help`
__all__ = ["Frames", "allow_parts", "compare", "fit", "load", "load_bundle", "load_dataset", "simulate"]

if TYPE_CHECKING:
    from cgexp.frames import Frames
    from cgexp.interfaces.bundle import load_bundle
    from cgexp.notebook import compare, fit, simulate
    from cgexp.parts.allowed import allow_parts
    from cgexp.runs.load import load, load_dataset

_PUBLIC = {
    "Frames": ("cgexp.frames", "Frames"),
    "allow_parts": ("cgexp.parts.allowed", "allow_parts"),
    "load": ("cgexp.runs.load", "load"),
    "load_bundle": ("cgexp.interfaces.bundle", "load_bundle"),
    "load_dataset": ("cgexp.runs.load", "load_dataset"),
    **{name: ("cgexp.notebook", name) for name in ("fit", "simulate", "compare")},
}


def __getattr__(name: str) -> object:  # lazily, so that `import cgexp` costs nothing
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cgexp' has no attribute '{name}'")
    import importlib

    module, attribute = _PUBLIC[name]
    found: object = getattr(importlib.import_module(module), attribute)
    return found
