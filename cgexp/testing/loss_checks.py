"""Checks of a loss term: zero for no error, positive for some, per frame, and strict about shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cgexp.training.losses import Batch, Loss, LossTerm

SHAPE = (6, 2, 3)


class LossChecks:
    """Subclass for a loss term: ``make_term`` returns it with weight 1."""

    def make_term(self) -> LossTerm:
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

    @pytest.mark.parametrize("shape", [(6, 3), (1, 6), (6, 6, 2, 3), (6, 2, 1), (1, 2, 3)])
    def test_a_shape_that_would_broadcast_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="would train a constant force"):
            Loss({"term": self.make_term()})(torch.zeros(shape, dtype=torch.float64), self._batch())

    def _batch(self) -> Batch:
        generator = torch.Generator().manual_seed(0)
        forces = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        sem = 0.1 + torch.rand(SHAPE, generator=generator, dtype=torch.float64)
        return Batch(forces, forces, torch.ones(SHAPE[0], dtype=torch.float64), sem)
