"""What a config may take of torch and Lightning, with ranges that they leave unchecked.

Each class stands for the one of its name in ``module``: sources.py reads this file instead of theirs, so that a mistake
is found before anything is imported. An argument that is not listed cannot be set. A test compares them with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from cgexp.parts.ranges import (
    ExecutionOnly,
    Finite,
    Fraction,
    NonNegative,
    NonNegativeInt,
    OpenFraction,
    Positive,
    PositiveInt,
    Share,
)


@dataclass(kw_only=True)
class Optimizer:
    module: ClassVar[str] = "torch.optim"
    kind: ClassVar[str] = "torch.optim.optimizer.Optimizer"
    params: Any
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    foreach: ExecutionOnly[bool | None] = None


@dataclass(kw_only=True)
class Adam(Optimizer):
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Positive = 1e-8
    amsgrad: bool = False
    fused: ExecutionOnly[bool | None] = None


class AdamW(Adam): ...


@dataclass(kw_only=True)
class NAdam(Optimizer):
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Positive = 1e-8
    momentum_decay: NonNegative = 4e-3


@dataclass(kw_only=True)
class RAdam(Optimizer):
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Positive = 1e-8


@dataclass(kw_only=True)
class RMSprop(Optimizer):
    alpha: Share = 0.99
    eps: Positive = 1e-8
    momentum: Share = 0.0
    centered: bool = False


@dataclass(kw_only=True)
class SGD(Optimizer):
    momentum: Share = 0.0
    dampening: Share = 0.0
    nesterov: bool = False
    fused: ExecutionOnly[bool | None] = None


@dataclass(kw_only=True)
class LRScheduler:
    module: ClassVar[str] = "torch.optim.lr_scheduler"
    kind: ClassVar[str] = "torch.optim.lr_scheduler.LRScheduler"
    optimizer: Any


@dataclass(kw_only=True)
class OneCycleLR(LRScheduler):
    per_step: ClassVar[bool] = True
    max_lr: Positive
    total_steps: Any
    pct_start: OpenFraction = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    cycle_momentum: bool = True
    base_momentum: Share = 0.85
    max_momentum: Share = 0.95
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4
    three_phase: bool = False


@dataclass(kw_only=True)
class CosineAnnealingLR(LRScheduler):
    per_step: ClassVar[bool] = True
    T_max: Any
    eta_min: NonNegative = 0.0


@dataclass(kw_only=True)
class LinearLR(LRScheduler):
    per_step: ClassVar[bool] = True
    start_factor: Fraction = 1.0 / 3
    end_factor: Fraction = 1.0
    total_iters: PositiveInt = 5


@dataclass(kw_only=True)
class ExponentialLR(LRScheduler):
    gamma: Positive


@dataclass(kw_only=True)
class StepLR(LRScheduler):
    step_size: PositiveInt
    gamma: Positive = 0.1


@dataclass(kw_only=True)
class MultiStepLR(LRScheduler):
    milestones: Sequence[PositiveInt]
    gamma: Positive = 0.1


@dataclass(kw_only=True)
class CosineAnnealingWarmRestarts(LRScheduler):
    T_0: PositiveInt
    T_mult: PositiveInt = 1
    eta_min: NonNegative = 0.0


@dataclass(kw_only=True)
class ReduceLROnPlateau(LRScheduler):
    watches_validation: ClassVar[bool] = True
    mode: Literal["min"] = "min"
    factor: OpenFraction = 0.1
    patience: NonNegativeInt = 10
    threshold: NonNegative = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: NonNegativeInt = 0
    min_lr: NonNegative = 0.0
    eps: NonNegative = 1e-8


@dataclass(kw_only=True)
class Callback:
    module: ClassVar[str] = "pytorch_lightning.callbacks"
    kind: ClassVar[str] = "pytorch_lightning.callbacks.callback.Callback"


@dataclass(kw_only=True)
class EarlyStopping(Callback):
    changes_length: ClassVar[bool] = True
    monitor: Literal["loss_validation", "loss_train_running", "objective"]
    min_delta: NonNegative = 0.0
    patience: PositiveInt = 3
    verbose: ExecutionOnly[bool] = False
    mode: Literal["min", "max"] = "min"
    strict: bool = True
    check_finite: bool = True
    stopping_threshold: Finite | None = None
    divergence_threshold: Finite | None = None
    check_on_train_epoch_end: bool | None = None


@dataclass(kw_only=True)
class LearningRateFinder(Callback):
    sets_rate: ClassVar[bool] = True
    min_lr: Positive = 1e-8
    max_lr: Positive = 1.0
    num_training_steps: PositiveInt = 100
    mode: Literal["exponential", "linear"] = "exponential"
    early_stop_threshold: Positive | None = 4.0


@dataclass(kw_only=True)
class GradientAccumulationScheduler(Callback):
    scheduling: dict[int, PositiveInt]


@dataclass(kw_only=True)
class StochasticWeightAveraging(Callback):
    swa_lrs: Positive
    swa_epoch_start: Fraction | PositiveInt = 0.8
    annealing_epochs: PositiveInt = 10
    annealing_strategy: Literal["cos", "linear"] = "cos"
