"""What a server in place of W&B's answers to those calls of its client which the tests need, and keeps of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.report.reading import ENTITY, Reading

HISTORY, SUMMARY = "wandb-history.jsonl", "wandb-summary.json"


@dataclass
class Run:
    """told: each upsert's fields that were set. lines: of the files that are streamed, by number. used: artifacts."""

    name: str
    project: str
    told: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    exit_code: int | None = None
    used: list[str] = field(default_factory=list)
    openings: int = 0

    @property
    def rows(self) -> list[dict[str, Any]]:
        lines = self.lines.get(HISTORY, {})
        return [json.loads(lines[number]) for number in sorted(lines)]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.lines.get(SUMMARY, {})
        return dict(json.loads(lines[max(lines)])) if lines else {}

    @property
    def state(self) -> str:
        if self.exit_code is None:
            return "running"
        return "finished" if self.exit_code == 0 else "failed"

    def axis(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if name in row]


@dataclass
class Artifact:
    """told: what was said as it was made. manifest: its files, as the client uploaded them. run: that made it."""

    id: str
    told: dict[str, Any]
    manifest: dict[str, Any] = field(default_factory=dict)
    state: str = "PENDING"

    @property
    def name(self) -> str:
        return str(self.told["artifactCollectionName"])

    @property
    def type(self) -> str:
        return str(self.told["artifactTypeName"])

    @property
    def run(self) -> str | None:
        return self.told.get("runName")


