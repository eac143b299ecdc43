"""The one exception a person sees: a sentence saying what was given, what was expected, what to do."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

LONGEST_WORD = 1000  # letters, of a sentence


class InputError(ValueError):
    """A mistake in the input; its text is one sentence and the command line exits with code 2."""


class MistakeOfOptions(InputError):
    """One that every job with the same options of groups ends with: a multirun need not begin the next ones."""


class Pruned(Exception):
    """A training that a search has stopped before its end; the text says so in one sentence."""


class MachineError(RuntimeError):
    """What the machine lacks (space, open files, memory); its text is one sentence, and the exit code is 1."""


LACKING = {
    errno.ENOSPC: "free space on this disk, or choose another one with outputs=<directory>",
    errno.EDQUOT: "free space within your quota, or choose another disk with outputs=<directory>",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or make smaller ones (simulation.chunk_frames)",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or run fewer jobs side by side",
    errno.ENFILE: "the whole machine has too many open files: close other programs",
    errno.ENOMEM: "free memory, or run fewer jobs side by side",
    errno.EIO: "the disk fails: choose another one with outputs=<directory>",
}


def require_machine(error: BaseException, path: object, doing: str) -> None:
    """Raise MachineError if an error says that the machine lacks something, and the input is not at fault."""
    advice = LACKING.get(getattr(error, "errno", None) or 0)
    if advice is not None and isinstance(error, OSError):
        raise MachineError(f"cannot {doing} {path}: {error.strerror or error}; {advice}") from error


def require_kind(value: object, kinds: type | tuple[type, ...], what: str, expected: str) -> None:
    """Raise InputError if what a public function was given from Python is of another class.

    what: the function and its argument, as it begins the sentence. expected: what to give, as it ends it.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{what} is {shown(repr(value))}, a {type(value).__name__}: give {expected}")


def require_once(given: Collection[str], key: str, word: str) -> None:
    """Raise InputError if a verb's own setting is among those ``given`` before ``word``.

    Hydra's overrides may be repeated: there the last one counts, so that a command can be changed at its end.
    """
    if key in given:
        raise InputError(f"{shown(word)} says again what {key} is: give {key}=<value> once")


@contextmanager
def naming_machine(path: object, doing: str) -> Iterator[None]:
    """``require_machine`` for errors within; others are raised as they are."""
    try:
        yield
    except OSError as error:
        require_machine(error, path, doing)
        raise


def not_written(error: OSError, path: object) -> InputError:
    """What to raise where nothing can be written. Raises MachineError if the machine lacks something."""
    require_machine(error, path, "write")
    return InputError(
        f"cannot write {path}: {error.strerror or error}; choose a writable directory, with outputs=<directory>, "
        "or to=<folder> where the command takes it"
    )


def shown(value: object, limit: int = 60) -> str:
    """A value as it is echoed in a sentence: one that is long is cut."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest of ``known``, or an empty string."""
    if len(word) > 100:
        return ""
    import difflib  # only now: `cgexp --help` has no use for it

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or torch says that there was no memory left."""
    text = str(error)
    of_torch = "can't allocate memory" in text or "out of memory" in text
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and of_torch)


def sentence_of(error: BaseException) -> str:
    """What went wrong and what to do, in one line: the error's own words, or its type where it is no InputError."""
    notes: list[str] = getattr(error, "__notes__", [])
    text = _with_short_words(" ".join(str(error).split()))
    if is_out_of_memory(error):
        said = f"not enough memory ({shown(text, 200) or 'none is left'})"
        advice = "lower trainer.batch_size, simulation.n_replicas or dataset.n_frames, or run fewer jobs side by side"
        return "; ".join([f"{said}: {advice}", *notes])
    if isinstance(error, InputError | MachineError | Pruned):
        return "; ".join([text, *notes])
    if isinstance(error, BrokenExecutor):
        said = f"a process that worked for this one has ended ({text.rstrip('.')}), as where memory runs out"
        return "; ".join([f"{said}: the same command goes on from what is kept", *notes])
    said = f"failed with {type(error).__name__}: {text or 'no message'}"
    return "; ".join([said, *notes, "CGEXP_TRACEBACK=1 prints the traceback"])


def _with_short_words(text: str) -> str:
    """Where no place has cut what it echoes: no path and no number is as long as this."""
    return " ".join(word if len(word) <= LONGEST_WORD else f"{word[:200]}..." for word in text.split(" "))
