"""Checks of a composed config before anything heavy is imported: keys, types, ranges, missing values, physics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from cgexp.build import TARGET, is_spec, problems
from cgexp.config.compose import Config
from cgexp.config.data_checks import force_map, has_forces, noise_of_an_ensemble, prior_of_other_data
from cgexp.config.overrides import NO_FIRST_LINE
from cgexp.config.schema import groups as all_groups
from cgexp.config.schema import settings
from cgexp.errors import InputError, did_you_mean, shown
from cgexp.parts.signatures import read_signature
from cgexp.parts.sources import fact
from cgexp.parts.values import mismatch
from cgexp.stability import time_step_problem

ANY_MODEL = ("auto", "reference", "compiled")  # kernels that serve every network
RECORDED = ("choices", "overrides")
STARTS = ("data", "spread")  # of simulations of any system


def check(config: Config, groups: Collection[str] | None = None) -> None:
    """Raise InputError with the first problem of the config; ``groups`` are those that will be used (None: all)."""
    for problem in all_problems(config, groups):
        raise InputError(problem)


def all_problems(config: Config, groups: Collection[str] | None = None) -> Iterator[str]:
    """Yield a sentence for every problem of form; problems of physics follow only if there is none.

    With ``run=<folder>`` the rest of the config is that run's: physics is checked when both are put together.
    """
    groups, sound = all_groups() if groups is None else groups, True
    for problem in _form(config, groups):
        sound = False
        yield problem
    if sound and config.get("run") is None:
        for involved, rule in PHYSICS:
            if set(involved) <= set(groups):
                yield from rule(config)


def _form(config: Config, groups: Collection[str]) -> Iterator[str]:
    known = [*all_groups(), *settings()]
    for key in config:
        if key == "experiment":
            yield NO_FIRST_LINE
        elif key not in (*known, *RECORDED):
            yield f"unknown key '{shown(key)}'{did_you_mean(str(key), known)}: expected one of {', '.join(known)}"
    for key, annotation in settings().items():
        if key not in config:
            yield f"{key} is missing: set {key}=<value>"
        elif expected := mismatch(annotation, config[key]):
            yield f"{key}={shown(config[key])} is not valid: expected {expected}"
    for name in groups:
        group, node = all_groups()[name], config.get(name)
        if name not in config:
            yield f"{name} is missing: choose {name}=<option>"
            continue
        if node is None and group.optional:
            continue
        if not is_spec(node):
            yield f"{name} is missing or has no {TARGET}: choose {name}=<option>"
        else:
            assert isinstance(node, Mapping)
            yield from problems(node, group.kinds, name, group.filled_in)


def _same_temperature(config: Config) -> Iterator[str]:
    wanted = config["dataset"]["temperature"]
    for group, what in (("prior", "a prior is fitted"), ("simulation", "the model is a free energy")):
        found = (config[group] or {}).get("temperature", wanted)
        if found != wanted:
            yield (
                f"{group}.temperature={found} but dataset.temperature={wanted}: {what} at the temperature of its data; "
                f"remove the override of {group}.temperature or use data at {found}"
            )


def _fits_system(config: Config) -> Iterator[str]:
    dataset = config["dataset"]
    shared = (("n_dims", "dimensions"), ("n_beads", "beads"), ("units", "units"))
    for group in ("model", "prior", "simulation", "analysis"):
        for key, name in shared:
            found = (config[group] or {}).get(key, dataset[key])
            if found != dataset[key]:
                option = config["choices"].get(group, group)
                flat = group == "model" and key == "n_dims" and (found, dataset[key]) == (1, 2)
                yield (
                    f"{group}={option} works with {name} {found} but dataset {dataset['name']} has {name} "
                    f"{dataset[key]}: choose another {group} or another dataset"
                    + (", or set model.n_dims=2 if it is a network for toys" if flat else "")
                )
                break


def _time_step(config: Config) -> Iterator[str]:
    dataset, simulation = config["dataset"], config["simulation"]
    stiffness, mass = dataset.get("stiffness"), dataset.get("lightest_mass")
    if simulation is not None and stiffness is not None and mass is not None:
        problem = time_step_problem(
            simulation["dt"], stiffness, mass, dataset["units"], dataset["n_beads"], _overdamped_friction(simulation)
        )
        if problem:
            facts = f"dataset.stiffness={stiffness:g} and dataset.lightest_mass={mass:g}"
            yield f"simulation.dt={simulation['dt']} {problem}; this follows from {facts}"


def _overdamped_friction(simulation: Config) -> float | None:
    integrator = simulation["integrator"]
    return float(integrator["friction"]) if fact(integrator[TARGET], "overdamped", False) else None


def _simulation_length(config: Config) -> Iterator[str]:
    simulation = config["simulation"]
    if simulation is not None and simulation["save_every"] > simulation["n_steps"]:
        yield (
            f"simulation.save_every={simulation['save_every']} is larger than simulation.n_steps="
            f"{simulation['n_steps']}: nothing would be saved; lower save_every"
        )


def _starts(config: Config) -> Iterator[str]:
    kind, dataset = (config["simulation"] or {}).get("starts", "data"), config["dataset"]
    kinds = (*STARTS, *(fact(dataset["system"]["_target_"], "start_kinds") or ()))
    if kind not in kinds:
        yield (
            f"simulation.starts={shown(kind)} is not made for dataset {dataset['name']}{did_you_mean(kind, kinds)}: "
            f"expected one of {', '.join(kinds)}"
        )


def _has_validation(config: Config) -> Iterator[str]:
    if config["trainer"].get("validation_fraction") != 0:
        return
    specs = {f"trainer.callbacks.{n}": s for n, s in (config["trainer"].get("callbacks") or {}).items() if s}
    specs["scheduler"] = config["scheduler"] or {}
    for place, spec in specs.items():
        if spec.get("monitor") == "loss_validation" or (spec and fact(spec[TARGET], "watches_validation", False)):
            yield f"{place} watches the validation loss but trainer.validation_fraction=0: hold some out, or drop it"


def _refitted_prior(config: Config) -> Iterator[str]:
    if not config["active"].get("refit_prior"):
        return
    if (config["prior"] or {}).get("fitted_on"):
        yield (
            "active.refit_prior fits the prior to the data of each round, and prior.fitted_on="
            f"{config['prior']['fitted_on']} to other data: leave out one"
        )
    if config["active"].get("mode") == "online":
        yield (
            "active.refit_prior changes the prior in each round, and active.mode=online goes on with a network that "
            "learnt beside the last one: use mode=fresh or warm"
        )


def _spans_the_training(config: Config) -> bool:
    """Whether the scheduler's rate is a function of how long the whole training is, which is filled in."""
    signature = read_signature(config["scheduler"][TARGET]) if config["scheduler"] else None
    lengths = set(all_groups()["scheduler"].filled_in) - {"optimizer"}
    return signature is not None and not lengths.isdisjoint(signature.parameters)