class Server:
    """runs, artifacts: by id. files: what was uploaded, by path. views: workspaces and reports.

    sweep: its file. jobs: commands for its agents.

    calls: names of the GraphQL operations. unknown: those that this server has no answer to.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.files: dict[str, bytes] = {}
        self.views: list[dict[str, Any]] = []
        self.sweep = ""
        self.jobs: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.unknown: list[str] = []
        self.key_is_good = True
        self.url = ""
        self.lock = threading.RLock()
        self.operations: dict[str, Callable[..., Any]] = {
            "Viewer": self._viewer,
            "GetDefaultEntity": self._viewer,
            "GetViewer": self._viewer,
            "ArtifactType": self._artifact_type,
            "OrganizationCoreWeaveOrganizationID": lambda **_: {"entity": {"organization": None}},
            "ServerFeaturesQuery": lambda **_: {"serverInfo": {"features": []}},
            "RunResumeStatus": self._resume_status,
            "UpsertBucket": self._upsert,
            "CreateRunFiles": self._run_files,
            "RunStoppedStatus": lambda **_: {"project": {"run": {"stopped": False}}},
            "CreateArtifact": self._create_artifact,
            "CreateArtifactManifest": self._create_manifest,
            "UpdateArtifactManifest": self._update_manifest,
            "CreateArtifactFiles": self._artifact_files,
            "CommitArtifact": self._commit,
            "UseArtifact": self._use,
            "UpsertView2": self._upsert_view,
            "upsertView": self._upsert_view,
            "GetProjects": self._projects,
            "SweepWithRuns": self._sweep,
            "CreateAgent": lambda **_: {"createAgent": {"agent": {"id": "agent"}}},
            "Heartbeat": self._heartbeat,
            **Reading(self).operations,
        }

    def answer(self, operation: str, variables: dict[str, Any]) -> Any:
        """The data of the answer to a GraphQL operation; an empty one where this server does not know it."""
        with self.lock:
            self.calls.append(operation)
            if operation not in self.operations:
                self.unknown.append(operation)
                return {}
            try:
                return self.operations[operation](**variables)
            except (KeyError, TypeError) as error:
                self.unknown.append(f"{operation}({variables}): {error!r}")
                return {}

    def named(self, kind: str) -> list[Artifact]:
        """The artifacts of a kind."""
        return [artifact for artifact in self.artifacts.values() if artifact.type == kind]

    def stream(self, run: str, request: dict[str, Any]) -> None:
        """Take lines of a run's files, each at its place, and the end of the run."""
        with self.lock:
            found = self.runs[run]
            for name, chunk in request.get("files", {}).items():
                lines = found.lines.setdefault(name, {})
                lines.update(enumerate(chunk["content"], chunk["offset"]))
            if request.get("complete"):
                found.exit_code = request["exitcode"]

    def upload(self, path: str, content: bytes) -> None:
        """Take a file; a manifest goes to its artifact."""
        with self.lock:
            self.files[path] = content
            kind, _, artifact = path.partition("/")
            if kind == "manifest":
                self.artifacts[artifact].manifest = json.loads(content)

    def _viewer(self, **_: Any) -> Any:
        return {
            "viewer": {
                "id": "1",
                "entity": ENTITY,
                "username": "me",
                "email": "",
                "admin": False,
                "flags": "{}",
                "name": "me",
                "deletedAt": None,
                "apiKeys": {"edges": []},
                "teams": {"edges": [{"node": {"name": ENTITY}}]},
            }
        }

    def _resume_status(self, name: str, project: str, **_: Any) -> Any:
        model = {"id": project, "name": project, "entity": {"id": ENTITY, "name": ENTITY}, "bucket": None}
        if run := self.runs.get(name):
            run.exit_code = None
            history = run.lines.get(HISTORY, {})
            last = [history[max(history)]] if history else []
            model["bucket"] = {
                "id": name,
                "name": name,
                "summaryMetrics": json.dumps(run.summary),
                "displayName": run.told.get("displayName"),
                "logLineCount": 0,
                "historyLineCount": len(history),
                "eventsLineCount": len(run.lines.get("wandb-events.jsonl", {})),
                "historyTail": json.dumps(last),
                "eventsTail": "[]",
                "config": json.dumps(run.config),
                "tags": run.told.get("tags"),
                "notes": run.told.get("notes"),
                "wandbConfig": json.dumps({"t": 1}),
            }
        return {"model": model}

    def _upsert(self, name: str, project: str, config: str | None = None, **told: Any) -> Any:
        is_new = name not in self.runs
        run = self.runs.setdefault(name, Run(name, project))
        run.told |= {key: value for key, value in told.items() if value is not None}
        run.config |= json.loads(config or "{}")
        entity = {"id": ENTITY, "name": ENTITY}
        bucket = {
            "id": name,
            "name": name,
            "displayName": run.told.get("displayName"),
            "description": None,
            "config": json.dumps(run.config),
            "sweepName": run.told.get("sweep"),
            "project": {"id": project, "name": project, "entity": entity},
            "historyLineCount": len(run.lines.get(HISTORY, {})),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}

    def _run_files(self, run: str, files: list[str], **_: Any) -> Any:
        places = [{"name": name, "uploadUrl": f"{self.url}/upload/run/{run}/{name}"} for name in files]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": places}}

    def _create_artifact(self, input: dict[str, Any]) -> Any:
        id = f"artifact-{len(self.artifacts)}"
        same = [known for known in self.artifacts.values() if known.told["digest"] == input["digest"]]
        artifact = next((known for known in same if known.told["entityName"] == input["entityName"]), None)
        if artifact is None or artifact.told["artifactTypeName"] != input["artifactTypeName"]:
            artifact = self.artifacts[id] = Artifact(id, input)
        return {
            "createArtifact": {
                "artifact": {"id": artifact.id, "state": artifact.state, "artifactSequence": {"latestArtifact": None}}
            }
        }

    def _create_manifest(self, artifactID: str, **_: Any) -> Any:
        return {"createArtifactManifest": {"artifactManifest": self._manifest(artifactID)}}

    def _update_manifest(self, artifactManifestID: str, **_: Any) -> Any:
        return {"updateArtifactManifest": {"artifactManifest": self._manifest(artifactManifestID)}}

    def _manifest(self, artifact: str) -> Any:
        file = {"id": artifact, "uploadUrl": f"{self.url}/upload/manifest/{artifact}", "uploadHeaders": []}
        return {"id": artifact, "file": file}

    def _artifact_files(self, input: dict[str, Any]) -> Any:
        edges = [
            {
                "node": {
                    "storagePath": file["name"],
                    "uploadUrl": f"{self.url}/upload/artifact/{file['artifactID']}/{file['name']}",
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": file["artifactID"]},
                }
            }
            for file in input["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _artifact_type(self, name: str, **_: Any) -> Any:
        known = next((known for known in self.artifacts.values() if known.name == name.partition(":")[0]), None)
        found = None if known is None else {"artifactType": {"name": known.type}}
        return {"project": {"artifact": found}}

    def _commit(self, artifactID: str) -> Any:
        self.artifacts[artifactID].state = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": artifactID, "digest": ""}}}

    def _upsert_view(self, **view: Any) -> Any:
        self.views.append({**view, "id": f"view-{len(self.views)}"})
        names = {"id": "project", "name": view["projectName"], "entityName": view["entityName"]}
        return {"upsertView": {"view": {**self.views[-1], "project": names, "updatedAt": None}, "inserted": True}}

    def _projects(self, **_: Any) -> Any:
        project = {"__typename": "Project", "id": "project", "name": "cgexp", "entityName": ENTITY, "createdAt": ""}
        edges = [{"node": {**project, "isBenchmark": False, "user": None}, "cursor": ""}]
        return {"models": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}

    def _sweep(self, **_: Any) -> Any:
        return {"project": {"sweep": {"id": "s", "name": "s", "config": self.sweep, "runs": {"edges": []}}}}

    def _heartbeat(self, runState: str, **_: Any) -> Any:
        """The next run of the sweep once none is running, and then the end."""
        commands: list[dict[str, Any]] = []
        if not json.loads(runState):
            ends = {"type": "exit"}
            commands = [self.jobs.pop(0) if self.jobs else ends]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}

    def _use(self, input: dict[str, Any]) -> Any:
        self.runs[input["runName"]].used.append(input["artifactID"])
        return {"useArtifact": {"artifact": {"id": input["artifactID"]}}}
