"""What the tests' server answers to ``wandb.Api()``: runs with their curves, and the artifacts of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.report.server import Artifact, Run, Server

BEGAN = "2026-01-01T00:00:00Z"  # of everything
ENTITY = "lab"


class Reading:
    """Answers by name of the GraphQL operation. An answer holds all that a query of this name may ask for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.operations: dict[str, Callable[..., Any]] = {
            "Run": self._run,
            "Runs": self._runs,
            "RunFullHistory": self._full_history,
            "RunSampledHistory": self._sampled_history,
            "RunHistoryKeys": self._run,
            "RunParquetHistory": self._scanned_history,
            "HistoryPage": self._page,
            "SampledHistoryPage": self._page_of_keys,
            "RunOutputArtifacts": self._made,
            "RunInputArtifacts": self._used,
        }

    def _run(self, name: str, project: str, **_: Any) -> Any:
        run = self.server.runs.get(name)
        found = None if run is None or run.project != project else _node(run)
        return {"project": {"internalId": "1", "run": found}}

    def _runs(self, project: str, filters: str | None = None, **_: Any) -> Any:
        """All runs of a project in the order in which they began; of filters, equality alone is known."""
        asked: Mapping[str, Any] = json.loads(filters or "{}")
        nodes = [_node(run) for run in self.server.runs.values() if run.project == project]
        nodes = [node for node in nodes if all(node.get(key) == value for key, value in asked.items())]
        runs = {"edges": [{"node": node, "cursor": node["name"]} for node in nodes], "pageInfo": LAST_PAGE}
        return {"project": {"internalId": "1", "runCount": len(nodes), "readOnly": False, "runs": runs}}

    def _full_history(self, name: str, **_: Any) -> Any:
        return {"project": {"run": {"history": [json.dumps(row) for row in self.server.runs[name].rows]}}}

    def _sampled_history(self, name: str, specs: list[str], **_: Any) -> Any:
        """Of each list of keys the rows that have all of them."""
        lists = [json.loads(spec)["keys"] for spec in specs]
        rows = self.server.runs[name].rows
        found = [[{key: row[key] for key in keys} for row in rows if row.keys() >= set(keys)] for keys in lists]
        return {"project": {"run": {"sampledHistory": found}}}

    def _scanned_history(self, runName: str, **_: Any) -> Any:
        """No row is in a file of its own yet: the client asks for pages of all rows, or of those with some keys."""
        history = {"parquetUrls": [], "liveData": self.server.runs[runName].rows}
        return {"project": {"run": {"parquetHistory": history}}}

    def _page(self, run: str, minStep: int, maxStep: int, **_: Any) -> Any:
        rows = [row for row in self.server.runs[run].rows if minStep <= row["_step"] < maxStep]
        return {"project": {"run": {"history": [json.dumps(row) for row in rows]}}}

    def _page_of_keys(self, run: str, spec: str, **_: Any) -> Any:
        """The rows that have all keys of a scan, and the step."""
        asked = json.loads(spec)
        keys = dict.fromkeys(["_step", *asked["keys"]])
        rows = [row for row in self.server.runs[run].rows if asked["minStep"] <= row["_step"] < asked["maxStep"]]
        found = [{key: row[key] for key in keys} for row in rows if row.keys() >= keys.keys()]
        return {"project": {"run": {"sampledHistory": [found]}}}

    def _made(self, run: str, **_: Any) -> Any:
        return _artifacts(one for one in self.server.artifacts.values() if one.run == run)

    def _used(self, run: str, **_: Any) -> Any:
        return _artifacts(self.server.artifacts[id] for id in self.server.runs[run].used)


LAST_PAGE = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}


def _node(run: Run) -> dict[str, Any]:
    told = run.told
    return {
        "id": run.name,
        "projectId": "1",
        "name": run.name,
        "displayName": told.get("displayName"),
        "sweepName": told.get("sweep"),
        "state": run.state,
        "tags": told.get("tags") or [],
        "group": told.get("groupName"),
        "jobType": told.get("jobType"),
        "notes": told.get("notes"),
        "description": None,
        "commit": None,
        "readOnly": False,
        "createdAt": BEGAN,
        "heartbeatAt": BEGAN,
        "user": {"name": "me", "username": "me"},
        "config": json.dumps(run.config),
        "summaryMetrics": json.dumps(run.summary),
        "systemMetrics": "{}",
        "historyLineCount": len(run.rows),
        "historyKeys": {"keys": {}, "lastStep": len(run.rows) - 1},
    }


def _artifacts(found: Iterable[Artifact]) -> Any:
    edges = [{"node": _artifact(one)} for one in found]
    connection = {"totalCount": len(edges), "pageInfo": LAST_PAGE, "edges": edges}
    return {"project": {"run": {"artifacts": connection}}}


def _artifact(one: Artifact) -> dict[str, Any]:
    project = {"id": "project", "internalId": "1", "name": one.told["projectName"], "entity": {"name": ENTITY}}
    collection = {"__typename": "ArtifactSequence", "name": one.name, "project": project}
    return {
        "__typename": "Artifact",
        "id": one.id,
        "artifactSequence": collection,
        "versionIndex": 0,
        "artifactType": {"name": one.type},
        "description": None,
        "metadata": one.told.get("metadata") or "{}",
        "ttlDurationSeconds": -1,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": one.state,
        "size": 0,
        "digest": one.told["digest"],
        "digestAlgorithm": None,
        "commitHash": one.id,
        "fileCount": len(one.manifest.get("contents", {})),
        "createdAt": BEGAN,
        "updatedAt": BEGAN,
        "aliases": [],
    }
