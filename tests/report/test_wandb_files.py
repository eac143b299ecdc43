"""Upload of what W&B was told offline, and what of it is not told again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgexp.cli.completion import candidates
from cgexp.report.wandb import WandbSettings, open_wandb
from cgexp.report.wandb_files import offline_files, sent_places, unsent_files
from tests.cli.answers import output_of
from tests.report.server import Server
from tests.report.test_wandb import DESCRIBED
from tests.report.test_wandb_online import assert_way, tell_epochs, tell_results
from tests.studies.synthetic import config_with, put

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def outputs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("WANDB_MODE")  # which decides before the settings do
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("abc", "plain")):
        put(tmp_path / "outputs", name, config_with(seed), {"w1_x": 0.1})
    return tmp_path / "outputs" / "toy_cgnet"


def tell_offline(folder: Path, n_epochs: int, *data: Path) -> None:
    with open_wandb(WandbSettings(mode="offline"), DESCRIBED, folder) as run:
        tell_epochs(run, n_epochs)
        for path in data:
            tell_results(run, path)


def test_a_run_that_is_uploaded_goes_on_and_is_uploaded_again_has_whole_curves(
    server: Server, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = outputs / "frames.npz"
    data.write_bytes(b"frames")
    tell_offline(outputs / "abc", 1)
    tell_offline(outputs / "abc", 2)  # goes on before it was uploaded: one file with both
    assert output_of(capsys, "wandb", "sync", "--dry-run")[1].endswith("1 of 2 runs would be uploaded\n")
    code, out, _ = output_of(capsys, "wandb", "sync")
    assert (code, out.splitlines()) == (
        0,
        [
            f"outputs/toy_cgnet/abc: uploaded to {server.url}/lab/cgexp/runs/abc",
            "2 runs: 1 uploaded; of 1 nothing is offline",
        ],
    )
    assert sent_places(outputs / "abc", "abc") == {"train": 1.0}
    tell_offline(outputs / "abc", 4, data)
    assert len(offline_files(outputs / "abc")) == 2
    assert output_of(capsys, "wandb", "sync", "abc")[0] == 0
    found = server.runs["abc"]
    assert found.axis("train/epoch") == [0, 1, 2, 3]
    assert found.axis("_step") == list(range(len(found.rows)))
    assert (found.state, found.summary["eval/w1"]) == ("finished", 0.5)
    assert_way(server, data)
    assert not server.unknown
    code, out, _ = output_of(capsys, "wandb", "sync")
    assert (code, out) == (0, "2 runs: 0 uploaded; of 2 nothing is offline\n")


def test_what_stands_in_the_way_of_an_upload_is_said_in_a_sentence(
    server: Server, outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_offline(outputs / "abc", 1)
    server.key_is_good = False
    code, _, err = output_of(capsys, "wandb", "sync")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("cgexp: W&B cannot be reached, or refuses the key: ")
    monkeypatch.setenv("WANDB_API_KEY", "")
    assert output_of(capsys, "wandb", "sync")[2] == (
        "cgexp: W&B has no key to upload with: run `wandb login`, or set WANDB_API_KEY\n"
    )
    assert unsent_files(outputs / "abc")


def test_words_that_are_no_action_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert output_of(capsys, "wandb", "snyc")[2].startswith("cgexp: unknown action 'snyc' (did you mean 'sync'?)")
    assert output_of(capsys, "wandb")[0] == 2
    assert "sync" in candidates(["wandb"], "s")


def test_how_far_the_server_has_a_run_is_read_from_openings_that_it_has(tmp_path: Path) -> None:
    for name, place, is_sent in (
        ("run-1-abc", 3.0, False),
        ("offline-run-2-abc", 4.0, True),
        ("offline-run-2-abc-1", 5.0, True),  # W&B's name for a second one in the same second
        ("offline-run-3-abc", 9.0, False),
    ):
        opening = tmp_path / "wandb" / name
        opening.mkdir(parents=True)
        (opening / "told.json").write_text(json.dumps({"train": place}))
        (opening / "run-abc.wandb").touch()
        if is_sent:
            (opening / "run-abc.wandb.synced").touch()
    assert sent_places(tmp_path, "abc") == {"train": 5.0}
    (tmp_path / "wandb" / "offline-run-2-abc-1" / "told.json").write_text("[")
    assert sent_places(tmp_path, "abc") == {"train": 4.0}
    assert not sent_places(tmp_path, "other")  # the same folder, told to an agent of a sweep
