"""The errors of labels, where they are not known: how far single instantaneous forces lie from the mean force."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.frames import Frames


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
