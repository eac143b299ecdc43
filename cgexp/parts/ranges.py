"""Types of constructor arguments: the range, what a reader needs to know, the check; and marks on them.

A config is checked against them before torch is imported (signatures.py), a call from Python as the object is made
(part.py), and both by values.py. Numbers end where single precision does, integers where an index does.

A mark says what a key is beside its value, as ``n_parallel: ExecutionOnly[int]``: identity.py leaves out of the ids of
runs and data what does not change them, whatever the key is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, Predicate, doc

SMALLEST, LARGEST = 1e-30, 1e30
LARGEST_INT = 2**31 - 1

Finite = Annotated[float, Ge(-LARGEST), Le(LARGEST), doc("a finite number")]
Coordinate = Annotated[float, Ge(-1e6), Le(1e6), doc("a number from -1e6 to 1e6")]  # energies there are numbers, too
Positive = Annotated[float, Ge(SMALLEST), Le(LARGEST), doc("a positive number")]
Stiffness = Annotated[float, Ge(SMALLEST), Le(1e6), doc("a positive number up to 10^6")]  # stiffer: nothing moves
NonNegative = Annotated[float, Ge(0), Le(LARGEST), doc("a number >= 0")]
Fraction = Annotated[float, Ge(0), Le(1), doc("a number between 0 and 1")]
OpenFraction = Annotated[float, Gt(0), Lt(1), doc("a number above 0 and below 1")]
Share = Annotated[float, Ge(0), Lt(1), doc("a number >= 0 and below 1")]
PositiveInt = Annotated[int, Gt(0), Le(LARGEST_INT), doc("a positive integer")]
NonNegativeInt = Annotated[int, Ge(0), Le(LARGEST_INT), doc("an integer >= 0")]
Size = Annotated[int, Gt(0), Le(2**16), doc("a positive integer up to 65536")]  # units of a layer, functions of a basis
GridSize = Annotated[int, Ge(5), Le(10000), doc("an integer from 5 to 10000")]  # of a histogram; points of a grid
Depth = Annotated[int, Gt(0), Le(1000), doc("a positive integer up to 1000")]  # layers one after another
Seed = Annotated[int, Ge(0), Lt(2**31), doc("an integer >= 0 and below 2^31")]


def is_weight(value: float) -> bool:
    """Whether a term of a loss is switched off, or weighs so much that float32 holds its gradients and their squares.

    Adam adds 1e-8 to their root: what is far below does nothing.
    """
    return value == 0 or 1e-8 <= value <= 1e8


Weight = Annotated[float, Predicate(is_weight), doc("a number from 1e-8 to 1e8, or 0")]


def is_plain(name: str) -> bool:
    """Whether a name is good for a file: letters, digits and ``. _ + = -``, not beginning with a dot."""
    return not name.startswith(".") and all(c.isascii() and (c.isalnum() or c in "._+=-") for c in name)


Name = Annotated[
    str,
    MinLen(1),
    MaxLen(100),
    Predicate(is_plain),
    doc("a plain name of letters, digits and . _ + = -, at most 100, not beginning with a dot"),
]
# in a folder that is stated beside it; of a file system's 255 bytes
FileNames = Annotated[
    str, MinLen(1), MaxLen(200), doc("the name of a file, or a pattern of names, of at most 200 letters")
]


T = TypeVar("T")


class Mark(Enum):
    """What a key is."""

    EXECUTION = "how something is computed or checked, not what: part of no id"
    EVALUATION = "used when a run is evaluated, not when data are made, a model is trained or simulated"
    CONTENT = "a file, or a run's folder with its potential, that counts by its content and not by its name"
    PLACE = "a file or folder of the user's: kept with its absolute path, so that a run can be opened from anywhere"
    RUN = "folder of another run, which is named after its physics wherever it lies"
    CHOICE = "which of the frames of an ensemble a data set takes: the ensemble is the same"
    REGION = "leaves the frames outside a region out, so that the others are no sample of the ensemble"
    LATER = "a key that came later: with its default the id is the one that there was without it"


PLACES = {Mark.PLACE, Mark.CONTENT, Mark.RUN}  # marks of what names a file or folder

ExecutionOnly = Annotated[T, Mark.EXECUTION]
EvaluationOnly = Annotated[T, Mark.EVALUATION]
ContentFile = Annotated[T, Mark.CONTENT]
OwnFile = Annotated[T, Mark.PLACE]
RunFolder = Annotated[T, Mark.RUN]
RunFolders = Annotated[list[str], MinLen(1), Mark.RUN, doc("a list of run folders, at least one")]
ChoiceOfFrames = Annotated[T, Mark.CHOICE]
Region = Annotated[T, Mark.REGION]
AddedLater = Annotated[T, Mark.LATER]


@dataclass(frozen=True)
class FilledIn:
    """On a field that holds a part: constructor arguments of the part that exist only at run time."""

    names: tuple[str, ...]


def _is_project(name: str) -> bool:
    return name.strip() != "" and not set(name) & set("/\\#?%:")


KernelName = Literal["auto", "reference", "sparse", "table", "compiled", "fused"]
Project = Annotated[
    str,
    MaxLen(128),
    Predicate(_is_project),
    doc("a name of at most 128 letters without / \\ # ? % :, which W&B refuses"),
]
Label = Annotated[str, MinLen(1), MaxLen(64), doc("a text of 1 to 64 letters, as W&B's tags are")]
Title = Annotated[str, MinLen(1), MaxLen(128), doc("a text of 1 to 128 letters")]
Notes = Annotated[str, MinLen(1), MaxLen(2000), doc("a text of 1 to 2000 letters")]
