"""Data cards of the sets that ship: what each is and how it was made, readable without numpy or torch.

A set is cgexp/data/<name>.npz with its card <name>.json beside it; names with a further dot are parts of a set. The
cards hold hashes of all else; SHA256SUMS holds theirs, as ``sha256sum --check`` reads them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, did_you_mean

DATA = Path(__file__).parent / "data"
AGAIN = "install the package again"  # nothing in the package writes these files anew
MANIFEST = "SHA256SUMS"
FACTS = ("content_hash", "system", "temperature_K", "force_map", "force_rms", "units", "n_beads", "n_frames")


def packaged_names(folder: Path = DATA) -> list[str]:
    """Names of the data sets that ship; one that lacks its card, its frames or both counts, so that this is noticed."""
    found = {path.stem for kind in ("json", "npz") for path in folder.glob(f"*.{kind}")}
    listed = {name.removesuffix(".json") for name in read_manifest(folder)}
    return sorted(name for name in found | listed if "." not in name)


def read_manifest(folder: Path) -> dict[str, str]:
    """File name of each card -> SHA-256; empty where there is no manifest."""
    path = folder / MANIFEST
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}  # a card whose line is damaged is then not listed


def manifest_with(name: str, folder: Path) -> bytes:
    """Content of the manifest once the card of ``name`` is as it now lies in ``folder``."""
    card = f"{name}.json"
    sums = {**read_manifest(folder), card: hashlib.sha256((folder / card).read_bytes()).hexdigest()}
    return "".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items())).encode()


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
    missing = FACTS if not isinstance(card, dict) else [fact for fact in FACTS if fact not in card]
    if missing:
        raise InputError(f"{path} is no data card, it lacks {', '.join(missing)}: {AGAIN}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != read_manifest(folder).get(path.name):
        raise InputError(f"{path} is not the card that {MANIFEST} lists: {AGAIN}")
    return dict(card)
