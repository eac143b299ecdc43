"""The files of a bundle: a folder or a zip with bundle.json, model.safetensors and MODEL_CARD.md, read within limits.

Nothing here makes an object of what it reads: bundle.json is JSON under a checksum, model.safetensors holds numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from cgexp.errors import InputError, require_machine, shown
from cgexp.store import SEAL, UNREADABLE, seal_of, write_bytes

RECORD, TENSORS, CARD = "bundle.json", "model.safetensors", "MODEL_CARD.md"
KIND, FORMAT = "cgexp bundle", 1
LARGEST = {RECORD: 16 * 2**20, TENSORS: 2**30}  # bytes of each file
Record = dict[str, Any]
# A step takes the record of its format to that of the next one. tests/interfaces/bundles holds a bundle of each format.
UPGRADES: dict[int, Callable[[Record], Record]] = {}


def write_files(path: Path, record: Mapping[str, Any], tensors: Mapping[str, Tensor], card: str) -> None:
    """Write a bundle: into the folder ``path``, made if need be, or as one file where ``path`` ends in .zip.

    bundle.json is written last, and one of an earlier bundle is removed first: a bundle is there whole or not at all.
    """
    content = tensors_as_bytes(tensors)
    sealed = {"kind": KIND, "format": FORMAT, **record, "files": {TENSORS: hashlib.sha256(content).hexdigest()}}
    # not sorted: the prior's terms are summed in their order, on which the last digit depends
    text = json.dumps({**sealed, SEAL: seal_of(sealed)}, indent=2, ensure_ascii=False)
    files = {TENSORS: content, CARD: card.encode(), RECORD: text.encode()}
    if path.suffix == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, part in files.items():
                archive.writestr(zipfile.ZipInfo(name), part)  # without a time: equal bundles are equal files
        write_bytes(path, buffer.getvalue())
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / RECORD).unlink(missing_ok=True)
    except OSError as error:
        require_machine(error, path, "write")
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another folder with to=<folder>") from error
    for name, part in files.items():
        write_bytes(path / name, part)


def read_files(path: Path) -> tuple[Record, dict[str, Tensor]]:
    """The record of a bundle, in today's format, and its tensors. Raises InputError with one sentence."""
    record = upgraded(_record(_content(path, RECORD), path), path)
    content = _content(path, TENSORS)
    files = record.get("files")
    if not isinstance(files, dict) or files.get(TENSORS) != hashlib.sha256(content).hexdigest():
        raise InputError(
            f"{TENSORS} of {path} was damaged or is of another bundle (its checksum differs): copy the bundle again"
        )
    return record, load_tensors(content, path)


def tensors_as_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """A file of safetensors."""
    # copies: safetensors takes no tensors that share memory
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content: bytes = _safetensors().torch.save(copies)
    return content


def load_tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a file below ``path``. Raises InputError if it holds none."""
    safetensors = _safetensors()
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{TENSORS} of {path} holds no tensors ({shown(error)}): export the bundle again") from error
    return tensors


def upgraded(record: Record, path: Path, steps: Mapping[int, Callable[[Record], Record]] | None = None) -> Record:
    """A record in today's format, by one step after the other. Raises InputError for a format that is not known.

    steps: in place of UPGRADES; the last of them leads to the newest format.
    """
    steps = UPGRADES if steps is None else steps
    newest = max(steps, default=FORMAT - 1) + 1
    version = record.get("format")
    if record.get("kind") != KIND or not isinstance(version, int):
        raise InputError(f"{RECORD} of {path} is no record of a bundle: give the folder that `cgexp export` printed")
    if version > newest:
        raise InputError(f"{path} is a bundle of format {version}, this version reads up to {newest}: upgrade cgexp")
    while version < newest:
        if version not in steps:
            raise InputError(f"{path} is a bundle of format {version}, which there never was: export it again")
        record = steps[version](record)
        version += 1
    return {**record, "format": version}


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise InputError('safetensors is not installed: bundles need it; run pip install "cgexp[bundle]"') from error
    return safetensors


def _record(content: bytes, path: Path) -> Record:
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{RECORD} of {path} is not valid JSON ({shown(error)}): export the bundle again") from error
    if not isinstance(record, dict) or record.pop(SEAL, None) != seal_of(record):
        raise InputError(f"{RECORD} of {path} was damaged or edited (its checksum differs): export the bundle again")
    return record


def _content(path: Path, name: str) -> bytes:
    """One file of a bundle, if it is there and not too large."""
    if not path.is_dir() and not path.is_file():
        raise InputError(
            f"{path} does not exist: expected a bundle, as `cgexp export run=<folder> as=bundle` writes it"
        )
    try:
        return _of_folder(path, name) if path.is_dir() else _of_zip(path, name)
    except InputError:
        raise
    except UNREADABLE as error:
        require_machine(error, path, "read")
        raise InputError(f"{path} is no bundle: expected a folder or a zip that `cgexp export` wrote") from error


def _of_folder(path: Path, name: str) -> bytes:
    if not (path / name).is_file():
        raise _missing(path, name)
    with open(path / name, "rb") as file:
        return _bounded(file.read(LARGEST[name] + 1), path, name)


def _of_zip(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            raise _missing(path, name)
        with archive.open(name) as file:  # what is unpacked is counted, whatever the archive says of its size
            return _bounded(file.read(LARGEST[name] + 1), path, name)


def _bounded(content: bytes, path: Path, name: str) -> bytes:
    if len(content) > LARGEST[name]:
        raise InputError(f"{name} of {path} is larger than {LARGEST[name] // 2**20} MB: expected a bundle of cgexp")
    return content


def _missing(path: Path, name: str) -> InputError:
    return InputError(f"{path} is no bundle, it lacks {name}: copy or export the bundle again")
