"""Data cards of the sets that ship: what each is and how it was made, readable without numpy or torch.

A set is cgexp/data/<name>.npz with its card <name>.json beside it; names with a further dot are parts of a set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, did_you_mean

DATA = Path(__file__).parent / "data"
AGAIN = "install the package again"  # nothing in the package writes these files anew


def packaged_names(folder: Path = DATA) -> list[str]:
    """Names of the data sets that ship; one with a card or frames alone counts, so that what it lacks is noticed."""
    return sorted({path.stem for kind in ("json", "npz") for path in folder.glob(f"*.{kind}") if "." not in path.stem})


def load_card(name: str, folder: Path = DATA) -> dict[str, Any]:
    """The data card of a shipped set: what it is, how it was made, how good it is.

    Raises InputError if the set is unknown, or its card or frames are missing or damaged.
    """
    known = packaged_names(folder)
    if name not in known:
        raise InputError(
            f"no data set '{name}' ships with the package{did_you_mean(name, known)}: "
            f"expected one of {', '.join(known) or '(none)'}"
        )
    path = folder / f"{name}.json"
    for file in (path, folder / f"{name}.npz"):
        if not file.is_file():
            raise InputError(f"{file} of data set '{name}' is missing: {AGAIN}")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): {AGAIN}") from error
    if not isinstance(card, dict):
        raise InputError(f"{path} is no data card: {AGAIN}")
    return card
