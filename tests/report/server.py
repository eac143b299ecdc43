"""A server on 127.0.0.1 that answers those calls of W&B's client which the tests need, and keeps what it was told."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEY = "0" * 40  # as long as those of W&B
ENTITY = "lab"
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

    calls: names of the GraphQL operations. unknown: those that this server has no answer to.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.files: dict[str, bytes] = {}
        self.views: list[dict[str, Any]] = []
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

    def _use(self, input: dict[str, Any]) -> Any:
        self.runs[input["runName"]].used.append(input["artifactID"])
        return {"useArtifact": {"artifact": {"id": input["artifactID"]}}}


@contextmanager
def serving() -> Iterator[Server]:
    """A server in this process that answers until the context ends."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _content(self) -> bytes:
            content = b"".join(self._chunks())
            return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

        def _chunks(self) -> Iterator[bytes]:
            """The body, which comes in chunks where its length is not known before."""
            if "Content-Length" in self.headers:
                yield self.rfile.read(int(self.headers["Content-Length"]))
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, status: int, answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            content = self._content()
            if not server.key_is_good:
                self._send(401, {"errors": [{"message": "user is not logged in"}]})
            elif self.path == "/graphql":
                asked = json.loads(content)
                found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
                name = asked.get("operationName") or (found.group(1) if found else "")
                self._send(200, {"data": server.answer(name, asked.get("variables") or {})})
            elif not self.path.endswith("file_stream"):
                self._send(200, {})
            else:
                server.stream(self.path.split("/")[-2], json.loads(content))
                self._send(200, {})

        def do_PUT(self) -> None:
            server.upload(self.path.removeprefix("/upload/"), self._content())
            self._send(200, {})

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def use_server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Server]:
    """A server that W&B's client in this process and its children take for W&B's, with a key."""
    import wandb

    wandb.teardown()  # of an earlier test, which knew another server
    with serving() as served:
        variables = {"MODE": "online", "BASE_URL": served.url, "API_KEY": KEY, "X_DISABLE_STATS": "true"}
        for name, value in {**variables, "X_DISABLE_MACHINE_INFO": "true", "DISABLE_GIT": "true"}.items():
            monkeypatch.setenv(f"WANDB_{name}", value)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr("cgexp.report.wandb.INIT_TIMEOUT_S", 120.0)  # of a busy machine
        yield served
        wandb.teardown()
