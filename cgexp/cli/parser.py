"""The command line's grammar: a verb, its options, and words, which are Hydra's overrides for most verbs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from cgexp.errors import InputError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# verb -> what it does
VERBS = {
    "run": "data, prior, training, simulation, evaluation, figures",
    "data": "make or find the data set and print its data card",
    "train": "fit the prior and train the network",
    "simulate": "simulate a trained potential; with bundle=PATH for days, from the model alone, into XTC, DCD or H5MD",
    "evaluate": "metrics and figures of a simulated run",
    "active": "rounds of training, simulation, selection and labelling, within an oracle's budget",
    "import": "frames of your own from an all-atom trajectory with topology and forces: tested, with a data card",
    "check": "check a config, build its parts and try one training step; with run=<folder>, its files; writes nothing",
    "export": "a run's simulation for molecular viewers, or its model to take away: a bundle, for ASE, OpenMM, LAMMPS",
    "runs": "list the runs there are, those of which conditions hold, or remove some: state, age, size, key metrics",
    "compare": "runs by what differs: mean and spread over seeds, paired differences, figures, one page for a browser",
    "status": "the jobs of a multirun, while it runs and after: state, progress, time left, why one failed",
    "search": "the best settings within a space of them, by TPE, a Gaussian process or at random; stops bad ones early",
    "diff": "what differs between two runs: settings, data, code, libraries, hardware, metrics",
    "rerun": "make a finished run again in a fresh folder, and say whether its numbers are equal to the last digit",
    "wandb": "W&B: upload what is offline (sync), a workspace and a report (workspace), a sweep for its agents (sweep)",
    "reproduce": "runs, figures, table and checked numbers of an experiment",
    "completion": 'print the tab completion for bash or zsh: eval "$(cgexp completion bash)"',
}
WORDS = {
    "import": "trajectory=FILE topology=FILE temperature=K [forces=FILE] [mapping=NAME] [key=value] ... [to=FILE.npz]",
    "export": "run=<folder> [as=trajectory|bundle|ase|openmm|lammps|torchscript|mlcg] [format=xtc|dcd] ...",
    "runs": "[remove] [FOLDER | ID] ... [key=value | 'key<number'] ... [sort=[-]KEY] [columns=A,B] [outputs=DIR]",
    "compare": "[FOLDER | ID] ... [key=value] ... [metrics=A,B] [baseline=CONDITION] [over=KEY] [to=DIR]",
    "rerun": "FOLDER [to=DIR]",
    "status": "[SWEEP] [outputs=DIR]",
    "search": "objective=METRIC [space=NAME] [n_trials=N] [sampler=tpe|gp|random] [pruner=halving] [confirm=N] ...",
    "diff": "FOLDER|ID|latest FOLDER|ID|latest [outputs=DIR]",
    "wandb": "sync|workspace|sweep [FOLDER | ID] ... [key=value] ... [project=NAME] [metric=NAME] [to=FILE]",
    "reproduce": "NAME [part=NAME] [key=value ...]",
    "completion": "[bash|zsh]",
}
# flags -> what argparse does with them, and their help
OWN_OPTIONS = {"--config-dir": ("store", "a folder of your own options, as ./conf is")}
OF_CONFIGS = {
    "-m --multirun": ("store_true", "run all combinations of comma-separated values"),
    **OWN_OPTIONS,
    "--cfg": ("store_true", "print the composed config and exit"),
}
OF_STUDIES = {
    **OWN_OPTIONS,
    "--experiments": ("store", "the folder in which experiments lie, if not ./experiments"),
    "--update": ("store_true", "keep figures, numbers and the README's table in the experiment's folder"),
    "--resume": ("store_true", "do not run again what its runs.csv and rounds.csv hold"),
}
OF_NUMBERS = {"--json": ("store_true", "print JSON")}
OF_LISTS = {
    **OF_NUMBERS,
    "--yes": ("store_true", "remove without asking"),
}
OF_UPLOADS = {"--dry-run": ("store_true", "say what would be done, and do nothing")}
OWN = {
    "reproduce": OF_STUDIES,
    "runs": OF_LISTS,
    "compare": OF_NUMBERS,
    "diff": OF_NUMBERS,
    "status": OF_NUMBERS,
    "search": OWN_OPTIONS,
    "wandb": OF_UPLOADS,
}  # that compose no config
OF_BUNDLES = "bundle=PATH [to=DIR] [format=xtc|dcd|h5md] [seed=N] [device=cuda] [n_steps=N] [key=value] ..."
OVERRIDES = "[group=option] [group.key=value] ..."
EPILOG = """Words are Hydra's overrides: group=option, group.key=value. A later stage takes run=<folder> and finds there
what an earlier one left. `cgexp VERB --help` lists options and groups.

