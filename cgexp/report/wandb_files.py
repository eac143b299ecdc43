"""W&B's files in a run's folder: which of them its server has, how far what it has goes, and their upload."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cgexp.errors import InputError

FOLDER = "wandb"  # in that of a run
SWEEP = Path(__file__).parent / "templates" / "wandb_sweep.yaml"  # a sweep whose agents run cgexp
TOLD = "told.json"  # in the folder of an opening: how far along each axis it came
AT_ONCE = 10  # runs that one call of W&B uploads
CONNECTION_TIMEOUT_S = 20
ADDRESS, ERROR = re.compile(r"View run .* at (\S+)$"), re.compile(r"(?:wandb: ERROR|Error:) (.*)$")


@dataclass(frozen=True)
class Uploaded:
    """What became of an upload. address: of the run in W&B; sentence: what went wrong, or None."""

    folder: Path
    address: str | None = None
    sentence: str | None = None


def offline_files(folder: Path) -> list[Path]:
    """The folders in which W&B keeps what an offline run in ``folder`` was told."""
    return sorted(path for path in (folder / FOLDER).glob("offline-run-*") if path.is_dir() and not path.is_symlink())


def unsent_files(folder: Path) -> list[Path]:
    """Those of them that were not uploaded: W&B leaves a mark beside what it uploaded."""
    return [path for path in offline_files(folder) if not any(path.glob("*.wandb.synced"))]


def note(opening: Path, places: Mapping[str, float]) -> None:
    """Write down how far an opening of a run came; losing this loses no numbers."""
    with suppress(OSError):
        (opening / TOLD).write_text(json.dumps(places), encoding="utf-8")


def is_of(opening: Path, run: str) -> bool:
    """Whether an opening is of the W&B run with this id; agents of a sweep give a folder further ids.

    By W&B's own file in it: the opening's name has a number behind the id if another was made in the same second.
    """
    return (opening / f"run-{run}.wandb").is_file()


def sent_places(folder: Path, run: str) -> dict[str, float]:
    """How far along each axis W&B's server has a run, as its openings tell: those online, those that were uploaded."""
    unsent, places = unsent_files(folder), dict[str, float]()
    for path in (folder / FOLDER).glob(f"*run-*/{TOLD}"):
        if path.parent in unsent or path.parent.is_symlink() or not is_of(path.parent, run):
            continue
        with suppress(OSError, ValueError, TypeError, AttributeError):  # damaged: as if it were not there
            for of, place in json.loads(path.read_text(encoding="utf-8")).items():
                places[of] = max(float(place), places.get(of, float("-inf")))
    return places


def require_connection() -> None:
    """Raise InputError unless there is a key and W&B's server takes it."""
    import wandb

    wandb.teardown()  # else the answer to an earlier key is remembered
    try:
        if not wandb.login(prompt=False):
            raise InputError("W&B has no key to upload with: run `wandb login`, or set WANDB_API_KEY")
        wandb.Api(timeout=CONNECTION_TIMEOUT_S).viewer  # noqa: B018
    except InputError:
        raise
    except Exception as error:  # of many libraries
        raise InputError(f"W&B cannot be reached, or refuses the key: {error}") from error


def upload(folders: Sequence[Path]) -> Iterator[Uploaded]:
    """Upload what these runs' folders hold unsent, some runs at a time; what fails is told in the answer."""
    for start in range(0, len(folders), AT_ONCE):
        some = folders[start : start + AT_ONCE]
        lines = _sync([path for folder in some for path in unsent_files(folder)])
        for folder in some:
            yield _outcome(folder, lines)


def _sync(paths: Sequence[Path]) -> list[str]:
    """What W&B's own command says as it uploads; it knows no resumption but by this variable."""
    variables = {name: value for name, value in os.environ.items() if name != "WANDB_MODE"}
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--verbose", *map(str, paths)],
        env=variables | {"WANDB_RESUME": "allow"}, capture_output=True, text=True,
    )  # fmt: skip
    return (done.stdout + done.stderr).splitlines()


def _outcome(folder: Path, lines: Sequence[str]) -> Uploaded:
    """Of one run, whose lines name its id."""
    own = [line for line in lines if f"/{folder.name}]" in line]
    address = next((found.group(1) for line in own if (found := ADDRESS.search(line))), None)
    if not unsent_files(folder):
        return Uploaded(folder, address)
    errors = [found.group(1) for line in [*lines, *own] if (found := ERROR.search(line))]
    return Uploaded(folder, address, errors[-1] if errors else "W&B did not finish, and does not say why")
