"""A registry with one image, on this machine: what an engine needs for a pull (the distribution API, version 2)."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """`asked` are the paths of its requests, which wait while `go_on` is not set."""

    def __init__(self, port: int, blobs: dict[str, tuple[str, bytes]]) -> None:
        self.port = port
        self.blobs = blobs
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def name(self) -> str:
        """Engines speak plain HTTP with this address."""
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def registry(files: dict[str, bytes], config: dict[str, Any]) -> Iterator[Registry]:
    """Serves one image, with these files and this config, under any name and tag."""
    content = _content(files, config)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    found = server.registry = Registry(server.server_address[1], content)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.go_on.set()
        server.shutdown()
        server.server_close()


def _content(files: dict[str, bytes], config: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    layer = gzip.compress(buffer.getvalue(), mtime=0)
    about = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(buffer.getvalue())]},
    }
    described = json.dumps(about).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(described),
            "digest": _digest(described),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(layer),
                "digest": _digest(layer),
            }
        ],
    }
    text = json.dumps(manifest).encode()
    blobs = {_digest(data): ("application/octet-stream", data) for data in (layer, described)}
    return {**blobs, _digest(text): (MANIFEST, text), "manifest": (MANIFEST, text)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found: Registry = self.server.registry  # type: ignore[attr-defined]
        found.asked.append(self.path)
        found.go_on.wait()
        parts = self.path.strip("/").split("/")
        if parts == ["v2"]:
            kind, data = "application/json", b"{}"
        elif parts[-2] in ("blobs", "manifests"):
            kind, data = found.blobs.get(parts[-1], found.blobs["manifest"])
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", _digest(data))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass
