"""Training checkpoints as plain arrays and JSON: atomic, checksummed, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.plugins.io import CheckpointIO

from cgexp.store import read_arrays, write_arrays


class ArrayCheckpointIO(CheckpointIO):
    """Stores Lightning's nested checkpoint as one checksummed array file.

    Tensors become arrays; the rest of the tree becomes JSON with tags for what JSON lacks (tuples, non-text keys).
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        tree = encode(checkpoint, arrays)
        # not synced: twice an epoch that would cost small networks a tenth of their time; a damaged one is noticed
        write_arrays(Path(path), arrays, {"checkpoint": tree}, durable=False)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        arrays, meta = read_arrays(Path(path))
        checkpoint: dict[str, Any] = decode(meta["checkpoint"], arrays)
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def encode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Turn a tree of dicts, lists, tuples, tensors and plain values into JSON; tensors go to ``arrays``."""
    if isinstance(value, torch.Tensor):
        name = f"t{len(arrays)}"
        arrays[name] = value.detach().cpu().numpy()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[encode(key, arrays), encode(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encode(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds a {type(value).__name__}: expected tensors, numbers, texts and containers")


def decode(tree: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The inverse of ``encode``."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return torch.from_numpy(np.array(arrays[content]))
    if kind == "dict":
        return {decode(key, arrays): decode(item, arrays) for key, item in content}
    items = [decode(item, arrays) for item in content]
    return tuple(items) if kind == "tuple" else items
