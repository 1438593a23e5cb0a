"""(d) serverless-offline with a Python function: version 13 on serverless 3, the last that asks for no account."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers import PeerStore
from bench.servers.base import Launch, free_port

ECHO = 'def handler(event, context):\n    return {"statusCode": 200, "body": event["body"]}\n'
PROJECT = """\
service: bench
frameworkVersion: "3"
provider:
  name: aws
  runtime: python3.{minor}
functions:
  echo:
    handler: app.handler
    events:
      - httpApi: POST /echo
plugins:
  - serverless-offline
custom:
  serverless-offline:
    host: 127.0.0.1
    httpPort: {port}
    lambdaPort: {lambda_port}
    noPrependStageInUrl: true
"""
# No account, no telemetry, no look for updates.
ENV = {
    "SLS_TELEMETRY_DISABLED": "1",
    "SLS_NOTIFICATIONS_MODE": "off",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}


@dataclass(frozen=True, slots=True)
class ServerlessOffline:
    """Python, not Node.js: the same language as the product's echo, and the faster of its two at 16 clients."""

    store: PeerStore
    name: str = "serverless-offline"
    title: str = "serverless-offline, Python (d)"

    def prepare(self) -> str:
        return self.store.install_node(["serverless-offline", "serverless"])

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "app.py").write_text(ECHO, encoding="utf-8")
        project = PROJECT.format(minor=sys.version_info.minor, port=port, lambda_port=free_port())
        (folder / "serverless.yml").write_text(project, encoding="utf-8")
        (folder / "node_modules").symlink_to(self.store.node_modules)
        program = str(self.store.node_modules / "serverless" / "bin" / "serverless.js")
        return Launch(("node", program, "offline", "start"), "/echo", folder, ENV)
