"""The one exception a person sees: a sentence saying what was given, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_WORD = 1000  # letters, of a sentence


class InputError(ValueError):
    """A mistake in the input; its text is one sentence and the command line exits with code 2."""


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


def sentence_of(error: BaseException) -> str:
    """What went wrong and what to do, in one line: the error's own words, or its type where it is no InputError."""
    notes: list[str] = getattr(error, "__notes__", [])
    text = _with_short_words(" ".join(str(error).split()))
    if isinstance(error, InputError):
        return "; ".join([text, *notes])
    said = f"failed with {type(error).__name__}: {text or 'no message'}"
    return "; ".join([said, *notes, "CGEXP_TRACEBACK=1 prints the traceback"])


def _with_short_words(text: str) -> str:
    """Where no place has cut what it echoes: no path and no number is as long as this."""
    return " ".join(word if len(word) <= LONGEST_WORD else f"{word[:200]}..." for word in text.split(" "))
