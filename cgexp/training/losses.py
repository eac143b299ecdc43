"""Losses of force matching: a dict of weighted terms; of force errors, of the force field, of the model's ensemble.

Shapes are asserted first: subtracting an [n] vector from a [1, n] row broadcasts to [n, n] in silence, trains a
constant force, and is what broke a published re-implementation of CGnet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.parts.part import Part
from cgexp.parts.ranges import Positive, Weight

ForceField = Callable[[Tensor], Tensor]  # coords [n, n_beads, n_dims] -> forces, differentiable in the parameters


@dataclass(frozen=True)
class Batch:
    """One batch of training data, all on one device.

    coords, forces: [n_frames, n_beads, n_dims]; ``forces`` is what the network has to explain, that is the reference
    minus the prior's force (energy/length). weights: [n_frames], mean 1 over the training (or validation) frames.
    force_sem: standard error of ``forces``, same shape, or None.
    """

    coords: Tensor
    forces: Tensor
    weights: Tensor
    force_sem: Tensor | None = None


def force_error(predicted: Tensor, batch: Batch) -> Tensor:
    """Return predicted - reference [n_frames, n_beads, n_dims]; ValueError where the two shapes differ."""
    require_shapes(predicted, batch)
    return predicted - batch.forces


def require_shapes(predicted: Tensor, batch: Batch) -> None:
    """Raise ValueError unless forces, predicted and reference, and weights belong together."""
    if predicted.shape != batch.forces.shape or predicted.ndim != 3:
        raise ValueError(
            f"predicted forces have shape {list(predicted.shape)} and reference forces {list(batch.forces.shape)}: "
            "expected the same [n_frames, n_beads, n_dims], since broadcasting would train a constant force"
        )
    if batch.weights.shape != predicted.shape[:1]:
        raise ValueError(
            f"weights have shape {list(batch.weights.shape)}: expected [n_frames] = [{predicted.shape[0]}]"
        )


def mean_over_frames(per_frame: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of [n_frames] values; the weights' mean over the data set is 1, so batches are unbiased."""
    if per_frame.shape != weights.shape:
        raise ValueError(f"per-frame loss {list(per_frame.shape)} and weights {list(weights.shape)} differ in shape")
    return (weights * per_frame).mean()


class LossTerm(Part):
    """One term of the loss, times its ``weight``: an ErrorTerm, a Penalty or an EnsembleTerm."""

    needs_force_sem = False

    def __init__(self, weight: Weight = 1.0) -> None:
        self.weight = weight

    def prepare(self, frames: Batch) -> None:
        """Take from all training frames what the term needs to know of them, once, before the first step."""

    def importance(self, frames: Batch) -> Tensor | None:
        """How often each frame should come in training, relative to the others, [n_frames] > 0; None: all alike."""
        return None


class ErrorTerm(LossTerm):
    """A function of the force error: the mean over frames, beads and dimensions."""

    def elementwise(self, error: Tensor, batch: Batch) -> Tensor:
        """Loss of each force component: error [n_frames, n_beads, n_dims] -> the same shape."""
        raise NotImplementedError

    def squared_weights(self, batch: Batch) -> Tensor | None:
        """w [n_frames, n_beads, n_dims] if the elementwise loss is w error^2, else None.

        Where it is, a kernel can find the loss and its gradient in one pass over the frames.
        """
        return None

    def __call__(self, error: Tensor, batch: Batch) -> Tensor:
        """Scalar loss. Raises ValueError on a shape that is not [n_frames, n_beads, n_dims]."""
        values = self.elementwise(error, batch)
        if values.shape != batch.forces.shape:
            raise ValueError(f"loss has shape {list(values.shape)}: expected {list(batch.forces.shape)}")
        return self.weight * mean_over_frames(values.mean(dim=(1, 2)), batch.weights)


class Penalty(LossTerm):
    """A property of the model's force field at configurations of the term's choice; reference forces play no part."""

    def penalty(self, forces: ForceField, batch: Batch, generator: torch.Generator) -> Tensor:
        """Value of each frame, [n_frames].

        ``forces`` maps coords [n, n_beads, n_dims] to the model's forces there, differentiable in the parameters.
        All randomness comes from ``generator``, which lives on the CPU.
        """
        raise NotImplementedError

    def __call__(self, forces: ForceField, batch: Batch, generator: torch.Generator) -> Tensor:
        """Scalar loss. Raises ValueError on values that are not [n_frames]."""
        return self.weight * mean_over_frames(self.penalty(forces, batch, generator), batch.weights)


