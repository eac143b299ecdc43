"""Noise augmentation: coordinates with fresh Gaussian noise and labels that fit them; errors of labels.

With independent standard normal e for each coordinate, y = x + sigma e has the density of the data convolved with a
Gaussian, p_s(y) = E_x[N(y; x, sigma^2)], and its own potential of mean force U_s = -kT ln p_s. If the frames x are a
sample of p = exp(-U/kT), two labels have the mean force -dU_s/dy at y as their expectation:

    force matching           E[F | y] = -dU_s/dy          F: the label at x, E[F | x] = -dU/dx (integrate by parts)
    denoising score matching E[-kT e/sigma | y] = -dU_s/dy                               (Vincent 2011)

and so has every combination M F - (1 - M) kT e/sigma, with a constant matrix M over beads ("forces and noise",
Durumeric et al. 2024, arXiv:2407.01286: y as beads tied to x by springs, whose force map is optimised). F and e are
independent, so that with C = E[F F^T], averaged over dimensions, the scatter of the label is least for

    M = (1 + (sigma/kT)^2 C)^(-1).

M is 1 for small sigma: forces alone, since the noise label scatters as kT/sigma; and 0 for large sigma.

What is learnt is U_s, at any number of frames. It differs from U by (sigma^2/2) (Laplacian U - |grad U|^2/kT), to
second order: a harmonic coordinate of force constant k gets k / (1 + k sigma^2/kT), the variance of each coordinate
grows by sigma^2, that of a bond's length by 2 sigma^2. Little is changed where sigma^2 is well below kT/k. Forces of
frames that are no equilibrium sample still have the mean force -dU/dx as their mean at x, but the noise label then
pulls towards the density that the frames have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.errors import InputError
from cgexp.frames import Frames, were_selected

Forces = Callable[[Tensor], Tensor]
BATCH = 4096  # frames whose prior forces are computed at once
STREAM = 2407  # keeps this noise apart from others of the same seed


class NoiseAugmentation:
    """Makes noised coordinates and their labels, a function of (seed, epoch) alone.

    frames: training frames, with forces, weights respected. sigma: length unit. prior_forces: coords [n, n_beads,
    n_dims] -> forces; at noised coordinates the prior has other forces, and these are what the network adds to. Raises
    InputError if the frames were selected and no sample of an ensemble: frames of active learning, or with mean forces.
    """

    def __init__(self, frames: Frames, sigma: float, prior_forces: Forces, seed: int) -> None:
        if were_selected(frames):
            raise InputError(
                "trainer.noise takes the density of the frames for that of the ensemble, but frames with parent, "
                "round, chosen or mean forces with a standard error were selected: set trainer.noise=0"
            )
        self.sigma, self.seed, self._prior_forces = sigma, seed, prior_forces
        self.scale = frames.kT / sigma  # of the noise label, force unit
        assert frames.forces is not None
        self.mixing = mixing_matrix(frames.forces, self.scale, frames.weights)

    def __call__(self, coords: Tensor, forces: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Noised coords, and what the prior leaves of the labels there: both [n_frames, n_beads, n_dims].

        coords, forces: of the frames, all of the force.
        """
        e = standard_noise(coords, self.seed, epoch)
        noised = coords + self.sigma * e
        mixing = torch.as_tensor(self.mixing).to(forces)
        labels = torch.matmul(mixing, forces + self.scale * e) - self.scale * e
        prior = torch.cat([self._prior_forces(part) for part in noised.split(BATCH)])
        return noised, labels - prior


def mixing_matrix(
    forces: NDArray[np.floating], scale: float, weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """M = (1 + C / scale^2)^(-1), [n_beads, n_beads]: how much of the label is force; 1 - M is noise.

    forces: [n_frames, n_beads, n_dims]. scale: kT/sigma, force unit. weights: [n_frames].
    """
    values = np.asarray(forces, dtype=np.float64)
    shares = np.full(len(values), 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    covariance = np.einsum("n,nid,njd->ij", shares / shares.sum(), values, values, optimize=True) / values.shape[2]
    return np.linalg.inv(np.eye(len(covariance)) + covariance / scale**2)


def with_noise(frames: Frames, sigma: float, seed: int) -> Frames:
    """The frames with noise of ``sigma`` on their coordinates and no forces: a sample of p_s, to fit a prior on."""
    if not sigma:
        return frames
    noise = np.random.default_rng([seed, STREAM]).standard_normal(frames.coords.shape)
    return frames.with_labels(coords=(frames.coords + sigma * noise).astype(frames.coords.dtype), forces=None)


def standard_noise(like: Tensor, seed: int, epoch: int) -> Tensor:
    """Standard normal numbers of the shape, type and device of ``like``, a function of (seed, epoch)."""
    rng = np.random.default_rng([seed, STREAM, epoch])
    return torch.from_numpy(rng.standard_normal(tuple(like.shape), dtype=np.float32)).to(like)


def known_or_estimated(frames: Frames, explained: NDArray[np.floating]) -> NDArray[np.float64]:
    """``force_sem`` of the frames, [n_frames, n_beads, n_dims], with an estimate where it is inf or there is none.

    An instantaneous label is one draw of the force at its configuration, so that its standard error is the standard
    deviation of that draw, which differs from bead to bead. Estimated for each bead is the root mean square, over the
    frames with such labels, of what ``explained`` (forces of the best model at hand, such as the prior, of the shape of
    the forces) leaves of them:

        E[(F - explained)^2] = Var[F | x] + E[(F(x) - explained)^2],

    which exceeds the noise by what the model does not explain. Such labels then weigh less than they could, the others
    more; the optimum of the loss stays where it is. Raises InputError if a bead's labels are explained exactly.
    """
    forces = frames.forces
    assert forces is not None
    known = np.zeros(forces.shape, dtype=bool) if frames.force_sem is None else np.isfinite(frames.force_sem)
    sem = np.zeros(forces.shape) if frames.force_sem is None else np.array(frames.force_sem, dtype=np.float64)
    squares = np.where(known, 0.0, np.square(np.asarray(forces, dtype=np.float64) - explained))
    n_unknown = (~known).sum(axis=(0, 2))
    noise = np.sqrt(squares.sum(axis=(0, 2)) / np.maximum(n_unknown, 1))
    exact = (n_unknown > 0) & (noise == 0.0)
    if exact.any():
        raise InputError(
            f"the errors of the forces on bead {int(np.argmax(exact))} cannot be estimated, since the prior explains "
            "them exactly: give force_sem, or use loss=force"
        )
    return np.where(known, sem, noise[:, None])
