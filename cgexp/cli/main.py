"""The command line: parses the verb, turns errors into sentences and exit codes. Imports nothing heavy."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from cgexp.cli.verbs import VERBS
from cgexp.errors import InputError, did_you_mean
from cgexp.messages import on_screen

WITHOUT_CONFIG = ("export", "reproduce", "completion")
STAGES = ("run", "train", "simulate", "evaluate")
HELP = """usage: cgexp VERB [-m] [--cfg] [group=option] [group.key=value] ...

  {verbs}

Options of every verb but export, reproduce and completion:
  -m, --multirun   run all combinations of comma-separated values: cgexp run -m seed=1,2,3 model.activation=tanh,silu
  --cfg            print the composed config and exit
  -h, --help       this text; after a verb also the groups and their options

A later stage takes run=<folder> and finds there what an earlier one left. Examples:
  cgexp run                                    the toy of CGnet 2019, from data to figures
  cgexp run experiment=chignolin_first         CGSchNet on Chignolin, with the data set that ships
  cgexp evaluate run=outputs/toy_cgnet/<id>    metrics and figures again

Exit codes: 0 done, 1 failed, 2 a mistake in the input, 130 interrupted (run again to go on).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with on_screen():
            return _dispatch(given)
    except InputError as error:
        notes = getattr(error, "__notes__", [])
        print("; ".join([f"cgexp: {error}", *notes]), file=sys.stderr)
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
        text = " ".join(str(error).split()) or "no message"
        print(f"cgexp: failed with {type(error).__name__}: {text}", file=sys.stderr)
        where = [*getattr(error, "__notes__", []), "CGEXP_TRACEBACK=1 prints the traceback here"]
        print(f"cgexp: {'; '.join(where)}", file=sys.stderr)
        return 1


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(HELP.format(verbs="\n  ".join(f"{verb:<12}{text}" for verb, text in VERBS.items())), end="")
        return 0
    if given[0] in ("-V", "--version"):
        import cgexp

        print(cgexp.__version__)
        return 0
    verb, rest = given[0], given[1:]
    if verb == "_complete":
        from cgexp.cli.completion import complete

        return complete(rest)
    if verb not in VERBS:
        raise InputError(f"unknown verb '{verb}'{did_you_mean(verb, VERBS)}: expected one of {', '.join(VERBS)}")
    if "-h" in rest or "--help" in rest:
        from cgexp.cli.composed import groups_help

        print(f"cgexp {verb}: {VERBS[verb]}" + ("" if verb in WITHOUT_CONFIG else f"\n\n{groups_help()}"))
        return 0
    if verb in STAGES:
        from cgexp.cli import stages

        return stages.main(rest, verb)
    module = importlib.import_module(f"cgexp.cli.{verb}")
    return int(module.main(rest))


if __name__ == "__main__":
    sys.exit(main())
