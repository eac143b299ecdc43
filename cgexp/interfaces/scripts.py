"""The command line of the ready scripts that ``cgexp export`` lays beside a bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from cgexp.errors import InputError

N_STEPS = 10_000


def run_script(main: Callable[..., None], about: str, **choices: Sequence[str]) -> NoReturn:
    """Call ``main(n_steps)`` with what the command line gives, and end the program.

    about: what --help says. choices: further arguments of ``main`` that are one of some words, the first of which is
    the default. A mistake is told without a traceback, and the exit code is 2.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_steps", nargs="?", type=_steps, default=N_STEPS, help=f"number of steps; {N_STEPS}")
    for name, words in choices.items():
        parser.add_argument(name, nargs="?", choices=words, default=words[0], help=f"{' or '.join(words)}; {words[0]}")
    given = parser.parse_args()
    try:
        main(**vars(given))
    except InputError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of steps: expected a whole number from 1 on")
    return int(text)
