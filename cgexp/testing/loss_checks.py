"""Checks of loss terms.

Of errors: zero for none, positive for some, per frame, and strict about shapes. Of penalties of the force field: the
gradient, the randomness, and a training that is resumed.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.kernel import Kernel
from cgexp.models.direct_force import DirectForce
from cgexp.systems.base import system_of
from cgexp.testing.configurations import toy_frames
from cgexp.testing.finite_difference import loss_gradient_error
from cgexp.testing.training_checks import ResumeChecks
from cgexp.training.losses import Batch, ErrorTerm, Loss, MeanSquaredError, Penalty

SHAPE = (6, 2, 3)


class LossChecks:
    """Subclass for a term over force errors: ``make_term`` returns it with weight 1."""

    def make_term(self) -> ErrorTerm:
        raise NotImplementedError

    def test_zero_without_error_and_positive_with_one(self) -> None:
        batch = self._batch()
        loss = Loss({"term": self.make_term()})
        assert float(loss(batch.forces, batch)[0]) == 0.0
        assert float(loss(batch.forces + 1.0, batch)[0]) > 0.0

    def test_gradient_points_back_to_the_reference(self) -> None:
        batch = self._batch()
        predicted = (batch.forces + 0.5).requires_grad_()
        Loss({"term": self.make_term()})(predicted, batch)[0].backward()
        assert predicted.grad is not None
        assert (predicted.grad > 0).all()

    def test_frames_count_by_their_weight(self) -> None:
        batch = self._batch()
        one = torch.zeros(SHAPE[0], dtype=torch.float64)
        one[2] = SHAPE[0]
        predicted = batch.forces.clone()
        predicted[2] += 1.0
        loss = Loss({"term": self.make_term()})
        weighted = loss(predicted, replace(batch, weights=one))[0]
        torch.testing.assert_close(weighted, SHAPE[0] * loss(predicted, batch)[0])

    def test_the_terms_weight_multiplies(self) -> None:
        batch, term, twice = self._batch(), self.make_term(), self.make_term()
        twice.weight = 2.0
        predicted = batch.forces + 1.0
        torch.testing.assert_close(
            Loss({"a": twice})(predicted, batch)[0], 2.0 * Loss({"a": term})(predicted, batch)[0]
        )

    def test_weights_of_the_squared_error_give_the_same_loss(self) -> None:
        batch, loss = self._batch(), Loss({"term": self.make_term(), "other": MeanSquaredError(0.5)})
        batch = replace(batch, weights=torch.linspace(0.5, 1.5, SHAPE[0], dtype=torch.float64))
        weights, predicted = loss.squared_weights(batch), batch.forces.flip(0)
        if weights is not None:
            one_pass = (weights * (predicted - batch.forces).square()).sum()
            torch.testing.assert_close(one_pass, loss(predicted, batch)[0])

    @pytest.mark.parametrize("shape", [(6, 3), (1, 6), (6, 6, 2, 3), (6, 2, 1), (1, 2, 3)])
    def test_a_shape_that_would_broadcast_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="would train a constant force"):
            Loss({"term": self.make_term()})(torch.zeros(shape, dtype=torch.float64), self._batch())

    def _batch(self) -> Batch:
        generator = torch.Generator().manual_seed(0)
        forces = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        sem = 0.1 + torch.rand(SHAPE, generator=generator, dtype=torch.float64)
        return Batch(forces, forces, torch.ones(SHAPE[0], dtype=torch.float64), sem)


class PenaltyChecks(ResumeChecks):
    """Subclass for a penalty of the force field: ``make_penalty`` returns it with weight 1.

    The model is one of two coordinates without an energy, so that no penalty is zero; override ``make_network`` and
    ``make_frames`` for a penalty that needs another.
    """

    gradient_tolerance = 1e-5

    def make_penalty(self) -> Penalty:
        raise NotImplementedError

    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return DirectForce(1, 2, width=8)

    def make_frames(self) -> Frames:
        return toy_frames(80, 2)

    def make_loss(self) -> Loss:
        return Loss({"force": MeanSquaredError(), "penalty": self.make_penalty()})

    def test_one_finite_value_a_frame(self) -> None:
        forces, batch = self._field_and_batch()
        values = self.make_penalty().penalty(forces, batch, torch.Generator().manual_seed(0))
        assert values.shape == (len(batch.coords),)
        assert torch.isfinite(values).all()
        assert float(values.detach().max()) > 0.0

    def test_gradient_agrees_with_finite_differences(self) -> None:
        network = self._fitted()
        forces, batch = make_kernel("reference", network), self._batch()
        loss = self.make_loss()
        parameters = list(network.parameters())
        assert (
            loss_gradient_error(lambda: loss(batch.forces, batch, forces)[1]["penalty"], parameters)
            <= self.gradient_tolerance
        )

    def test_a_step_always_draws_the_same_and_another_step_something_else(self) -> None:
        forces, batch = self._field_and_batch()
        values = [float(self._penalty_of(self.make_loss(), forces, batch, step)) for step in (3, 3, 4)]
        assert values[0] == values[1] != values[2]

    def test_the_global_generator_is_left_alone(self) -> None:
        forces, batch = self._field_and_batch()
        before = torch.get_rng_state()
        self._penalty_of(self.make_loss(), forces, batch)
        assert torch.equal(torch.get_rng_state(), before)

    def test_frames_count_by_their_weight(self) -> None:
        forces, batch = self._field_and_batch()
        penalty = self.make_penalty()
        each = penalty.penalty(forces, batch, torch.Generator().manual_seed(0))
        weights = torch.linspace(0.0, 2.0, len(each), dtype=torch.float64)
        weighted = penalty(forces, replace(batch, weights=weights), torch.Generator().manual_seed(0))
        torch.testing.assert_close(weighted, (weights * each).mean())

    def test_the_terms_weight_multiplies(self) -> None:
        forces, batch = self._field_and_batch()
        loss, twice = self.make_loss(), self.make_loss()
        twice.penalties["penalty"].weight = 2.0
        expected = 2.0 * self._penalty_of(loss, forces, batch)
        torch.testing.assert_close(self._penalty_of(twice, forces, batch), expected)

    def test_alone_it_is_refused(self) -> None:
        with pytest.raises(InputError, match="has only penalties"):
            Loss({"penalty": self.make_penalty()})

    def _fitted(self) -> EnergyTerm:
        network = self.make_network().double()
        network.fit(self.make_frames(), system_of(self.make_frames()))
        return network

    def _batch(self) -> Batch:
        coords = torch.tensor(self.make_frames().coords, dtype=torch.float64)
        return Batch(coords, torch.zeros_like(coords), torch.ones(len(coords), dtype=torch.float64))

    def _field_and_batch(self) -> tuple[Kernel, Batch]:
        return make_kernel("reference", self._fitted()), self._batch()

    @staticmethod
    def _penalty_of(loss: Loss, forces: Kernel, batch: Batch, step: int = 0) -> Tensor:
        return loss(batch.forces, batch, forces, step)[1]["penalty"].detach()
