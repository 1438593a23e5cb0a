"""(e) miniflare: Cloudflare's local workers. Its worker is JavaScript inside a C++ server, so not the same language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.peers import PeerStore
from bench.servers.base import Launch

PROGRAM = """\
import { Miniflare } from "miniflare";
const script = `export default { async fetch(request) {
  return new Response(await request.arrayBuffer(), { headers: { "content-type": "application/json" } });
} };`;
const server = new Miniflare({ modules: true, script, host: "127.0.0.1", port: Number(process.argv[2]) });
await server.ready;
process.on("SIGTERM", async () => { await server.dispose(); process.exit(0); });
"""


@dataclass(frozen=True, slots=True)
class Miniflare:
    """One worker."""

    store: PeerStore
    name: str = "miniflare"
    title: str = "miniflare, JavaScript (e)"

    def prepare(self) -> str:
        return self.store.install_node(["miniflare"])

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "server.mjs").write_text(PROGRAM, encoding="utf-8")
        (folder / "node_modules").symlink_to(self.store.node_modules)
        return Launch(("node", "server.mjs", str(port)), "/", folder)
