"""A run's folder from somebody else is data: nothing in it makes code run, or reads or writes outside the folder."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import cgexp
from cgexp.cli.main import main
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.linked import MARK
from cgexp.runs.pipeline import run
from cgexp.store import read_arrays, read_record, write_arrays, write_sealed_text
from tests.runs.hostile import PACKAGE, SECRET, Canaries, change_config, change_record, files_of, watched
from tests.runs.small import configure, quiet

PLANTED = {"_target_": f"{PACKAGE}.Planted"}
Change = Callable[[Path, Path], None]  # of a run's folder, with a folder outside


def sets(key: str, value: object) -> Change:
    """A value in config.yaml; OUTSIDE in it stands for the path of the folder outside."""

    def change(folder: Path, outside: Path) -> None:
        change_config(folder, key, value.replace("OUTSIDE", str(outside)) if isinstance(value, str) else value)

    return change


def links(name: str, target: str) -> Change:
    """A file or folder of the run that is a link to one outside."""

    def change(folder: Path, outside: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(outside / target)

    return change


def holds(name: str, content: bytes) -> Change:
    """A file of the run with another content."""
    return lambda folder, outside: (folder / name).write_bytes(content) and None


def potential_of(part: str) -> Change:
    """A potential that is whole by its checksums and names a class."""

    def change(folder: Path, outside: Path) -> None:
        arrays, meta = read_arrays(folder / "potential.npz")
        write_arrays(folder / "potential.npz", arrays, {**meta, "specs": {**meta["specs"], part: PLANTED}})
        record_as_they_are(folder)

    return change


def prior_term(folder: Path, outside: Path) -> None:
    terms = read_record(folder / "prior.json")["terms"]
    change_record(folder / "prior.json", {"terms": {name: {**term, **PLANTED} for name, term in terms.items()}})
    record_as_they_are(folder)


def record_as_they_are(folder: Path) -> None:
    """Let provenance.json say that the files are as they were written."""
    one = RunFolder(folder)
    stages = {stage: {**made, **one.state(stage)} for stage, made in one.read_provenance()["stages"].items()}
    change_record(one.provenance, {"stages": stages})


def data_outside(folder: Path, outside: Path) -> None:
    data = read_record(folder / "provenance.json")["data"]
    change_record(folder / "provenance.json", {"data": {**data, "path": os.path.relpath(outside / "file.npz", folder)}})
    change_record(folder / "provenance.json", {"data": {**data, "path": str(outside / "file.npz")}})


def names_outside(folder: Path, outside: Path) -> None:
    """Files of a stage that lie elsewhere, which would be copied or hashed."""
    stages = read_record(folder / "provenance.json")["stages"]
    for made in stages.values():
        made["files"]["../../../outside/file.txt"] = "0" * 64
        made["files"][str(outside / "file.txt")] = "0" * 64
    change_record(folder / "provenance.json", {"stages": stages})


def pickled(folder: Path, outside: Path) -> None:
    np.savez(folder / "potential.npz", planted=np.array([Unpickled()], dtype=object))


class Unpickled:
    """Runs a command when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo {SECRET}",)


