"""What the all-atom oracles share: back-mapped starts, the force map, work spread over processes, stored outcomes."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.back_mapper import BackMapper
from cgexp.all_atom.backmapping.library import FragmentLibrary
from cgexp.all_atom.engine import PlatformName, derived_seed
from cgexp.all_atom.force_field import (
    ForceField,
    constraint_pairs,
    make_system,
)
from cgexp.all_atom.mapping.force_maps import FITTED, FORCE_MAPS, make_map
from cgexp.all_atom.mapping.linear_map import LinearMap, read_map, write_map
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.errors import InputError
from cgexp.executor.local import local_executor
from cgexp.frames import Frames, force_field_of
from cgexp.oracles.fitted_map import fit_map
from cgexp.oracles.jobs import Job, Outcome, Rejection, run_jobs
from cgexp.oracles.oracle import Coords, Labels, Oracle, fingerprint
from cgexp.parts.ranges import ExecutionOnly, Mark, PositiveInt, Seed
from cgexp.parts.signatures import read_signature
from cgexp.progress import Report
from cgexp.systems.beads import bead_atoms
from cgexp.systems.peptide import Peptide

VERSION = 2  # of the labels: raised when the same settings come to give other ones
OF_FRAMES = ("coords", "forces", "force_sem", "time_ps")


@dataclass(frozen=True, kw_only=True)
class PeptideJob(Job):
    """Labels one CA configuration [n_residues, 3] (Å) from independently back-mapped starts."""

    peptide: AllAtom
    force_field: ForceField
    library: FragmentLibrary
    force_map: LinearMap
    configuration: Coords
    temperature: float
    seed: int
    n_starts: int
    n_attempts: int
    turn_side_chains: bool
    platform: PlatformName

    def seed_of(self, number: int) -> int:
        """Seed of a start: a function of the base seed, the configuration and ``number`` alone."""
        return derived_seed(self.seed, fingerprint(self.configuration), number)

    def starts(self) -> tuple[list[NDArray[np.float64]], int]:
        """All-atom starts, ``n_starts`` arrays [n_atoms, 3] (Å), and the number of attempts. Raises Rejection."""
        mapper = BackMapper(
            self.peptide,
            self.library,
            force_field=self.force_field,
            platform=self.platform,
            turn_side_chains=self.turn_side_chains,
        )
        starts: list[NDArray[np.float64]] = []
        attempt, reason = 0, ""
        while len(starts) < self.n_starts <= len(starts) + self.n_attempts - attempt:
            mapped = mapper.back_map(self.configuration.astype(np.float64), seed=self.seed_of(attempt))
            if mapped.positions is not None:
                starts.append(mapped.positions)
            attempt, reason = attempt + 1, mapped.reason or reason
        if len(starts) < self.n_starts:
            raise Rejection(
                f"back-mapping gave {len(starts)} of {self.n_starts} starts in {attempt} attempts: {reason}"
            )
        return starts, attempt


@dataclass(kw_only=True)
class OpenMMOracle(Oracle):
    """Labels C-alpha configurations of a peptide by all-atom dynamics in implicit solvent.

    force_field, solvent, surface_term: those of the data set to join (``ForceField``). n_starts: independently
    back-mapped starts of each configuration. n_attempts: back-mappings that may be tried for them. force_map: slice,
    constraint_group, residue, optimal (fitted once to a run of its own, kept in the folder), or the file of a map.
    library: file of a fragment library; null takes the extended and the native structure.
    turn_side_chains: draw them at random; false keeps those of the library, right for one of many thermal frames. seed:
    of all randomness. n_parallel: local processes, which do not change the labels. platform: of OpenMM. Labels.extra
    holds seconds and n_attempts. Fitting a map, once, is not counted in the cost.
    """

    system: Peptide
    force_field: Literal["ff14SBonlysc", "ff14SB"] = "ff14SBonlysc"
    solvent: Literal["gbn2", "obc2"] = "gbn2"
    surface_term: Literal["ace", "none"] = "ace"
    n_starts: PositiveInt
    n_attempts: PositiveInt
    force_map: str
    library: str | None = None
    turn_side_chains: bool = True
    seed: Seed = 0
    n_parallel: ExecutionOnly[PositiveInt] = 1
    platform: ExecutionOnly[Literal["auto", "CUDA", "OpenCL", "native", "CPU", "Reference"]] = "auto"

    constrained: ClassVar[bool]  # whether bonds to hydrogen are rigid in the dynamics
    recorded_map: ClassVar[str] = ""  # what the frames record; empty: the name of the force map

    def __post_init__(self) -> None:
        if Peptide.expect(self.system, f"the oracle '{self.name}'").beads != "ca":
            raise InputError(f"the oracle '{self.name}' has system '{self.system.name}': expected C-alpha beads")
        if self.n_attempts < self.n_starts:
            raise InputError(
                f"oracle.n_attempts={self.n_attempts} back-mappings cannot give oracle.n_starts={self.n_starts} "
                "starts: raise n_attempts"
            )
        self._sequence = self.system.sequence
        self._force_field = ForceField(self.force_field, self.solvent, self.surface_term)
        self._force_field.check_platform(self.platform, "oracle")
        self._maps: dict[Path | None, LinearMap] = {}

    @abstractmethod
    def _job(self, **shared: Any) -> PeptideJob:
        """The job of one configuration; ``shared`` are the fields of PeptideJob."""

    @property
    @abstractmethod
    def notes(self) -> str:
        """What a person must know of these labels."""

    def check_joins(self, frames: Frames) -> None:
        known = force_field_of(frames)
        if known and known != self._force_field.name:
            raise InputError(
                f"the oracle '{self.name}' labels in {self._force_field.name}, but the data are in {known}: set "
                "oracle.force_field, oracle.solvent and oracle.surface_term to those of the data"
            )
        if self.temperature != frames.temperature:
            raise InputError(
                f"the oracle '{self.name}' labels at {self.temperature:g} K, but the data are of "
                f"{frames.temperature:g} K: set oracle.temperature to that of the data"
            )

    @cached_property
    def peptide(self) -> AllAtom:
        """The peptide with all its atoms."""
        return build_peptide(self._sequence)

    @cached_property
    def fragments(self) -> FragmentLibrary:
        """The fragment library, read or made once."""
        if self.library is None:
            return FragmentLibrary.default(self._sequence, self._force_field)
        library = FragmentLibrary.read(Path(self.library))
        library.check(self.peptide)
        return library

    def linear_map(self, folder: Path | None = None) -> LinearMap:
        """The force map; a fitted one is kept in ``folder``. Raises InputError if it does not suit the dynamics."""
        if folder not in self._maps:
            self._maps[folder] = self._make_map(folder)
        return self._maps[folder]

    def _make_map(self, folder: Path | None) -> LinearMap:
        pairs = constraint_pairs(make_system(self.peptide.topology, constrained=self.constrained))
        sites = BeadSites.on(self.peptide.atoms, bead_atoms(self._sequence, "ca"), pairs)
        if self.force_map in FITTED:
            made = self._fitted(folder)
        elif self.force_map in FORCE_MAPS:
            made = make_map(self.force_map, sites)
        elif Path(self.force_map).is_file():
            made = read_map(Path(self.force_map))
        else:
            raise InputError(
                f"oracle.force_map={self.force_map} is neither the name of a map nor a file: expected one of "
                f"{', '.join(FORCE_MAPS)} or a file written by write_map"
            )
        made.check_atoms(self.peptide.atoms)
        if not np.array_equal(made.beads, sites.beads):
            raise InputError(f"oracle.force_map={self.force_map} is for other beads: expected those on C-alpha atoms")
        if not made.valid_for(pairs):
            self._refuse_bias(made)
        return made

    def _refuse_bias(self, made: LinearMap) -> None:
        raise InputError(
            f"oracle.force_map={self.force_map} is biased where bonds to hydrogen are rigid: use constraint_group, or "
            "a map fitted to such dynamics"
        )

    def _fitted(self, folder: Path | None) -> LinearMap:
        settings = [self._sequence, self._force_field.name, self.temperature, self.constrained, self.seed]
        path = None if folder is None else folder / f"force_map-{_digest(settings)}.npz"
        if path is not None and path.is_file():
            return read_map(path)
        made = fit_map(
            self._sequence,
            self.temperature,
            self._force_field,
            constrained=self.constrained,
            seed=self.seed,
            platform=self.platform,
        )
        if path is not None:
            write_map(path, made)
        return made

    def keys(self, coords: NDArray[np.floating]) -> list[str]:
        """A name for each configuration [n, n_beads, 3] and these settings; its outcome is <key>.npz in a folder."""
        settings = self._key()
        return [
            f"{self.name}-{_digest([settings, str(fingerprint(configuration))])}"
            for configuration in self._checked(coords)
        ]

    def _label(self, coords: Coords, folder: Path | None, executor: Executor | None, progress: Report) -> Labels:
        import_openmm()  # before anything is written
        force_map, keys = self.linear_map(folder), self.keys(coords)
        jobs: dict[str, Job] = {
            key: self._job(
                peptide=self.peptide,
                force_field=self._force_field,
                library=self.fragments,
                force_map=force_map,
                configuration=configuration,
                temperature=self.temperature,
                seed=self.seed,
                n_starts=self.n_starts,
                n_attempts=self.n_attempts,
                turn_side_chains=self.turn_side_chains,
                platform=self.platform,
            )
            for key, configuration in zip(keys, coords, strict=True)
        }
        with local_executor(self.n_parallel) if executor is None else nullcontext(executor) as workers:
            outcomes = run_jobs(jobs, folder, workers, progress)
        cost = sum(outcome.seconds for outcome in outcomes.values())
        return self._labels([outcomes[key] for key in keys], cost, self.recorded_map or force_map.name)

    def _labels(self, outcomes: list[Outcome], cost_s: float, map_name: str) -> Labels:
        """Labels of the configurations, whose outcomes are given in their order."""
        accepted = [index for index, outcome in enumerate(outcomes) if not outcome.reason]
        sizes = [len(outcomes[index].arrays["coords"]) for index in accepted]
        shape = (0, self.system.n_beads, 3)
        arrays = {"coords": np.zeros(shape, np.float32), "forces": np.zeros(shape, np.float32)}
        if accepted:
            names = outcomes[accepted[0]].arrays
            arrays = {name: np.concatenate([outcomes[index].arrays[name] for index in accepted]) for name in names}
        block = np.repeat(np.arange(len(accepted)), sizes) * self.n_starts + arrays.pop("start", np.array(0))
        frames = self._frames(
            block=block,
            source=f"{self.name} oracle: OpenMM, {self._force_field.name}",
            force_field=self._force_field.name,
            force_map=map_name,
            notes=self.notes,
            **{name: values for name, values in arrays.items() if name in OF_FRAMES},
        )
        extra = {name: values for name, values in arrays.items() if name not in OF_FRAMES}
        extra["seconds"] = np.repeat([outcomes[index].seconds for index in accepted], sizes) / np.repeat(sizes, sizes)
        rejected = tuple((index, outcome.reason) for index, outcome in enumerate(outcomes) if outcome.reason)
        return Labels(frames, np.repeat(np.array(accepted, dtype=np.int64), sizes), rejected, cost_s, extra)

    def _key(self) -> str:
        """Digest of everything but the configuration that a label depends on."""
        target = f"{type(self).__module__}.{type(self).__qualname__}"
        signature = read_signature(target)
        left_out = () if signature is None else signature.marked(Mark.EXECUTION)
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}
        library = hashlib.sha256(np.ascontiguousarray(self.fragments.positions).tobytes()).hexdigest()
        settings |= {"system": self._sequence, "library": library, "version": VERSION, "oracle": self.name}
        if self.force_map not in FORCE_MAPS:
            settings["force_map"] = self.linear_map().content_hash
        return _digest({name: float(value) if isinstance(value, int) else value for name, value in settings.items()})


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
