"""A server on 127.0.0.1 that W&B's own client takes for W&B's."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.report.server import Server

KEY = "0" * 40  # as long as those of W&B
PATIENT = {"WANDB_INIT_TIMEOUT": "120", "WANDB_X_SERVICE_WAIT": "120"}  # seconds, of a busy machine


class Quiet(ThreadingHTTPServer):
    """Says nothing of a client that ends within a call, which is no fault of the server's."""

    def handle_error(self, *_: Any) -> None:
        pass


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

    with Quiet(("127.0.0.1", 0), Handler) as http:
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
        for name, value in PATIENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(home))
        yield served
        wandb.teardown()