def _learning_rate_finder(config: Config) -> Iterator[str]:
    for name, spec in (config["trainer"].get("callbacks") or {}).items():
        if spec and fact(spec[TARGET], "sets_rate", False) and _spans_the_training(config):
            yield (
                f"trainer.callbacks.{name} looks for a learning rate that scheduler="
                f"{config['choices'].get('scheduler')} then overrides: use scheduler=none"
            )


def _kernel_serves(config: Config) -> Iterator[str]:
    name, target = config["kernel"], config["model"][TARGET]
    own = tuple(fact(target, "kernels", {}, inherited=False))
    if name not in (*ANY_MODEL, *own):
        known = ", ".join((*ANY_MODEL, *own))
        yield f"kernel={name} does not serve the model {target.rpartition('.')[2]}: use kernel=auto (of {known})"


def _targets(node: object) -> list[str]:
    """Names of the classes of a spec and of all specs inside it."""
    if not isinstance(node, Mapping):
        return [name for child in node for name in _targets(child)] if isinstance(node, (list, tuple)) else []
    own = [str(node[TARGET])] if is_spec(node) else []
    return own + [name for child in node.values() for name in _targets(child)]


def _active_learning(config: Config) -> Iterator[str]:
    active = config["active"]
    if active is None:
        return
    if not fact(config["model"][TARGET], "trains", True):
        option = config["choices"].get("model")
        yield f"active learning trains a network in every round, and model={option} is none to train: choose another"
    for key in ("force_field", "solvent", "surface_term"):
        if key in config["dataset"] and config["dataset"][key] != (config["oracle"] or config["dataset"]).get(key):
            yield f"oracle.{key} is not dataset.{key}={config['dataset'][key]}, and labels join the data: set it so"
    if config["dataset"].get("caps"):
        yield "dataset.caps=true, but oracles label peptides with charged ends, and labels join the data: leave it out"
    known = config["dataset"]["temperature"]
    if (config["oracle"] or {}).get("temperature", known) != known:
        yield f"oracle.temperature is not dataset.temperature={known}, and labels join the data: set it so"
    needed = {"learning": ("oracle", "acquisition", "simulation"), "plain": ("oracle", "simulation")}
    for group in needed.get(active.get("arm", "learning"), ("simulation",)):
        if config[group] is None:
            yield f"active.arm={active.get('arm', 'learning')} needs {group}, but {group}=none: choose another option"
    if config["trainer"].get("steps_per_epoch") is None:
        yield (
            "active learning gives every round and arm the same number of gradient steps, though their data differ in "
            "size: set trainer.steps_per_epoch=<number>"
        )
    if config["simulation"] is not None and active.get("proposals"):
        merged = {**config["simulation"], **active["proposals"]}
        wrong = list(problems(merged, all_groups()["simulation"].kinds, "active.proposals"))
        for rule in () if wrong else (_same_temperature, _time_step, _simulation_length, _starts):
            found = rule({**config, "prior": None, "simulation": merged})
            wrong += [problem.replace("simulation.", "active.proposals.") for problem in found]
        yield from wrong
    rules = _targets(config["acquisition"]) if active.get("arm", "learning") == "learning" else []
    needs = {need for rule in rules for need in fact(rule, "needs", ())}
    if "models" in needs and active.get("n_models", 1) < 2:
        yield (
            f"acquisition={config['choices'].get('acquisition')} compares the forces of several networks, but "
            "active.n_models=1: set it to 3"
        )
    if config.get("executor") is not None and active.get("timeout_s") is not None:
        yield (
            "active.timeout_s ends a local process that takes too long, but executor="
            f"{config['choices'].get('executor')} works elsewhere: set active.timeout_s=null or executor=local"
        )
    if "tica" in needs and config["dataset"]["units"] == "reduced":
        option = config["choices"].get("acquisition")
        yield f"acquisition={option} needs the ICs of a peptide, and a toy has none: choose another acquisition"
    yield from _refitted_prior(config)
    if any(fact(target, "changes_length", False) for target in _targets(config["trainer"].get("callbacks"))):
        yield (
            "active learning gives every round and arm the same number of gradient steps, which early stopping does "
            "not: choose another trainer"
        )
    if active.get("mode") == "online" and _spans_the_training(config):
        option = config["choices"].get("scheduler")
        yield (
            f"active.mode=online keeps one optimiser through all rounds, but scheduler={option} ends with the first: "
            "use scheduler=none or exponential"
        )


Rule = Callable[[Config], Iterator[str]]
# the groups that a rule reads, and the rule
PHYSICS: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("dataset",), force_map),
    (("model", "trainer"), _kernel_serves),
    (("dataset", "prior", "simulation"), _same_temperature),
    (("dataset", "model", "prior", "simulation", "analysis"), _fits_system),
    (("dataset", "prior"), prior_of_other_data),
    (("dataset", "model", "trainer"), has_forces),
    (("dataset", "simulation"), _time_step),
    (("simulation",), _simulation_length),
    (("dataset", "simulation"), _starts),
    (("trainer", "scheduler"), _has_validation),
    (("trainer", "scheduler"), _learning_rate_finder),
    (("dataset", "trainer"), noise_of_an_ensemble),
    (
        ("active", "dataset", "model", "oracle", "acquisition", "trainer", "scheduler", "simulation", "executor"),
        _active_learning,
    ),
)