def bomb(name: str, n_bytes: int) -> Change:
    """A small archive that unpacks to ``n_bytes``."""

    def change(folder: Path, outside: Path) -> None:
        buffer = io.BytesIO()
        with (
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("x.npy", "w", force_zip64=True) as file,
        ):
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (n_bytes,)})
            for _ in range(n_bytes // 2**24):
                file.write(bytes(2**24))
        (folder / name).write_bytes(buffer.getvalue())

    return change


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)
HOSTILE: dict[str, Change] = {
    "a model of another package": sets("model", PLANTED),
    "a model that is a function": sets("model", {"_target_": "os.system", "command": "echo"}),
    "a data set of another package": sets("dataset._target_", PLANTED["_target_"]),
    "a system of another package": sets("dataset.system", PLANTED),
    "a term of the prior": sets("prior.terms.wall", PLANTED),
    "a loss": sets("loss", PLANTED),
    "an optimizer": sets("optimizer", PLANTED),
    "a scheduler that is no scheduler": sets("scheduler", {"_target_": "cgexp.runs.folder.RunFolder", "path": "x"}),
    "a callback": sets("trainer.callbacks", {"x": PLANTED}),
    "an integrator": sets("simulation.integrator", PLANTED),
    "an analysis": sets("analysis", PLANTED),
    "an oracle": sets("oracle", PLANTED),
    "parts that it allows itself": sets("parts", [PACKAGE]),
    "parts that its command allowed": sets("overrides", [f"parts=[{PACKAGE}]", f"model._target_={PACKAGE}.Planted"]),
    "overrides of Hydra": sets("overrides", [f"hydra.callbacks.x={{_target_: {PACKAGE}.Planted}}"]),
    "a folder for sweeps": sets("overrides", ["hydra.sweep.dir=OUTSIDE/made", "hydra.run.dir=OUTSIDE/made"]),
    "data above the outputs": sets("dataset.name", "../../outside/made"),
    "data with an absolute name": sets("dataset.name", "OUTSIDE/made"),
    "outputs elsewhere": sets("outputs", "OUTSIDE/made"),
    "an experiment above the outputs": sets("choices.experiment", "../../outside/made"),
    "a secret of the environment": sets("dataset.notes", "${oc.env:CANARY}"),
    "weights from elsewhere": sets("trainer.start_from", "OUTSIDE/file.npz"),
    "YAML that calls": lambda folder, outside: write_sealed_text(
        folder / "config.yaml", f"choices: !!python/object/apply:os.system ['touch {outside}/made']\n"
    ),
    "YAML of a billion": lambda folder, outside: write_sealed_text(folder / "config.yaml", BOMB),
    "a potential with a network of another package": potential_of("model"),
    "a potential with a prior of another package": potential_of("prior"),
    "a prior.json with terms of another package": prior_term,
    "a pickle": pickled,
    "a potential of 2 GB when unpacked": bomb("potential.npz", 2**31),
    "data that lie elsewhere": data_outside,
    "files that lie elsewhere": names_outside,
    "a lock that is a link": links(".lock", "file.txt"),
    "a lock's holder that is a link": links(".lock.holder", "file.txt"),
    "a log that is a link": links("log.txt", "file.txt"),
    "a config that is a link": links("config.yaml", "config.yaml"),
    "metrics that are a link": links("metrics.json", "file.json"),
    "a potential that is a link": links("potential.npz", "file.npz"),
    "a history that is a link": links("train/history.csv", "file.txt"),
    "a training that is a link": links("train", "."),
    "figures that are a link": links("figures", "."),
    "a report that is a link": links("report.html", "file.txt"),
    "a chunk that is a link": links("trajectory/chunk-000000.npz", "file.npz"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a finished run."""
    outputs = tmp_path_factory.mktemp("outputs")
    run(configure(outputs, "experiment=toy_cgnet", "simulation.chunk_frames=5"), say=quiet)
    return outputs


# every sixth in the default suite, all with the slow tests
NAMES = [name if not i % 6 else pytest.param(name, marks=pytest.mark.slow) for i, name in enumerate(HOSTILE)]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_executed_read_or_written_outside(
    name: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canaries, outputs = Canaries(tmp_path), tmp_path / "mine" / "outputs"
    shutil.copytree(finished, outputs)
    canaries.place()
    monkeypatch.setenv("CANARY", SECRET)
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.chdir(tmp_path / "mine")
    # what is in the figures is no matter here, and takes most of the time
    monkeypatch.setattr("cgexp.runs.page.draw", lambda *_: {name: Figure((1, 1)) for name in ("force", "pmf")})
    (folder,) = (path for path in (outputs / "toy_cgnet").iterdir())
    HOSTILE[name](folder, canaries.outside)
    before = files_of(tmp_path)
    with watched(canaries):
        use(folder)
    said = "".join(capsys.readouterr())
    assert canaries.seen == []
    assert "Traceback" not in said
    after = files_of(tmp_path)
    assert {path for path in after if after[path] != before.get(path) and not path.startswith("mine/outputs/")} == set()
    new = {path: content for path, content in after.items() if path not in before}
    assert not [path for path, content in new.items() if SECRET.encode() in content]
    assert SECRET not in said
    assert not [path for path in new if path.split("/")[2] not in ("toy_cgnet", "data")]


def test_what_lies_in_a_linked_trajectory_stays(finished: Path, tmp_path: Path) -> None:
    """It may be a link, as to scratch, and is the only one that is followed: only chunks are read and written there."""
    canaries, outputs = Canaries(tmp_path), tmp_path / "outputs"
    shutil.copytree(finished, outputs)
    canaries.place()
    (folder,) = (outputs / "toy_cgnet").iterdir()
    links("trajectory", ".")(folder, canaries.outside)
    before = files_of(canaries.outside)
    run(compose([f"run={folder}", "force=true", "figures=none"]), say=quiet)
    after = files_of(canaries.outside)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("chunk-") or name in ("simulation.json", MARK) for name in after.keys() - before.keys())


def use(folder: Path) -> None:
    """All that one may do with a run's folder. Each ends well or in a sentence."""
    for verb, *words in (
        ["check"],
        ["run"],
        ["evaluate", "analysis.n_bins=20"],
        ["simulate", "simulation.n_steps=100"],
        ["export"],
        ["run", "force=true"],
    ):
        given = [verb, f"run={folder}", *words] + ([] if verb == "export" else ["figures=png"])
        assert main(given) in (0, 2), given
    for read in ("config", "metrics", "history", "frames", "potential", "trajectory"):
        with suppress(InputError):
            value = getattr(cgexp.load(folder), read)
            value() if read == "trajectory" else value
