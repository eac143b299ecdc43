"""Arrays, frames, trajectories and records on disk: written atomically, checksummed, appendable, without pickle.

One file is a NumPy ``.npz`` archive with a ``meta.json`` array inside that holds the metadata and a SHA-256 of the
content, so any NumPy reads it. A growing trajectory is a folder of such files, one a chunk. A record is a JSON object
that holds the SHA-256 of its own content, so that it keeps it wherever it is copied to.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError, naming_machine, not_written, require_machine, shown
from cgexp.frames import ARRAYS, METADATA, OPTIONAL_METADATA, Frames, plain_bytes
from cgexp.mapped import read_members
from cgexp.quantised import dequantise, quantise

Arrays = Mapping[str, NDArray[Any]]
META = "__meta__"
FORMAT = 1
UNREAD = "is truncated or not a cgexp store file: delete it and run the stage that wrote it again"
SEAL = "sha256"  # key of a record's checksum
UNFINISHED = ".part"  # ends the name of a hidden file that is being written
TEXT_SEAL = "# sha256: "  # begins the first line of a text with a checksum
log = logging.getLogger(__name__)
# what NumPy and zipfile raise for files that are damaged or something else
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, TypeError, AttributeError, RuntimeError,
)  # fmt: skip


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a whole file or nothing: see ``write_whole``."""
    write_whole(path, lambda file: file.write(content), durable)


