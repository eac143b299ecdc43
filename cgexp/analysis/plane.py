"""PlaneAnalysis: a model of a toy in the plane against the exact force, and whether its force has an energy."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cgexp.analysis.curves import PlaneMaps
from cgexp.analysis.ensemble import replica_metrics
from cgexp.analysis.result import Analysis, Evaluation, Simulated
from cgexp.analysis.toy import as_coords
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import GridSize, Positive
from cgexp.systems.base import System
from cgexp.systems.plane import Plane

BATCH = 8192  # points at a time: bounds the memory of the derivatives
N_NODES = 64  # Gauss-Legendre points an edge: 6 for each of the 10 periods of toy_julia's finest ripple in length 1

Values = NDArray[np.float64]


class PlaneAnalysis(Analysis):
    """Metrics and curves of a force field F(x, y).

    square: from and to which x and y the model is compared with the exact force, length; None: the system's own range.
    n_grid: points a side of the grid. loop_side: of the squares around which the work is taken, length.
    """

    def __init__(
        self,
        square: tuple[float, float] | None = None,
        n_dims: Literal[2] = 2,
        n_grid: GridSize = 201,
        loop_side: Positive = 1.0,
    ) -> None:
        if square is not None and not square[0] < square[1]:
            raise InputError(f"analysis.square=[{square[0]}, {square[1]}] is empty: expected [lowest, highest]")
        self.square, self.n_dims, self.n_grid, self.loop_side = square, n_dims, n_grid, loop_side

    def evaluate(
        self, system: System, potential: nn.Module, frames: Frames, trajectory: Simulated | None, burn_in: float
    ) -> Evaluation:
        """Compare ``potential`` (models.Potential) with the exact force of ``system``.

        trajectory: simulation.Trajectory, whose failed replicas are counted, or None. burn_in is not used.
        """
        plane = Plane.expect(system, "the analysis of the plane")
        low, high = self.square or plane.evaluation_range
        if high - low < self.loop_side:
            raise InputError(
                f"analysis.loop_side={self.loop_side} is longer than the square [{low}, {high}]: expected at most "
                f"{high - low}; lower it or widen analysis.square"
            )
        line = np.linspace(low, high, self.n_grid)
        points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)  # [n_grid, n_grid, 2], x first
        exact = plane.force(points)
        force, jacobian = force_and_jacobian(potential, points.reshape(-1, 2))
        error = force.reshape(points.shape) - exact
        curl = jacobian[:, 1, 0] - jacobian[:, 0, 1]
        scale = _rms(np.linalg.norm(plane.force_jacobian(points), axis=(-2, -1)))
        metrics = {
            "force_rmse_relative": _rms(error) / _rms(exact - exact.mean(axis=(0, 1))),
            "curl_rms": _rms(curl),
            "curl_rms_relative": _rms(curl) / scale,
            "loop_work_rms": _rms(loop_work(potential, low, high, self.loop_side)) / frames.kT,
        }
        if trajectory is not None:
            metrics |= replica_metrics(trajectory)
        maps = PlaneMaps(
            x=line,
            y=line,
            energy=plane.energy(points),
            error=np.linalg.norm(error, axis=-1),
            curl=curl.reshape(points.shape[:2]),
            curl_limit=float(np.abs(curl).max()) or 1.0,
        )
        return Evaluation(metrics, {"plane": maps})


def force_and_jacobian(potential: nn.Module, points: Values) -> tuple[Values, Values]:
    """Force [n, 2], kT/length, of a one-bead potential in the plane and its derivatives [n, i, j] = dF_i/dx_j.

    points: [n, 2]. The derivatives are those of automatic differentiation through ``potential.forces``.
    """
    parts = [_batch(potential, batch) for batch in np.array_split(points, -(-len(points) // BATCH))]
    force, jacobian = (np.concatenate(part) for part in zip(*parts, strict=True))
    return force, jacobian


def _batch(potential: nn.Module, points: Values) -> tuple[Values, Values]:
    with torch.inference_mode(False), torch.enable_grad():
        coords = as_coords(potential, points[:, None]).requires_grad_()
        forces = potential.forces(coords, create_graph=True)  # type: ignore[operator]
        rows = [
            # A force may be flat in a coordinate, and then has no graph to it.
            torch.autograd.grad(
                forces[:, 0, i].sum(), coords, retain_graph=True, allow_unused=True, materialize_grads=True
            )[0]
            for i in range(2)
        ]
    jacobian = torch.stack([row[:, 0] for row in rows], dim=1)
    return forces[:, 0].detach().double().cpu().numpy(), jacobian.double().cpu().numpy()


def loop_work(potential: nn.Module, low: float, high: float, side: float) -> Values:
    """Work of the force once around each square of ``side`` that fits side by side into [low, high]^2, anticlockwise.

    [n_loops], kT. As many squares as fit in a row are spaced evenly from edge to edge.
    """
    n_in_row = int((high - low) / side + 1e-9)
    starts = np.linspace(low, high - side, n_in_row) if n_in_row > 1 else np.array([0.5 * (low + high - side)])
    corners = np.stack(np.meshgrid(starts, starts, indexing="ij"), axis=-1).reshape(-1, 1, 1, 2)
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    along = 0.5 * side * (nodes + 1.0)
    zero, full = np.zeros(N_NODES), np.full(N_NODES, side)
    edges = np.array([[along, zero], [full, along], [along, full], [zero, along]]).swapaxes(1, 2)  # [4, n_nodes, 2]
    points = (corners + edges).reshape(-1, 2)
    parts = np.array_split(points, -(-len(points) // BATCH))
    forces = [potential.forces(as_coords(potential, part[:, None])) for part in parts]  # type: ignore[operator]
    force = torch.cat(forces)[:, 0].double().cpu().numpy().reshape(len(corners), 4, N_NODES, 2)
    tangential = np.stack([force[:, 0, :, 0], force[:, 1, :, 1], -force[:, 2, :, 0], -force[:, 3, :, 1]], axis=1)
    return 0.5 * side * (tangential @ weights).sum(axis=1)


def _rms(values: Values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