class EnsembleTerm(LossTerm):
    """A property of the model's own ensemble, which the term samples while the training goes on."""

    def begin(self, potential: Potential, frames: Frames, seed: int, kernel: str) -> None:
        """Take what sampling needs, once, before the first step.

        potential: whose network is being trained. frames: those of the training. seed: of all randomness. kernel: see
        make_evaluator. Raises InputError if these cannot be sampled or compared with.
        """
        raise NotImplementedError

    def __call__(self, batch: Batch) -> Tensor:
        """Scalar loss, differentiable in the network's parameters; the sampling goes on by its share of steps."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Where the sampling is, for a checkpoint: tensors, numbers and texts by name."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` told, bit for bit on a CPU."""
        raise NotImplementedError


class MeanSquaredError(ErrorTerm):
    """Force matching, mean (F - F_ref)^2 (Noid et al. 2008; Wang et al. 2019, Eq. 5)."""

    def elementwise(self, error: Tensor, batch: Batch) -> Tensor:
        return error**2

    def squared_weights(self, batch: Batch) -> Tensor:
        return torch.ones_like(batch.forces)


class InverseVariance(ErrorTerm):
    """Weighted least squares: squared error over the label's variance, in units of the average label.

    mean s^2 (F - F_ref)^2 / (sem^2 + floor^2), with s^2 the weighted harmonic mean of sem^2 + floor^2 over the training
    frames, so that the mean weight is 1 and the loss keeps the scale of MeanSquaredError, which it equals where all
    labels are equally good.

    Labels are F_ref = F(x) + e with E[e] = 0 and standard deviation sem. Any weights that do not depend on e leave the
    optimum at the mean force F(x), equal ones too: what weights change is its scatter, which is least for 1/sem^2
    (Gauss-Markov; Aitken 1935). With equal weights a hundred labels of sem 0.5 among fifty thousand of sem 8 count as a
    hundred labels of sem 8; with these, as some 25,000 of them. Where the network cannot be right everywhere, it will
    be where the weights are.

    floor: force unit, added in squares; the error that the network itself will have anyhow, below which a better label
    deserves no more weight. It keeps labels with sem = 0 from dominating the loss. Needs ``force_sem``; labels with an
    error that is not known get an estimate (training/noise.py).

    A label that counts a thousand times as much, but comes as rarely as the others, makes the loss jump from batch to
    batch. So frames are drawn in proportion to the root of their weight, and weighed by the other root: close to the
    optimum errors are as large as sem, and all draws then give gradients of one size (Neyman allocation).
    """

    needs_force_sem = True

    def __init__(self, weight: Weight = 1.0, floor: Positive = 0.1) -> None:
        super().__init__(weight)
        self.floor = floor
        self._scale = 1.0  # s^2

    def prepare(self, frames: Batch) -> None:
        inverse = self._inverse_variance(frames).double().mean(dim=(1, 2))
        self._scale = float(frames.weights.double().sum() / (frames.weights.double() * inverse).sum())

    def importance(self, frames: Batch) -> Tensor:
        return self._inverse_variance(frames).mean(dim=(1, 2)).sqrt()

    def elementwise(self, error: Tensor, batch: Batch) -> Tensor:
        return self.squared_weights(batch) * error**2

    def squared_weights(self, batch: Batch) -> Tensor:
        return self._scale * self._inverse_variance(batch)

    def _inverse_variance(self, batch: Batch) -> Tensor:
        assert batch.force_sem is not None
        return 1.0 / (batch.force_sem**2 + self.floor**2)


class Huber(ErrorTerm):
    """Huber loss of the force error: squared below ``delta`` (force unit), linear above (robust to outliers)."""

    def __init__(self, weight: Weight = 1.0, delta: Positive = 10.0) -> None:
        super().__init__(weight)
        self.delta = delta

    def elementwise(self, error: Tensor, batch: Batch) -> Tensor:
        # twice torch's convention, so that small errors count as in MeanSquaredError
        return 2.0 * torch.nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=self.delta)


