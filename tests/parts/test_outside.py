"""Parts of a package outside the checkout, which is only on the path, go the way that ours go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cgexp
from cgexp.active.rounds import RoundFolder
from cgexp.cli.main import main
from cgexp.config.compose import compose
from cgexp.config.identity import data_id
from cgexp.errors import InputError
from cgexp.parts.allowed import VARIABLE, _installed, allow_parts
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_frames, read_json

OUTSIDE = Path(__file__).resolve().parents[1] / "outside"
GIVEN = ["--config-dir", str(OUTSIDE / "conf"), "experiment=mylab", "debug=fast", "figures=png"]
STATED = "parts=[mylab]"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(OUTSIDE))
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("CGEXP_CONFIG_DIR", str(OUTSIDE / "conf"))
    return tmp_path


def test_a_run_and_what_comes_after(workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert main(["check", *GIVEN, STATED]) == 0
    assert main(["run", *GIVEN, STATED]) == 0
    (folder,) = (workplace / "outputs" / "mylab").iterdir()
    run = cgexp.load(folder)
    assert "mylab_mean_x" in run.metrics
    assert (folder / "figures" / "mylab_x.png").is_file()
    assert "Mylab x" in (folder / "report.html").read_text(encoding="utf-8")
    assert type(run.potential.network).__module__ == "mylab.parts"
    before = run.potential.forces(np_coords())
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(InputError, match=r"mylab\.parts\.Line is not allowed.*parts=\[mylab\]"):
        _ = cgexp.load(folder).potential
    assert main(["evaluate", f"run={folder}", "force=true"]) == 2  # the folder's own word counts for nothing
    assert "not allowed" in capsys.readouterr().err
    assert main(["evaluate", f"run={folder}", "force=true", "figures=none", STATED]) == 0
    assert cgexp.load(folder).potential.forces(np_coords()).equal(before)


def np_coords():
    import torch

    return torch.from_numpy(np.linspace(-1.0, 1.0, 5, dtype=np.float32).reshape(-1, 1, 1))


ACTIVE = ["active=loop", "acquisition=leftmost", "oracle=exact", "active.n_rounds=1", "trainer.steps_per_epoch=4"]


def test_a_sweep_and_active_learning(workplace: Path) -> None:
    given = [*GIVEN[:-1], "figures=none", STATED]
    assert main(["run", "-m", *given, "seed=1,2", "model.width=4"]) == 0
    outputs = workplace / "outputs" / "mylab"
    assert len(list(outputs.iterdir())) == 2
    assert main(["active", *given, *ACTIVE, "scheduler=none", "loss.terms.force.stiffness=0.1"]) == 0
    (folder,) = (path.parent for path in outputs.glob("*/rounds"))
    added = read_frames(RoundFolder(folder, 0).added)
    assert added.source == "mylab: the mean force at x"
    candidates = Trajectory.load(RoundFolder(folder, 0).path / "trajectory").coords
    assert added.coords.max() < np.median(candidates)


@pytest.fixture
def installed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """mylab as an installed package, which says by its entry point that it gives parts."""
    facts = workplace / "site" / "mylab-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[cgexp.parts]\nmylab = mylab\n")
    monkeypatch.syspath_prepend(str(facts.parent))
    _installed.cache_clear()
    yield workplace
    _installed.cache_clear()


def test_a_study_of_an_installed_package_is_reproduced(installed: Path) -> None:
    given = ["--experiments", str(OUTSIDE / "experiments"), "--config-dir", str(OUTSIDE / "conf"), "launcher=basic"]
    assert main(["reproduce", "mylab", *given]) == 0
    place = installed / "outputs" / "reproduced" / "mylab"
    assert (place / "figures" / "mylab_x.png").is_file()
    numbers = read_json(place / "numbers.json")
    assert numbers["learning.oracle_calls"] == [4]
    assert main(["reproduce", "mylab", STATED, *given]) == 0  # the same study, though it is stated as well
    assert [path.name for path in place.parent.iterdir()] == ["mylab"]


def test_a_file_cannot_allow_itself(workplace: Path) -> None:
    own = workplace / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "trojan.yaml").write_text("# @package _global_\nparts: [mylab]\nmodel: {_target_: mylab.parts.Line}\n")
    with pytest.raises(InputError, match=r"parts=.* is set by a config file"):
        compose(["experiment=trojan"])


def test_naming_a_package_imports_nothing_of_it() -> None:
    code = (
        "import sys; from cgexp.cli.main import main; main(sys.argv[1:]); "
        "print([m for m in sys.modules if m.startswith(('mylab', 'torch'))])"
    )
    given = ["check", *GIVEN, STATED, "model.width=0"]
    done = subprocess.run(
        [sys.executable, "-c", code, *given],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{OUTSIDE}:{Path(cgexp.__file__).parents[1]}", "PATH": "/usr/bin:/bin", "HOME": "/"},
        check=False,
    )
    assert "model.width=0 is not valid" in done.stderr
    assert done.stdout.strip() == "[]"


def test_what_a_key_is_called_does_not_matter_to_ids(workplace: Path) -> None:
    first, second, third = (
        data_id(compose(["experiment=mylab", STATED, *more]))
        for more in ([], ["dataset.platform=steel"], ["dataset.n_jobs=4"])
    )
    assert first != second
    assert first == third


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "../x", "os.", "a b"])
def test_a_package_that_is_none_is_told(workplace: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not found"):
        allow_parts(name)
