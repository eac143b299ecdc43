"""The command line: parses it, turns errors into sentences and exit codes. Imports nothing heavy."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cgexp.cli.parser import WORDS, make_parser, parse
from cgexp.cli.simulate_bundle import is_asked_for
from cgexp.errors import InputError, require_once, sentence_of

LATEST = "run=latest"
YOUNG_OBJECTS = (
    10_000  # of which Python looks for cycles; its 700 make it look a thousand times while torch is imported
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; arguments: None for those of this process, which then ends."""
    if arguments is not None:
        return _answered(list(arguments))
    gc.set_threshold(YOUNG_OBJECTS)
    code = _answered(sys.argv[1:])
    gc.freeze()  # what is left goes with the process: its end would look through all that was imported
    return code


def _answered(given: list[str]) -> int:
    """The exit code of a command whose errors are told."""
    try:
        return _dispatch(given)
    except InputError as error:
        _tell(error)
        return 2
    except KeyboardInterrupt:
        print("cgexp: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("CGEXP_TRACEBACK"):
            raise
        _tell(error)
        return 1


def _dispatch(arguments: list[str]) -> int:
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        from cgexp.cli.completion import complete

        complete(parser)
    if arguments in ([], ["help"]):
        arguments = ["--help"]
    try:
        given = parse(parser, arguments)
    except SystemExit:  # after the help
        return 0
    if given.version:
        import cgexp

        print(cgexp.__version__)
        return 0
    if given.verb is None:
        raise InputError("no verb is given: `cgexp --help` lists them")
    os.environ["MPLBACKEND"] = "agg"  # figures are files; a notebook's own backend may not be installed here
    from cgexp.messages import on_screen

    module = {"import": "importing"}.get(given.verb, given.verb) if given.verb in WORDS else "jobs"
    if given.verb == "simulate" and is_asked_for(given.words):
        module = "simulate_bundle"
    else:
        given.words = [*_with_latest(given.words)]
    with on_screen():
        return int(importlib.import_module(f"cgexp.cli.{module}").main(given))


def _with_latest(words: Sequence[str]) -> Iterator[str]:
    """The words with ``run=latest`` as the folder that it stands for; InputError if a run is named twice."""
    runs = [word for word in words if word.startswith("run=")]
    if len(runs) > 1:
        require_once(("run",), "run", runs[1])
    for word in words:
        if word == LATEST:
            from cgexp.runs.folder import newest

            outputs = [w.removeprefix("outputs=") for w in words if w.startswith("outputs=")]
            yield f"run={newest(Path(outputs[-1] if outputs else 'outputs'))}"
        else:
            yield word


def _tell(error: Exception) -> None:
    print(f"cgexp: {sentence_of(error)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