def write_whole(path: Path, write: Callable[[BinaryIO], object], durable: bool = True) -> None:
    """Let ``write`` make a whole file or nothing: a temporary neighbour, synced, then renamed over ``path``.

    Without ``durable`` it is not synced: whole or nothing when the process is killed, but not when the power fails.
    """
    path = Path(path)
    name = path.parent / f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # less the user's umask
    except OSError as error:
        raise not_written(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        name.unlink(missing_ok=True)
        raise not_written(error, path) from error


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one raises InputError with its name."""
    try:
        with naming_machine(path, "read"):
            return json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path} is missing: run the earlier stage that writes it") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run the stage again") from error


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object that ``read_record`` reads back, with its checksum under the key ``sha256``, atomically."""
    write_json(path, {**content, SEAL: seal_of(content)})


def read_record(
    path: Path, *keys: str, must_be_sealed: Callable[[Mapping[str, Any]], bool] = lambda content: False
) -> dict[str, Any]:
    """The content of a file of ``write_record``; one without a checksum, as older versions wrote it, with a warning.

    must_be_sealed: whether content without a checksum cannot be of an older version. Raises InputError if the file is
    missing, damaged, edited, or holds no JSON object with these keys.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object: delete it and run the stage that writes it again")
    is_sealed, seal = SEAL in content, content.pop(SEAL, None)
    if not is_sealed and not must_be_sealed(content):
        tell_unsealed()
    elif seal != seal_of(content):
        raise InputError(
            f"{path} was damaged or edited (its checksum differs): delete it and run the stage that writes it again"
        )
    if missing := sorted(set(keys) - content.keys()):
        raise InputError(f"{path} lacks {', '.join(missing)}: delete it and run the stage that writes it again")
    return content


def claim(path: Path, settings: Mapping[str, Any], later: Collection[str] = ()) -> None:
    """Record, in the file ``path`` of a folder, what the folder is for; or make sure that it was begun with the same.

    later: settings that one side may lack, since older versions did not write them. Raises InputError if the folder was
    begun with others, or its record is damaged.
    """
    if not Path(path).is_file():
        write_record(path, settings)
        return
    stored, own = read_record(path), _plain(settings)
    unsaid = {name for name in later if name not in stored or name not in own}
    names = sorted(n for n in (own.keys() | stored.keys()) - unsaid if stored.get(n) != own.get(n))
    if names:
        was, now = (", ".join(f"{n}={shown(of.get(n))}" for n in names[:3]) for of in (stored, own))
        raise InputError(
            f"{Path(path).parent} was begun with {was}, not with {now}: choose another folder or delete this one"
        )


def write_sealed_text(path: Path, text: str) -> None:
    """Write lines of a language in which ``#`` begins a comment, with their checksum as the first of them."""
    write_bytes(path, f"{TEXT_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode())


def read_sealed_text(path: Path, must_be_sealed: Callable[[], bool] = lambda: False) -> str:
    """The text of ``write_sealed_text`` without its first line, or one without a checksum, with a warning.

    must_be_sealed: as in ``read_record``. Raises InputError if it is damaged or edited; OSError as usual.
    """
    content = Path(path).read_text(encoding="utf-8", errors="replace")
    first, _, text = content.partition("\n")
    if not first.startswith(TEXT_SEAL) and not must_be_sealed():
        tell_unsealed()
        return content
    if first.removeprefix(TEXT_SEAL) != hashlib.sha256(text.encode()).hexdigest():
        raise InputError(
            f"{path} was damaged or edited (its checksum differs): restore it, or give the command again that made it"
        )
    return text


@lru_cache(maxsize=1)
def tell_unsealed() -> None:
    """Warn once that files without checksums are read."""
    log.warning("some files here carry no checksum, as older versions wrote them: they are used as they are")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with naming_machine(path, "read"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_arrays(
    path: Path, arrays: Arrays, meta: Mapping[str, Any] | None = None, compress: bool = False, durable: bool = True
) -> str:
    """Write named arrays and JSON-able metadata to one file; return the SHA-256 of the content."""
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    for name, value in arrays.items():
        if value.dtype.hasobject:
            raise TypeError(f"array '{name}' holds Python objects, which this format does not store")
    digest = _digest(arrays, meta or {})
    header = json.dumps({"format": FORMAT, "sha256": digest, "meta": dict(meta or {})}).encode()
    savez: Any = np.savez_compressed if compress else np.savez
    content = {META: np.frombuffer(header, dtype=np.uint8), **arrays}
    write_whole(Path(path), lambda file: savez(file, **content), durable)
    return digest


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and metadata of a file written by write_arrays, after checking its checksum.

    Arrays of a file of more than mapped.MAP_FROM bytes stay on disk, as read-only memory maps.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected a file written by cgexp")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = read_members(path, archive)
        header = json.loads(arrays.pop(META).tobytes())
        version, recorded, meta = header["format"], header["sha256"], header["meta"]
    except UNREADABLE as error:
        require_machine(error, path, "read")
        raise InputError(f"{path} {_what_else(path)}") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version}, this version reads {FORMAT}: upgrade cgexp")
    if _digest(arrays, meta) != recorded:
        raise InputError(f"{path} is damaged (its checksum differs): delete it and run the stage that wrote it again")
    return arrays, meta


def read_header(path: Path) -> dict[str, Any]:
    """The metadata alone of a file written by write_arrays, without its arrays; its checksum is not tested."""
    return dict(_header(path)["meta"])


def _header(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:  # np.load leaves a bad file open
            return dict(json.loads(archive[META].tobytes()))
    except UNREADABLE as error:
        require_machine(error, path, "read")
        raise InputError(f"{path} {_what_else(path)}") from error


def _what_else(path: Path) -> str:
    """What a file is that is not one of write_arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        names = []
    own = f"{META}.npy" in names or not any(name.endswith(".npy") for name in names)
    return UNREAD if own else "is a NumPy archive that cgexp did not write: give a file written by cgexp"


def rounded(frames: Frames, steps: Mapping[str, float]) -> Frames:
    """Frames whose arrays named in ``steps`` are rounded to multiples of these, as a quantised file gives them back."""
    return frames.with_labels(
        **{name: dequantise(quantise(frames.arrays[name], step), step) for name, step in steps.items()}
    )


def write_frames(
    path: Path, frames: Frames, compress: bool = False, steps: Mapping[str, float] | None = None, **extra: Any
) -> None:
    """Write frames to one file; ``extra`` (JSON-able) is kept in the metadata.

    steps: array name -> step, for arrays kept as 16-bit multiples of it; the frames read back are ``rounded``.
    """
    steps = dict(steps or {})
    frames = rounded(frames, steps)
    arrays = {**frames.arrays, **{name: quantise(frames.arrays[name], step) for name, step in steps.items()}}
    meta = {**frames.metadata, "content_hash": frames.content_hash, "extra": extra}
    if frames.system_spec is not None:
        meta["system_spec"] = dict(frames.system_spec)
    write_arrays(path, arrays, {**meta, "steps": steps} if steps else meta, compress)


def read_frames(path: Path) -> Frames:
    """Read frames and verify their content hash."""
    arrays, meta = read_arrays(path)
    missing = {"coords", "bead_types", "block"} - arrays.keys()
    if missing or not set(METADATA) <= meta.keys():
        raise InputError(f"{path} holds no frames: expected coords, bead_types, block and their metadata")
    steps = meta.get("steps", {})
    fields: dict[str, Any] = {
        name: dequantise(value, steps[name]) if name in steps else value
        for name, value in arrays.items()
        if name in ARRAYS
    }
    fields |= {name: meta[name] for name in (*METADATA, *OPTIONAL_METADATA) if name in meta}
    frames = Frames(**fields, system_spec=meta.get("system_spec"))
    if frames.content_hash != meta["content_hash"]:
        raise InputError(f"{path} does not match its content hash: delete it and make the data set again")
    return frames


class Chunks:
    """An appendable sequence of array dictionaries: a folder with one checksummed file a chunk.

    A chunk is there whole or not at all, so a killed writer leaves a readable prefix.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def paths(self) -> list[Path]:
        paths = sorted(self.folder.glob("chunk-*.npz"))
        for expected, path in enumerate(paths):
            if path.name != self._name(expected):
                raise InputError(f"{self.folder} lacks {self._name(expected)}: delete the folder and run again")
        return paths

    def __len__(self) -> int:
        return len(self.paths)

    def content_hash(self) -> str:
        """SHA-256 of the checksums that the chunks record; their arrays are not read."""
        return hashlib.sha256("".join(_header(path)["sha256"] for path in self.paths).encode()).hexdigest()

    def latest(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """The last chunk; None: there is none yet."""
        paths = self.paths
        return read_arrays(paths[-1]) if paths else None

    def append(self, arrays: Arrays, meta: Mapping[str, Any] | None = None) -> None:
        """Add one chunk after the last."""
        write_arrays(self.folder / self._name(len(self)), arrays, meta)

    def replace(self, arrays: Arrays, meta: Mapping[str, Any] | None = None) -> None:
        """Make this the only chunk, compressed."""
        write_arrays(self.folder / self._name(0), arrays, meta, compress=True)
        self.truncate(1)

    def truncate(self, n_chunks: int) -> None:
        """Forget the chunks from ``n_chunks`` on (a resumed writer makes them again)."""
        for path in reversed(self.paths[n_chunks:]):
            path.unlink()

    def __iter__(self) -> Iterator[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
        return (read_arrays(path) for path in self.paths)

    def read(self, name: str, axis: int = 0) -> NDArray[Any]:
        """Return array ``name`` of all chunks, joined along ``axis``."""
        parts = [arrays[name] for arrays, _ in self]
        if not parts:
            raise InputError(f"{self.folder} holds no data yet: run the stage that writes it")
        return np.concatenate(parts, axis=axis)

    @staticmethod
    def _name(index: int) -> str:
        return f"chunk-{index:06d}.npz"


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of a record's content, whatever its layout as text."""
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record's content as it is read back."""
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def _digest(arrays: Arrays, meta: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(plain_bytes(array))
    return digest.hexdigest()
