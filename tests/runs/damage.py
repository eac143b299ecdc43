"""Files of a run damaged in every way, and the advice that follows, followed as a user would."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from cgexp.runs.verify import verify
from cgexp.store import read_arrays

UNREAD = (".png", ".pdf", ".html", "card.json", "rounds.csv", ".lock", "log.txt")  # for people; nothing reads them back
MEASURED = (
    *("train_seconds", "train_frames_per_second", "simulation_replica_steps_per_second", "memory_peak_mb"),
    "oracle_s",
)


def flip(path: Path, seed: int) -> None:
    """Turn one bit."""
    content = bytearray(path.read_bytes())
    generator = np.random.default_rng([seed, len(content)])
    content[int(generator.integers(len(content)))] ^= 1 << int(generator.integers(8))
    path.write_bytes(bytes(content))


def truncate(path: Path, seed: int) -> None:
    """Cut at a random place."""
    content = path.read_bytes()
    path.write_bytes(content[: int(np.random.default_rng([seed, 1]).integers(1, len(content)))])


def empty(path: Path, seed: int) -> None:
    """Leave nothing in it."""
    path.write_bytes(b"")


def delete(path: Path, seed: int) -> None:
    """Remove it."""
    path.unlink()


DAMAGES: dict[str, Callable[[Path, int], None]] = {f.__name__: f for f in (flip, truncate, empty, delete)}


def kinds(tree: Path) -> list[str]:
    """One file of each kind below the outputs folder, as paths in it: of many chunks, figures and labels, two each."""
    found: dict[str, list[str]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_file() and path.stat().st_size and not path.name.startswith("."):
            name = path.relative_to(tree).as_posix()
            kind = re.sub(r"\d{6}|\d{4}(?=\.npz)", "*", name) if path.suffix == ".npz" else name
            found.setdefault("figure" if path.suffix in (".png", ".pdf") else kind, []).append(name)
    return sorted({name for names in found.values() for name in (names[0], names[-1])})


def numbers(folder: RunFolder) -> dict[str, float]:
    """All metrics but those that differ between two runs of the same."""
    return {name: value for name, value in folder.read_metrics().items() if name not in MEASURED}


class Heard(logging.Handler):
    """What the package warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())


def told(work: Callable[[], object]) -> list[str]:
    """The sentences that ``work`` warns of and ends with; other errors than InputError are raised."""
    heard, logger = Heard(), logging.getLogger("cgexp")
    logger.addHandler(heard)
    try:
        work()
    except InputError as error:
        return [*heard.sentences, f"ERROR {error}"]
    finally:
        logger.removeHandler(heard)
    return heard.sentences


def follow(sentence: str, again: Callable[[], object], tree: Path) -> None:
    """Do what a sentence says; fails if it says nothing that can be done."""
    sentence = sentence.split("is not as it was written: ")[-1]  # of check, which names files after the folder
    paths = [Path(text.rstrip(":;,()")) for text in re.findall(re.escape(str(tree)) + r"[^\s`']*", sentence)]
    if "delete the folder" in sentence:
        shutil.rmtree(next(path if path.is_dir() else path.parent for path in paths))
    elif "delete it" in sentence:
        paths[0].unlink(missing_ok=True)
    elif command := re.search(r"`cgexp (train|simulate|evaluate|run) run=([^`]*)`", sentence):
        config, verb = compose([f"run={command[2]}", "figures=none"]), command[1]
        for further in told(lambda: run(config, verb, lambda text: None))[-1:]:
            if further.startswith("ERROR"):
                follow(further, again, tree)
    elif "give the command again" in sentence or "`cgexp active`" in sentence or "missing or changed" in sentence:
        again()
    else:
        raise AssertionError(f"no advice that can be followed: {sentence}")


def judge(
    tree: Path,
    folder: RunFolder,
    name: str,
    damage: str,
    seed: int,
    again: Callable[[], object],
    undisturbed: dict[str, float],
) -> str:
    """Damage one file, use the run and follow what it says; return how it was met: named, made again, or harmless.

    Asserts that the end is the undisturbed result, in files that are whole, and that nothing was used in silence.
    """
    path, finished = tree / name, folder.metrics.is_file()
    before = _content(path)
    DAMAGES[damage](path, seed)
    changed = before is None or _content(path) != before
    said: list[str] = []
    if finished and changed and not name.endswith(UNREAD) and damage != "delete":
        verified = told(lambda: list(verify(folder.path)))
        assert any(path.name in sentence for sentence in verified), f"check does not name {name}"
    steps = [
        again,
        lambda: list(verify(folder.path)),
    ]  # check names what the end does not need, too
    for _ in range(8):
        for work in steps:
            sentences = told(work)
            said += sentences
            if sentences and sentences[-1].startswith("ERROR"):
                follow(sentences[-1], lambda: told(again), tree)
                break
        else:
            break
    else:
        raise AssertionError(f"advice that leads nowhere: {said}")
    assert numbers(folder) == undisturbed, said
    if any(sentence.startswith("ERROR") for sentence in said):
        assert any(path.name in sentence or path.parent.name in sentence for sentence in said), said
        return "named"
    return "made again" if said else "harmless"


def _content(path: Path) -> tuple[dict[str, NDArray[np.generic]], object] | bytes | None:
    """What a file says, to compare; None if it cannot be read."""
    try:
        if path.suffix in (".npz", ".ckpt"):
            arrays, meta = read_arrays(path)
            return repr({key: value.tobytes() for key, value in arrays.items()}).encode() + repr(meta).encode()
        return path.read_bytes()
    except (InputError, OSError):
        return None
