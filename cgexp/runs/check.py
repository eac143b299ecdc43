"""A dry pass over a config: builds every part and tries one force-matching step on configurations made up here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.build import TARGET, Template, imported
from cgexp.cards import load_card
from cgexp.config.compose import Config
from cgexp.config.identity import data_id
from cgexp.datasets.recipe import Recipe
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import make_kernel
from cgexp.messages import only_from
from cgexp.models.potential import Potential, load_potential, take_weights
from cgexp.parts.sources import fact
from cgexp.priors.prior import Prior
from cgexp.runs.evaluate import equilibrium_of
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.needs import in_words, warn
from cgexp.runs.stages import fitted_prior, network_of, require_same_system
from cgexp.systems.base import System
from cgexp.training.fit import Training
from cgexp.training.losses import Batch, Loss
from cgexp.training.nodes import require_nodes, require_one_node
from cgexp.training.sampling_terms import require_fitting, require_sample
from cgexp.training.split import split

log = logging.getLogger(__name__)
N_FRAMES = 64
N_FITTED = 5000  # frames that the prior is fitted on
N_TRIED = 512  # configurations of a step whose time is measured
N_STEPS = 100  # of the training that a scheduler is tried with


def report(config: Config, trained: RunFolder | None = None) -> Iterator[str]:
    """Yield lines that say what was checked; raises InputError where a part cannot be built.

    trained: the folder of a run whose training is done, which needs the runs no more that it began with.
    """
    choices = config["choices"]
    yield f"config     ok: {', '.join(f'{group}={option}' for group, option in choices.items())}"
    experiment = Experiment.of(config)
    experiment.require_simulation()
    recipe, system = experiment.dataset, experiment.system
    recipe.require()
    for dotted in experiment.analysis.figures.values():
        imported(dotted)
    yield (
        f"data       {recipe.called}: {system.n_beads} beads in {system.n_dims} dimensions, {recipe.units} units, "
        f"force map {recipe.force_map}, recipe {data_id(config)}"
    )
    frames = made_up_frames(recipe)
    if experiment.active is not None and experiment.oracle is not None:
        experiment.oracle.check_joins(frames)
    require_prior_system(experiment)
    data = experiment.data_set
    given = data.at_hand()
    whole = given if data.is_there else None
    if whole is not None and not equilibrium_of(experiment, whole):
        experiment.analysis.check(whole.sample)
    prior = prior_of(experiment, given, frames)
    network = made_network(experiment, trained, frames)
    require_processes(experiment)
    require_fitting(experiment.loss.make(), experiment.trainer, network)
    if experiment.simulation is not None:
        experiment.simulation.require_energy(network.conservative)
    n_parameters, trains = sum(parameter.numel() for parameter in network.parameters()), bool(network.trainable())
    yield f"model      {choices.get('model')}: {n_parameters:,} parameters; prior with {len(prior.terms)} terms"
    if trains and whole is not None:
        require_trainable(whole, experiment)
    start_from = experiment.trainer.start_from
    if start_from is not None and trained is None:
        names = take_weights(network, network_of(start_from))
        yield f"start      {len(names)} of {len(network.state_dict())} arrays from {start_from}"
    if trains:
        value, norm = one_step(network, experiment.loss.make(), frames)
        yield f"step       loss {value:.4g} on made-up forces, gradient norm {norm:.4g}: the double backward works"
    coords = torch.tensor(frames.coords, dtype=torch.float32)
    forces = Potential(network, prior).forces(coords)
    if not torch.isfinite(forces).all():
        raise InputError(
            f"{', '.join(not_finite(prior, coords))} gives forces that are not finite at ordinary "
            "configurations: choose other numbers"
        )
    yield f"potential  forces {list(forces.shape)}, all finite"
    if trains:
        update(experiment, network)
        require_callbacks(experiment.trainer)
    yield f"needs      {in_words(experiment, *step_seconds(experiment, network, prior, frames))}"
    warn(experiment)
    yield f"run        {experiment.name}/{experiment.run_id}"


def made_network(experiment: Experiment, trained: RunFolder | None, frames: Frames) -> EnergyTerm:
    """The network as a training begins with it; of a model that is not trained, as the run keeps it, if it does."""
    if trained is not None and not fact(experiment.model.spec[TARGET], "trains", True):
        kept = load_potential(trained.potential).network
        if kept is not None:
            return kept.float()
    network = experiment.model.make()
    network.fit(frames, experiment.system)
    return network


def require_processes(experiment: Experiment) -> None:
    """Raise InputError for active learning on several nodes; warn of an environment that a training could not use."""
    if experiment.active is not None:
        require_one_node(experiment.trainer.n_nodes, "active learning")
    try:
        require_nodes(experiment.trainer)
    except InputError as error:
        log.warning("the training could not begin here: %s", error)


def require_prior_system(experiment: Experiment) -> None:
    """Raise InputError if the set that ``prior.fitted_on`` names, by its card, is of another system."""
    fitted_on = experiment.prior.make().fitted_on
    if fitted_on is not None:
        require_same_system(fitted_on, load_card(fitted_on)["system"], experiment.system.name)


def prior_of(experiment: Experiment, given: Frames | None, made_up: Frames) -> Prior:
    """The prior, fitted on what is at hand of the data, which the time steps must suit, too.

    Where there is nothing, it is fitted on made-up frames, which say nothing about the data.
    """
    if given is not None:
        few = np.linspace(0, len(given) - 1, min(len(given), N_FITTED)).astype(np.int64)
        return fitted_prior(experiment, given.select(few))
    prior = experiment.prior.make()
    with only_from(logging.ERROR):
        prior.fit(made_up, experiment.system)
    return prior


def require_trainable(frames: Frames, experiment: Experiment) -> None:
    """Raise InputError for frames without forces, or that cannot be split as the trainer says."""
    if frames.forces is None:
        raise InputError("the data set has no forces: force matching needs a data set with reference forces")
    trainer = experiment.trainer
    split(frames, trainer.validation_fraction, experiment.seed, trainer.fold)
    require_sample(experiment.loss.make(), frames)


def not_finite(prior: Prior, coords: Tensor) -> list[str]:
    """What of a potential gives forces that are not finite: terms of the prior, or else the model."""
    leaf = coords.clone().requires_grad_()
    forces = {name: torch.autograd.grad(term.energy(leaf).sum(), leaf)[0] for name, term in prior.items()}
    return [f"prior.terms.{name}" for name, force in forces.items() if not torch.isfinite(force).all()] or ["model"]


def one_step(network: EnergyTerm, loss: Loss, frames: Frames) -> tuple[float, float]:
    """Loss and gradient norm of one force-matching step with the reference kernel."""
    coords = torch.tensor(frames.coords, dtype=torch.float32)
    sem = torch.ones_like(coords) if loss.needs_force_sem else None
    batch = Batch(coords, torch.tensor(frames.forces, dtype=torch.float32), torch.ones(len(coords)), sem)
    kernel = make_kernel("reference", network)
    value, _ = loss(kernel(coords), batch, kernel)
    value.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return float(value.detach()), float(torch.stack([g.norm() for g in gradients]).norm())


def step_seconds(experiment: Experiment, network: EnergyTerm, prior: Prior, frames: Frames) -> tuple[float, float]:
    """Seconds of a step of training (0 with nothing to train) and of one of simulation, from steps that are tried here.

    Both with at most N_TRIED configurations; for more the time grows with their number.
    """
    batch, simulation = experiment.trainer.batch_size, experiment.simulation
    n_walkers = 0 if simulation is None else simulation.n_walkers
    train_s, loss = 0.0, experiment.loss.make()
    if network.trainable():
        tried = frames.select(np.resize(np.arange(len(frames)), min(batch, N_TRIED)))
        train_s = _seconds(lambda: one_step(network, loss, tried)) * batch / len(tried)
    if not n_walkers:
        return train_s, 0.0
    coords = torch.tensor(np.resize(frames.coords, (min(n_walkers, N_TRIED), *frames.coords.shape[1:])))
    force_s = _seconds(lambda: Potential(network, prior).forces(coords.float()))
    return train_s, force_s * n_walkers / len(coords)


def _seconds(work: Callable[[], object]) -> float:
    """Of the second of two calls: the first may compile, or fill a cache."""
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def update(experiment: Experiment, network: EnergyTerm) -> None:
    """Take a step with optimizer and scheduler, as a training makes them."""
    optimizer = experiment.optimizer.make(params=list(network.parameters()))
    scheduler = experiment.scheduler
    if scheduler is not None:
        scheduler.make(optimizer=optimizer, total_steps=N_STEPS, T_max=N_STEPS)
    optimizer.step()


def require_callbacks(trainer: Training) -> None:
    """Make the callbacks that are Lightning's own, which alone know whether their arguments go together.

    Those of cgexp are checked by their annotations, without the seconds that it takes to import Lightning.
    """
    for callback in trainer.callbacks.values():
        if isinstance(callback, Template) and callback.spec[TARGET].startswith("pytorch_lightning."):
            callback.make()


def made_up_frames(recipe: Recipe) -> Frames:
    """Configurations of the right shape that no part can object to: points on a line, or wobbling helices."""
    generator = np.random.default_rng(0)
    system = recipe.system
    coords = _coords(system, generator)
    return Frames(
        coords=coords.astype(np.float32),
        bead_types=system.bead_types,
        block=np.arange(N_FRAMES),
        forces=generator.normal(size=coords.shape).astype(np.float32),
        units=recipe.units,
        temperature=recipe.temperature,
        system=system.name,
        source="made up for a check",
        force_map=recipe.force_map,
        force_field=recipe.all_atom_force_field,
    )


def _coords(system: System, generator: np.random.Generator) -> NDArray[np.float64]:
    if system.n_dims != 3 or system.n_beads == 1:
        return generator.normal(size=(N_FRAMES, system.n_beads, system.n_dims)) * 2.0
    i = np.arange(system.n_beads)
    helix = np.stack([2.3 * np.cos(1.7 * i), 2.3 * np.sin(1.7 * i), 1.5 * i], axis=-1)  # a C-alpha helix, in Å
    return helix + 0.2 * generator.normal(size=(N_FRAMES, system.n_beads, 3))
