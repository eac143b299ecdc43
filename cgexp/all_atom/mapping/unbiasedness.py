"""Are the forces of a data set the gradient of its potential of mean force, and in its units?

Integrating exp(-U/kT) by parts gives <v . F_I> = -kT <div_I v> for a vector field v of the beads, if the force map is
unbiased and the frames are thermally sampled (not selected in any other way). Two fields are used, for neighbours I, J:

- v = x_I - x_J gives -d kT in d dimensions, -3 kT for a molecule: the ``virial``. It sees a biased map.
- v = (r - r0) along x_I - x_J, with r their distance and r0 its mean, gives -kT <d - (d - 1) r0/r>. Beads that are
  nearly rigidly linked move little along it, so its noise is small: ``force_scale`` sees wrong units in few frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.unit_errors import unit_error
from cgexp.errors import InputError
from cgexp.frames import Frames

Pairs = NDArray[np.integer]
Values = NDArray[np.float64]
Verdict = Literal["unbiased", "biased", "not verifiable", "not applicable"]

N_SEM = 4.0  # standard errors beyond which a deviation is a bias
CLEAR_SEM = 3.0  # standard errors within which there is none; between the two it cannot be told
MARGIN = 0.1  # kT, that a deviation of the virial must exceed as well
COINCIDING, ABSURD = 0.05, 1000.0  # of the median distance of neighbours, of the median of the largest forces
SCALE_MARGIN = 0.05
LARGEST_SEM = 0.5  # kT: the slice of a peptide with rigid bonds deviates by 2
SMALLEST_DISTANCE = 1e-9  # of coinciding beads
N_PIECES, LEAST_PIECES, PIECE_FRAMES = 20, 10, 10


@dataclass(frozen=True)
class Unbiasedness:
    """What the identities say. mean, sem: of the virial, kT. scale, scale_sem: of the forces, 1 if the units are right.

    verdict: 'not verifiable' if the frames are too few to tell, 'not applicable' if they are not thermally sampled or
    carry no forces. wrong_units: the forces are biased because of their scale, not of the map. reason: the verdict in
    words.
    """

    verdict: Verdict
    reason: str
    mean: float = float("nan")
    sem: float = float("nan")
    scale: float = float("nan")
    scale_sem: float = float("nan")
    expected: float = -3.0
    wrong_units: bool = False

    @property
    def card(self) -> dict[str, Any]:
        """For a data card: numbers in kT, None where there is none."""
        numbers = {
            "virial_kT": self.mean,
            "virial_kT_sem": self.sem,
            "force_scale": self.scale,
            "force_scale_sem": self.scale_sem,
        }
        return {
            "unbiasedness": self.verdict,
            "unbiasedness_reason": self.reason,
            "virial_expected_kT": self.expected,
            **{name: round(value, 4) if np.isfinite(value) else None for name, value in numbers.items()},
        }


def check_unbiased(
    frames: Frames, *, n_sem: float = N_SEM, pairs: Pairs | None = None, allow_biased_map: bool = False
) -> Unbiasedness:
    """Return what ``assess`` says; raise InputError if the map is biased or the units are wrong.

    allow_biased_map: a biased map passes, wrong units do not, nor does a single frame that is damaged.
    """
    require_sound(frames)
    found = assess(frames, n_sem=n_sem, pairs=pairs)
    if found.wrong_units or (found.verdict == "biased" and not allow_biased_map):
        raise InputError(found.reason)
    return found


def require_sound(frames: Frames) -> None:
    """Raise InputError naming the first frame in which beads coincide, or a force is out of all proportion."""
    if frames.n_beads > 1:
        steps = np.linalg.norm(np.diff(frames.coords, axis=1), axis=-1)
        if (coinciding := (steps < COINCIDING * np.median(steps)).any(axis=1)).any():
            frame = int(np.argmax(coinciding))
            bead = int(np.argmin(steps[frame]))
            raise InputError(
                f"beads {bead} and {bead + 1} of frame {frame} coincide (and so in {int(coinciding.sum()) - 1} more "
                "frames): remove or repair them"
            )
    if frames.forces is not None and len(frames):
        largest = np.abs(frames.forces).max(axis=(1, 2))
        if (absurd := largest > ABSURD * np.median(largest)).any() and np.median(largest) > 0:
            frame = int(np.argmax(absurd))
            raise InputError(
                f"a force of frame {frame} is {largest[frame]:.3g} {frames.unit_system.force}, where those of others "
                f"are up to about {np.median(largest):.3g} (and so in {int(absurd.sum()) - 1} more frames): remove or "
                "repair them"
            )


def assess(frames: Frames, *, n_sem: float = N_SEM, pairs: Pairs | None = None) -> Unbiasedness:
    """Test the forces of thermally sampled frames by both identities.

    A deviation counts if it is more than ``n_sem`` standard errors and more than a margin (0.1 kT of the virial, 5 %
    of the scale), so that neither noise nor the error of the integrator is taken for a bias. Frames of few blocks are
    cut into pieces, each taken as independent. pairs: as for ``virial``.
    """
    if frames.forces is None or frames.n_beads < 2:
        return not_applicable("the frames carry no forces" if frames.forces is None else "there is only one bead")
    expected = -float(frames.n_dims)
    if len(frames) < LEAST_PIECES * PIECE_FRAMES:
        few = (
            f"{len(frames)} frames are too few to verify the force map: expected at least {LEAST_PIECES * PIECE_FRAMES}"
        )
        return Unbiasedness("not verifiable", few, expected=expected)
    pieces = _in_pieces(frames)
    mean, sem = virial(pieces, pairs)
    scale, scale_sem = force_scale(pieces, pairs)

    def verdict(name: Verdict, reason: str, wrong_units: bool = False) -> Unbiasedness:
        return Unbiasedness(name, reason, mean, sem, scale, scale_sem, expected, wrong_units)

    identity = f"<(x_I - x_J).F_I> is {mean:.2f} ± {sem:.2f} kT, expected {expected:.0f}"
    wrong_scale = abs(scale - 1.0) > max(n_sem * scale_sem, SCALE_MARGIN)
    mistake = unit_error(frames, scale, scale_sem) if wrong_scale else None
    if mistake:
        return verdict("biased", mistake, True)
    if wrong_scale or abs(mean - expected) > max(n_sem * sem, MARGIN):
        scaled = f"the scale of the forces is {scale:.2f} ± {scale_sem:.2f}, expected 1"
        return verdict(
            "biased",
            f"force map '{frames.force_map}' of '{frames.system}' is biased: {identity}, and {scaled}; use "
            "constraint_group or optimal, or check temperature and units",
        )
    if not sem <= LARGEST_SEM or abs(mean - expected) > max(CLEAR_SEM * sem, MARGIN):
        enough = frames_to_tell(len(frames), mean - expected, sem)
        more = f"about {enough:,} frames like these would tell whether the map is biased, there are {len(frames):,}"
        return verdict("not verifiable", f"{identity}: {more}")
    return verdict("unbiased", identity)


def frames_to_tell(n_frames: int, deviation: float, sem: float) -> int:
    """How many frames, to two digits, would bring the virial's standard error (kT) as far down as a verdict needs.

    That is LARGEST_SEM, or where the deviation is suspicious (two standard errors) what makes it N_SEM of them. Errors
    fall with the root of the number of frames.
    """
    needed = LARGEST_SEM
    if abs(deviation) > 2.0 * sem:
        needed = min(needed, max(abs(deviation), MARGIN) / N_SEM)
    wanted = n_frames * max(sem / needed, 1.0) ** 2
    scale = 10.0 ** max(np.floor(np.log10(wanted)) - 1.0, 0.0)
    return int(np.ceil(wanted / scale) * scale)


def not_applicable(reason: str) -> Unbiasedness:
    """The verdict for frames that were selected or relaxed, and so inherit a map verified elsewhere."""
    return Unbiasedness("not applicable", reason)


def virial(frames: Frames, pairs: Pairs | None = None) -> tuple[float, float]:
    """Mean of (x_I - x_J) . F_I over neighbours I, J = I +- 1 in kT, and its standard error over blocks.

    Exactly -3 for an unbiased map on thermally sampled frames (not on frames selected in any other way). The error
    takes blocks as independent; it is NaN for a single block. pairs: [n_pairs, 2], beads to use in place of neighbours.
    """
    return block_mean(virial_values(frames.coords, _forces(frames), frames.kT, pairs), frames.block)


def virial_values(
    coords: NDArray[np.floating], forces: NDArray[np.floating], kT: float, pairs: Pairs | None = None
) -> Values:
    """Mean over pairs, both ways, of (x_I - x_J) . F_I / kT in every frame, [n_frames].

    coords, forces: [n_frames, n_beads, n_dims].
    """
    along, force = _differences(coords, forces, pairs)
    return np.asarray((along * force).sum(axis=-1).mean(axis=1) / kT)


def force_scale(frames: Frames, pairs: Pairs | None = None) -> tuple[float, float]:
    """How many times too large the product of forces and coords is, and its standard error over blocks.

    The ratio of <(r - r0) . F_I> along x_I - x_J to -kT <d - (d - 1) r0/r>: 1 if the units of forces, coords and
    temperature agree, 41.84 for forces in kJ/mol/nm passed as kcal/mol/Å.
    """
    along, force = _differences(frames.coords, _forces(frames), pairs)
    distance = np.maximum(np.linalg.norm(along, axis=-1), SMALLEST_DISTANCE)
    mean_distance = distance.mean(axis=0)
    work = ((1.0 - mean_distance / distance)[..., None] * along * force).sum(axis=-1).mean(axis=1)
    demanded = -frames.kT * (frames.n_dims - (frames.n_dims - 1) * mean_distance / distance).mean(axis=1)
    scale = work.mean() / demanded.mean()
    _, error = block_mean(work - scale * demanded, frames.block)
    return float(scale), float(error / abs(demanded.mean()))


def block_mean(values: Values, block: NDArray[np.integer]) -> tuple[float, float]:
    """Mean of values [n_frames] and its standard error, blocks [n_frames] taken as independent; NaN for one block."""
    _, dense = np.unique(block, return_inverse=True)
    n_blocks = len(np.unique(dense))
    if n_blocks < 2:
        return float(values.mean()), float("nan")
    deviations = np.bincount(dense, weights=values - values.mean())  # sums over a block
    variance = np.square(deviations).sum() * n_blocks / (n_blocks - 1)
    return float(values.mean()), float(np.sqrt(variance) / len(values))


def force_rms(frames: Frames) -> float:
    """Root mean square of a component of the bead forces, in the frames' force unit."""
    return float(np.sqrt(np.mean(np.square(_forces(frames), dtype=np.float64))))


