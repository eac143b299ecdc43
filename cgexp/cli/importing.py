"""cgexp import: a trajectory of your own becomes a file of frames, a data card, and the command that trains on them."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.config.overrides import as_overrides
from cgexp.errors import InputError, did_you_mean, require_once
from cgexp.parts.signatures import read_signature

TARGET = "cgexp.datasets.trajectory.recipe.Trajectory"
FOLLOWING = ("system", "n_beads", "n_dims", "units", "stiffness", "lightest_mass")  # facts that nobody needs to state
LISTS = ("trajectory", "forces")
FILES = ("trajectory", "topology", "forces", "bead_table", "rigid_bonds", "native")
NUMBERS = {"temperature": float, "save_ps": float, "n_frames": int}
TO = "to"


def known_settings() -> list[str]:
    """What the verb takes: the settings of dataset=trajectory, and ``to``."""
    signature = read_signature(TARGET)
    assert signature is not None
    return [*(name for name in signature.parameters if name not in FOLLOWING), TO]


def main(command: argparse.Namespace) -> int:
    """Read, test and write the frames; print their card and the command; return the exit code."""
    given = _read(command.words)
    to = Path(given.pop(TO, "") or _default_name(given))
    if to.suffix != ".npz":
        raise InputError(f"to={to} is not valid: expected the name of an .npz file")
    for path in (to, card_path(to)):
        if path.exists():
            raise InputError(f"{path} exists: remove it, or choose another file with to=<name>.npz")
    try:
        frames, card = _imported(given, to)
    except InputError as error:
        raise InputError(str(error).replace("dataset.", "")) from error
    from cgexp.runs.own_frames import command_for
    from cgexp.runs.summary import print_card
    from cgexp.store import write_frames, write_json

    write_frames(to, frames)
    write_json(card_path(to), card)
    print_card(card, str(to))
    print(f"\ntrain, simulate and compare with\n  {command_for(frames, to)}")
    return 0


def card_path(to: Path) -> Path:
    """Where the data card of a file of frames lies: beside it."""
    return to.with_suffix(".json")


def _imported(given: dict[str, Any], to: Path) -> tuple[Any, dict[str, Any]]:
    """The frames and their card."""
    named = {f"dataset.{key}": value for key, value in {"name": to.stem, **given}.items()}
    config = compose(["dataset=trajectory", *as_overrides(named)])
    check(config, ("dataset",))
    from cgexp.build import build
    from cgexp.datasets.recipe import Recipe
    from cgexp.runs.data import data_card

    recipe = build(config["dataset"], Recipe)
    frames = recipe.make(to.parent)
    files = [path for key in ("topology", *LISTS) for path in _listed(config["dataset"][key])]
    sums = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files}
    return frames, data_card(frames, config["dataset"], recipe.system) | {"files": sums}


def _read(words: Sequence[str]) -> dict[str, Any]:
    """The settings, as plain values."""
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in known_settings() or not equals:
            raise InputError(
                f"unknown argument '{word}'{did_you_mean(key, known_settings())}: expected "
                f"{', '.join(f'{known}=<value>' for known in known_settings())}"
            )
        require_once(given, key, word)
        given[key] = _value(key, value)
    for key in FILES:
        for path in _listed(given.get(key)):
            if not Path(path).is_file():
                raise InputError(f"{key}={path} does not exist: give the file of your data")
    for key in ("trajectory", "topology", "temperature"):
        if key not in given:
            raise InputError(f"import needs {key}=<value>: `cgexp import trajectory=run.dcd topology=run.pdb ...`")
    return given


def _value(key: str, text: str) -> Any:
    if key in NUMBERS:
        try:
            return NUMBERS[key](text)
        except ValueError as error:
            raise InputError(f"{key}={text} is not valid: expected a number") from error
    if key == "thermally_sampled":
        if text.lower() not in ("true", "false"):
            raise InputError(f"{key}={text} is not valid: expected true or false")
        return text.lower() == "true"
    if key in LISTS and "," in text:
        return [part.strip() for part in text.strip("[]").split(",")]
    return None if text == "null" else text


def _listed(files: str | list[str] | None) -> list[str]:
    return [] if files is None else [files] if isinstance(files, str) else files


def _default_name(given: dict[str, Any]) -> str:
    return f"{Path(_listed(given['trajectory'])[0]).stem}.npz"