Examples:
  cgexp run                                    the toy of CGnet 2019, from data to figures
  cgexp run experiment=chignolin_first         CGSchNet on Chignolin, with the data set that ships
  cgexp run -m seed=1,2,3 model.activation=tanh,silu
  cgexp evaluate run=outputs/toy_cgnet/<id>    metrics and figures again; run=latest is the run changed last
  cgexp runs state=failed                      which runs failed, and why
  cgexp compare experiment=toy_cgnet to=found  its runs by what differs, with figures and comparison.html in found/

Exit codes: 0 done, 1 failed, 2 a mistake in the input, 130 interrupted (run again to go on).
"""


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are InputErrors, and whose help ends with what ``lists`` says."""

    lists: Callable[[], str] | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}: see {self.prog} --help")

    def format_help(self) -> str:
        if self.lists is not None:
            self.epilog = self.lists()
        return super().format_help()


class _Help(argparse.RawDescriptionHelpFormatter):
    """Text as it is written, in lines as wide as this package's."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=120)


def make_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(prog="cgexp", usage="cgexp VERB [options] [words]", epilog=EPILOG)
    parser.add_argument("-V", "--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=Parser)
    for verb, text in VERBS.items():
        usage = f"cgexp {verb} [options] {WORDS.get(verb, OVERRIDES)}"
        if verb == "simulate":
            usage += f"\n       cgexp {verb} {OF_BUNDLES}"
        one: Parser = verbs.add_parser(verb, help=text, description=text, usage=usage)
        one.add_argument("words", nargs="*", help=argparse.SUPPRESS)
        one.lists = settings_help if verb == "import" else None if verb in WORDS else groups_help
        for flags, (kind, what) in _options_of(verb).items():
            one.add_argument(*flags.split(), action=kind, help=what)
    return parser


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The verb, its options, and ``words`` in the order in which they were given.

    Prints the help and raises SystemExit where it is asked for; raises InputError for what is no verb and no option.
    """
    first = next((word for word in arguments if not word.startswith("-")), None)
    if first is not None and first not in VERBS:
        raise InputError(f"unknown verb '{first}'{did_you_mean(first, VERBS)}: expected one of {', '.join(VERBS)}")
    given, rest = parser.parse_known_args(arguments)
    for word in rest:
        if word.startswith("-"):
            options = {"--version": ""} if given.verb is None else _options_of(given.verb)
            known = [*" ".join(options).split(), "--help"]
            if word in known:
                raise InputError(f"{word} stands before the verb: write cgexp {given.verb} {word}")
            what = "" if given.verb in WORDS else " or overrides like seed=1"
            raise InputError(f"unknown option {word}{did_you_mean(word, known)}: expected {', '.join(known)}{what}")
    given.words = [*getattr(given, "words", []), *rest]
    return given


def groups_help() -> str:
    """The config groups with their options."""
    from cgexp.config.paths import group_options, groups

    lines = [f"  {group:<18}{', '.join(group_options(group))}" for group in groups()]
    return "Config groups (group=option; group.key=value for what is inside):\n" + "\n".join(lines)


def settings_help() -> str:
    """What ``cgexp import`` takes, as the option dataset=trajectory explains it."""
    from cgexp.cli.importing import known_settings
    from cgexp.config.paths import conf_dir

    text = (conf_dir() / "dataset" / "trajectory.yaml").read_text(encoding="utf-8")
    known = (line.partition(": ") for line in text.splitlines())
    lines = [f"  {key:<24}{rest.partition('  # ')[2]}" for key, _, rest in known if key in known_settings()]
    return "Settings (key=value):\n" + "\n".join(
        [*lines, f"  {'to':<24}file of the frames, .npz; the card lies beside it"]
    )


def _options_of(verb: str) -> dict[str, tuple[str, str]]:
    """The options of a verb, as OF_CONFIGS."""
    return OWN.get(verb, {}) if verb in WORDS else OF_CONFIGS
