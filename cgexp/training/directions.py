"""Random directions of configuration space, one set for each frame, as penalties of the force field need them."""

from __future__ import annotations

import torch
from torch import Tensor


def random_directions(coords: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` orthonormal directions for each frame, uniform over the sphere: [n, n_frames, n_beads, n_dims].

    coords: [n_frames, n_beads, n_dims], with at least ``n`` coordinates a frame. Drawn in float64 on the CPU and then
    brought to the type and device of ``coords``, so that neither changes what is drawn.
    """
    n_frames = len(coords)
    size = coords[0].numel()
    if size < n:
        raise ValueError(f"{n} orthonormal directions asked for in {size} coordinates")
    directions: list[Tensor] = []
    for _ in range(n):
        drawn = torch.randn(n_frames, size, generator=generator, dtype=torch.float64)
        for other in directions:  # Gram-Schmidt
            drawn = drawn - (drawn * other).sum(dim=1, keepdim=True) * other
        directions.append(drawn / drawn.norm(dim=1, keepdim=True))
    return torch.stack(directions).reshape(n, *coords.shape).to(coords)
