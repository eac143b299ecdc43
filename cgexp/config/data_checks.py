"""Checks of the data set of a composed config, and of what is asked of it; rules of checks.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cgexp.build import TARGET
from cgexp.cards import load_card, packaged_names
from cgexp.config.compose import Config
from cgexp.errors import InputError, did_you_mean, shown
from cgexp.parts.ranges import Mark
from cgexp.parts.signatures import read_signature
from cgexp.parts.sources import fact

BIASED_FORCE_MAPS = ("slice",)


def _data_sets(config: Config) -> dict[str, Mapping[str, Any]]:
    """Place -> node of the data set, or of those that it is made of."""
    dataset = config["dataset"]
    parts = dataset.get("parts")
    if not parts:
        return {"dataset": dataset}
    return {f"dataset.parts.{name}": node for name, node in parts.items() if node is not None}


def force_map(config: Config) -> Iterator[str]:
    for place, dataset in _data_sets(config).items():
        name = str(dataset.get("force_map") or "none")
        if name == "none":
            yield f"dataset {dataset['name']} does not say how atom forces became bead forces: set {place}.force_map"
        elif name in BIASED_FORCE_MAPS and len(str(dataset.get("allow_biased_force_map") or "").split()) < 2:
            yield (
                f"{place}.force_map={name} is biased when bonds are constrained: use constraint_group, or say in words "
                f"why with {place}.allow_biased_force_map='<reason>'"
            )


def prior_of_other_data(config: Config) -> Iterator[str]:
    name = (config["prior"] or {}).get("fitted_on")
    if name is None:
        return
    try:
        card = load_card(name)
    except InputError as error:
        yield f"prior.fitted_on={name}: {error}"
        return
    prior = config["prior"]
    if "runs" in card:
        yield (
            f"prior.fitted_on={name} is an equilibrium reference, which the model is judged by: name a training set, "
            "or null for the data set itself"
        )
    elif card["force_map"] == "mean_force":
        yield (
            f"prior.fitted_on={name} is a set of mean forces at frames that were selected, and a prior is fitted to a "
            "sample: name a training set, or null for the data set itself"
        )
    for key in ("units", "n_beads"):
        if card[key] != config["dataset"][key]:
            yield (
                f"prior.fitted_on={name} has {key} {card[key]} but dataset {config['dataset']['name']} has "
                f"{config['dataset'][key]}: name a set of the same system, or null for the data set itself"
            )
            return
    if card["temperature_K"] != prior.get("temperature", card["temperature_K"]):
        yield (
            f"prior.fitted_on={name} is at {card['temperature_K']} K but prior.temperature={prior['temperature']}: "
            "name a set at the temperature of the data, or null for the data set itself"
        )


def has_forces(config: Config) -> Iterator[str]:
    for place, dataset in _data_sets(config).items():
        if not fact(dataset[TARGET], "ships", False):
            continue
        name, known = dataset["name"], packaged_names()
        if name not in known:
            yield (
                f"{place}.name={name} is no data set that ships with the package{did_you_mean(name, known)}: expected "
                f"one of {', '.join(known)}"
            )
        elif fact(config["model"][TARGET], "trains", True) and load_card(name)["force_rms"] is None:
            yield f"dataset {name} has no forces to train on: choose another dataset, or model=none for the prior alone"


def noise_of_an_ensemble(config: Config) -> Iterator[str]:
    dataset = config["dataset"]
    if not config["trainer"].get("noise"):
        return
    if dataset.get("chosen"):
        yield (
            "trainer.noise takes the density of the frames for that of the ensemble, but dataset.chosen="
            f"{shown(dataset['chosen'])} says that some were selected: set trainer.noise=0"
        )
    signature = read_signature(dataset[TARGET])
    for key in () if signature is None else signature.marked(Mark.REGION):
        if dataset.get(key) is not None:
            yield (
                f"trainer.noise takes the density of the frames for that of the ensemble, but dataset.{key}="
                f"{dataset[key]} cuts it off at an edge, which becomes a wall: set trainer.noise=0 or use all frames"
            )
    if dataset.get("thermally_sampled") is False:
        yield (
            "trainer.noise takes the density of the frames for that of the ensemble, but dataset.thermally_sampled="
            "false says that they were selected: set trainer.noise=0"
        )
