"""A GPU that is not there: torch's device ``meta`` has shapes and no numbers, and stands for it.

torch refuses there what a GPU would be waited for: a number that is asked for, and a shape that depends on numbers.
``NoHost`` refuses what is on the host and on the device in one operation, a copy between them included. (FakeTensorMode
with a cuda device does as much, but not in a torch that was built without CUDA.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("meta")


class NoHost(TorchDispatchMode):
    """Raises where an operation is given, or makes, tensors on the host; numbers that it is given are allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.n_operations = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._efficientzerotensor.default:  # autograd's sign for zeros, which has no memory
            return made
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor) and one.ndim]
        if any(one.device.type != DEVICE.type for one in (*given, *tree_leaves(made)) if isinstance(one, Tensor)):
            raise AssertionError(f"{function} has a tensor on the host")
        self.n_operations += 1
        return made


def move(owner: Any, seen: set[int] | None = None) -> None:
    """Move all tensors that an object holds, directly or in objects of cgexp and containers, to the device."""
    seen = set() if seen is None else seen
    if id(owner) in seen:
        return
    seen.add(id(owner))
    if isinstance(owner, nn.Module):
        owner.to(DEVICE)
    for name, value in list(getattr(owner, "__dict__", {}).items()):
        if isinstance(value, Tensor):
            object.__setattr__(owner, name, value.to(DEVICE))
        elif isinstance(value, list):
            value[:] = [one.to(DEVICE) if isinstance(one, Tensor) else one for one in value]
        elif isinstance(value, tuple) and any(isinstance(one, Tensor) for one in value):
            object.__setattr__(owner, name, tuple(one.to(DEVICE) if isinstance(one, Tensor) else one for one in value))
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if type(part).__module__.startswith("cgexp."):
                move(part, seen)
