"""cgexp simulate bundle=<path>: a long simulation of an exported model, without its run and its data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, did_you_mean, require_once
from cgexp.parts.signatures import read_signature

SIMULATION = "cgexp.simulation.simulation.Simulation"
OWN = ("bundle", "to", "format", "seed", "kernel", "device")
NOT_HERE = ("burn_in", "temperature")  # of the analysis; of the model
PREFIX = "simulation."  # as the keys are called in a run's config


def is_asked_for(words: Sequence[str]) -> bool:
    """Whether the words of ``cgexp simulate`` name a bundle."""
    return any(word.startswith("bundle=") for word in words)


def known_settings() -> list[str]:
    """Of the simulation, without those of its parts."""
    signature = read_signature(SIMULATION)
    assert signature is not None
    return [name for name in signature.parameters if name not in NOT_HERE]


def main(command: argparse.Namespace) -> int:
    """Simulate, print what was written, and return the exit code."""
    for option, is_given in (("-m", command.multirun), ("--cfg", command.cfg), ("--config-dir", command.config_dir)):
        if is_given:
            raise InputError(f"{option} is of runs, which have a config: leave it out with bundle=<path>")
    own, settings = read_words(command.words)
    path = Path(own["bundle"])
    to = Path(own.get("to") or f"{path.stem}-simulation")
    seed = _seed(own.get("seed", "0"))
    from cgexp.interfaces.bundle import load_bundle
    from cgexp.interfaces.stream import OBSERVABLES
    from cgexp.interfaces.viewers import TOPOLOGY
    from cgexp.progress import Progress
    from cgexp.runs.long_simulation import simulate_long

    options = {key: own[key] for key in ("format", "kernel", "device") if key in own}
    bundle = load_bundle(path)
    written = simulate_long(bundle, to, settings, seed=seed, progress=Progress("simulation: step"), **options)
    n, simulation = len(written.trajectories), written.simulation
    last = f" to {written.trajectories[-1]}" if n > 1 else ""
    print(f"{to}: {TOPOLOGY}, {OBSERVABLES}, {written.trajectories[0]}{last}")
    between = simulation.dt * simulation.save_every
    print(f"each of {written.nanoseconds:g} ns, a frame every {between:g} ps; {written.n_failed} replicas failed")
    print(f"load one with mdtraj.load('{to / written.trajectories[0]}', top='{to / TOPOLOGY}')")
    print(f"go on with a larger n_steps, as n_steps={2 * simulation.n_steps}")
    return 0


def read_words(words: Sequence[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The verb's own settings, and those of the simulation as plain values."""
    own: dict[str, str] = {}
    settings: dict[str, Any] = {}
    known = [*OWN, *known_settings()]
    for word in words:
        key, equals, value = word.partition("=")
        key = key.removeprefix(PREFIX)
        if key == "run" and equals:
            raise InputError(f"{word} beside bundle=: a bundle is simulated without its run; leave one of them out")
        if not equals or key.partition(".")[0] not in known:
            raise InputError(
                f"unknown argument '{word}'{did_you_mean(key, known)}: with bundle=<path>, simulate takes "
                f"{', '.join(f'{name}=<value>' for name in known)}"
            )
        require_once([*own, *settings], key, word)
        if key in OWN:
            own[key] = value
        else:
            settings[key] = _value(word, value)
    return own, settings


def _value(word: str, text: str) -> Any:
    for number in (int, float):  # YAML takes 1e-3 for a word and 010 for eight; a run's settings do not
        with suppress(ValueError):
            return number(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{word} is not valid: expected a number, a word or null") from error


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise InputError(f"seed={text} is not valid: expected an integer >= 0 and below 2^31")
    return int(text)
