"""Marks on the fields of a part: what a key is, beside what values it takes, as ``n_parallel: ExecutionOnly[int]``.

identity.py leaves out of the ids of runs and data what does not change them, whatever the key is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeVar

T = TypeVar("T")


class Mark(Enum):
    """What a key is."""

    EXECUTION = "how something is computed or checked, not what: part of no id"
    EVALUATION = "used when a run is evaluated, not when data are made, a model is trained or simulated"
    CONTENT = "a file, or a run's folder with its potential, that counts by its content and not by its name"
    RUN = "folder of another run, which is named after its physics wherever it lies"
    CHOICE = "which of the frames of an ensemble a data set takes: the ensemble is the same"
    REGION = "leaves the frames outside a region out, so that the others are no sample of the ensemble"
    LATER = "a key that came later: with its default the id is the one that there was without it"


ExecutionOnly = Annotated[T, Mark.EXECUTION]
EvaluationOnly = Annotated[T, Mark.EVALUATION]
ContentFile = Annotated[T, Mark.CONTENT]
RunFolder = Annotated[T, Mark.RUN]
ChoiceOfFrames = Annotated[T, Mark.CHOICE]
Region = Annotated[T, Mark.REGION]
AddedLater = Annotated[T, Mark.LATER]


@dataclass(frozen=True)
class FilledIn:
    """On a field that holds a part: constructor arguments of the part that exist only at run time."""

    names: tuple[str, ...]