def _differences(
    coords: NDArray[np.floating], forces: NDArray[np.floating], pairs: Pairs | None
) -> tuple[Values, Values]:
    """x_I - x_J and (F_I - F_J)/2 of every pair, [n_frames, n_pairs, n_dims]: their product averages both ways."""
    n_beads = coords.shape[1]
    if pairs is None:
        pairs = np.stack([np.arange(n_beads - 1), np.arange(1, n_beads)], axis=1)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or not 0 <= pairs.min() <= pairs.max() < n_beads:
        raise InputError(f"pairs of shape {list(pairs.shape)} do not fit {n_beads} beads: expected bead indices [n, 2]")
    coords, forces = coords.astype(np.float64), forces.astype(np.float64)
    first, second = pairs.T
    return coords[:, first] - coords[:, second], 0.5 * (forces[:, first] - forces[:, second])


def _in_pieces(frames: Frames) -> Frames:
    """The frames with blocks cut into about N_PIECES contiguous pieces, if there are fewer blocks."""
    _, block, sizes = np.unique(frames.block, return_inverse=True, return_counts=True)
    n_cuts = -(-min(N_PIECES, len(frames) // PIECE_FRAMES) // len(sizes))
    order = np.argsort(block, kind="stable")
    position = np.empty(len(frames), dtype=np.int64)
    position[order] = np.arange(len(frames)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return frames.with_labels(block=block * n_cuts + position * n_cuts // sizes[block])


def _forces(frames: Frames) -> NDArray[np.floating]:
    if frames.forces is None:
        raise InputError(f"frames of '{frames.system}' carry no forces: expected a labelled data set")
    return frames.forces
