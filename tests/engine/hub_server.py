"""A server on loopback that answers like the Hugging Face hub, and misbehaves as it is told."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT, BEFORE = "c" * 40, "b" * 40
"""The commit of `main`, and an older one."""


@dataclass
class Repository:
    """A model's repository: its files by name, those of the older commit, and what its card says."""

    files: dict[str, bytes]
    before: dict[str, bytes] = field(default_factory=dict)
    card: dict[str, str] = field(default_factory=lambda: {"license": "apache-2.0"})
    is_gated: bool = False


@dataclass
class Hub:
    """The running server.

    Attributes:
        url: What `HF_ENDPOINT` would be.
        repositories: By name.
        requests: Method, path and range of each request so far.
        cut_after: Bytes after which the next download's connection breaks; None for no cut.
        spoilt: Whether downloads arrive with a changed byte.
        status: What every request is answered with, if not 0.
        hides_hashes: Whether requests for the hashes of a repository's files fail.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    cut_after: int | None = None
    spoilt: bool = False
    status: int = 0
    hides_hashes: bool = False

    def downloads(self) -> list[tuple[str, str]]:
        """Files that were asked for, each with its range."""
        return [(path.rpartition("/")[2], span) for method, path, span in self.requests if method == "GET" and
                "/resolve/" in path]  # fmt: skip


def is_large(file: str) -> bool:
    """Whether the hub keeps a file in its large-file storage, by sha256."""
    return file.endswith((".gguf", ".safetensors"))


def hash_of(file: str, content: bytes) -> str:
    """The hub's own hash of a file: sha256 of a large one, git's hash of another."""
    if is_large(file):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(file: str, content: bytes, name: str, oid: str) -> dict[str, Any]:
    """A file in one of the hub's two kinds of lists, which name it and its hash differently."""
    told: dict[str, Any] = {"type": "file", name: file, "size": len(content), oid: "0" * 40}
    if is_large(file):
        key = "oid" if name == "path" else "sha256"
        told["lfs"] = {key: hash_of(file, content), "size": len(content), "pointerSize": 100}
    else:
        told[oid] = hash_of(file, content)
    return told


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run the server."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            if hub.status:
                return self._send(hub.status, b"{}")
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                return self._about("/".join(parts[2:4]), parts[4:])
            if len(parts) > 4 and parts[2] == "resolve":
                return self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
            return self._send(404, b"{}")

        def _about(self, name: str, rest: list[str]) -> None:
            """Answer about a repository: its description, or the tree of its files."""
            found = self._found(name, rest[1] if rest else "main")
            if found is None:
                return None
            files, commit = found
            if rest[:1] == ["tree"] and hub.hides_hashes:
                return self._send(400, b"{}")
            if rest[:1] == ["tree"]:
                told: Any = [entry(file, content, "path", "oid") for file, content in files.items()]
            else:
                siblings = [entry(file, content, "rfilename", "blobId") for file, content in files.items()]
                card = hub.repositories[name].card
                told = {"id": name, "sha": commit, "siblings": siblings, "cardData": card, "tags": []}
            return self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def _file(self, name: str, revision: str, file: str) -> None:
            found = self._found(name, revision)
            if found is None:
                return None
            files, commit = found
            if hub.repositories[name].is_gated:
                return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            if file not in files:
                return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            content = files[file]
            headers = {"X-Repo-Commit": commit, "ETag": f'"{hash_of(file, content)}"', "Accept-Ranges": "bytes"}
            if hub.spoilt:
                content = content[:-1] + bytes([content[-1] ^ 1])
            span, status = self.headers.get("Range"), 200
            if span:
                start = int(span.removeprefix("bytes=").rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                content, status = content[start:], 206
            return self._send(status, content, headers)

        def _found(self, name: str, revision: str) -> tuple[dict[str, bytes], str] | None:
            """The files and the commit of a revision; answers and returns None if there is none."""
            repository = hub.repositories.get(name)
            commits = {"main": COMMIT, COMMIT: COMMIT, "v1": BEFORE, BEFORE: BEFORE}
            if repository is None:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif revision not in commits:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            else:
                commit = commits[revision]
                return (repository.files if commit == COMMIT else repository.before), commit
            return None

        def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cut_after is not None and "/resolve/" in self.path:
                self.wfile.write(content[: hub.cut_after])
                hub.cut_after, self.close_connection = None, True
                return
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