class Loss(Part):
    """The sum of named terms; ``terms`` maps a name to a LossTerm, at least one of them over the force error."""

    def __init__(self, terms: Mapping[str, LossTerm]) -> None:
        if not terms:
            raise InputError("loss.terms is empty: expected at least one term, for example loss=force")
        self.terms = dict(terms)
        self.errors = {name: term for name, term in terms.items() if isinstance(term, ErrorTerm)}
        self.penalties = {name: term for name, term in terms.items() if isinstance(term, Penalty)}
        self.ensembles = {name: term for name, term in terms.items() if isinstance(term, EnsembleTerm)}
        for name in terms.keys() - self.errors.keys() - self.penalties.keys() - self.ensembles.keys():
            raise TypeError(
                f"loss.terms.{name} is a {type(terms[name]).__name__}: expected an ErrorTerm, a Penalty or an "
                "EnsembleTerm"
            )
        if not self.errors:
            raise InputError(
                f"loss.terms has only penalties ({', '.join(terms)}), which zero force fulfils best: expected a term "
                "over the force error beside them, for example the one of loss=force"
            )
        if not any(term.weight for term in self.errors.values()):
            names = " and ".join(f"loss.terms.{name}.weight" for name in self.errors)
            raise InputError(f"{names} is 0, so that nothing is learnt from forces: expected a positive weight")

    def __call__(
        self, predicted: Tensor, batch: Batch, forces: ForceField | None = None, step: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss and the value of each term, but for those of the ensemble: see ``of_ensembles``.

        predicted: the model's forces on the batch, [n_frames, n_beads, n_dims]. forces: the training kernel, which
        penalties evaluate elsewhere. step: optimisation step; it alone seeds the penalties' randomness, so that a
        resumed training draws what an undisturbed one would have drawn.
        """
        error = force_error(predicted, batch)
        values = {name: term(error, batch) for name, term in self.errors.items()}
        if self.penalties:
            if forces is None:
                raise ValueError("the loss has penalties: expected the training kernel as `forces`")
            generator = torch.Generator().manual_seed(step)
            values |= {name: term(forces, batch, generator) for name, term in self.penalties.items()}
        return torch.stack(list(values.values())).sum(), values

    def of_ensembles(self, batch: Batch) -> dict[str, Tensor]:
        """The value of each term of the model's ensemble."""
        return {name: term(batch) for name, term in self.ensembles.items()}

    def squared_weights(self, batch: Batch) -> Tensor | None:
        """w [n_frames, n_beads, n_dims] if the loss is the sum of w error^2 and terms of ensembles, else None."""
        require_shapes(batch.coords, batch)
        weights = [term.squared_weights(batch) for term in self.errors.values()]
        given = [w * term.weight for w, term in zip(weights, self.errors.values(), strict=True) if w is not None]
        if self.penalties or len(given) < len(weights):
            return None
        total = given[0] if len(given) == 1 else torch.stack(given).sum(0)
        return total * (batch.weights / batch.forces.numel())[:, None, None]

    @property
    def is_mean_squared_error(self) -> bool:
        """Whether the loss is the mean squared force error itself."""
        (first, *rest) = self.terms.values()
        return type(first) is MeanSquaredError and first.weight == 1.0 and not rest

    def prepare(self, frames: Batch) -> None:
        """Let each term take what it needs from all training frames, before the first step."""
        for term in self.terms.values():
            term.prepare(frames)

    def importance(self, frames: Batch) -> Tensor | None:
        """How often each frame should come, [n_frames], as the first term that states it; None: all alike."""
        wanted = (term.importance(frames) for term in self.terms.values())
        return next((one for one in wanted if one is not None), None)

    @property
    def looks_at_all_frames(self) -> bool:
        """Whether a term takes something from all training frames before the first step."""
        own = ((type(term).prepare, type(term).importance) for term in self.terms.values())
        return any(methods != (LossTerm.prepare, LossTerm.importance) for methods in own)

    @property
    def needs_force_sem(self) -> bool:
        return any(term.needs_force_sem for term in self.terms.values())


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
