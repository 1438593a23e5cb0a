"""AWS SAM: `sam local start-lambda` over a local image, a container for each call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bench.peers import PeerStore
from bench.servers.base import Launch

# The runtime API of Lambda, spoken by hand: a client library would only add to the time of its start.
LOOP = """\
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    body = event.read()
    id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", "/2018-06-01/runtime/invocation/" + id + "/response", body)
    api.getresponse().read()
"""


@dataclass(frozen=True, slots=True)
class Sam:
    """Its own checks and its own image on top of `image` are a part of its first call."""

    store: PeerStore
    image: str
    name: str = "sam"
    title: str = "sam local start-lambda"

    def prepare(self) -> str:
        return self.store.install_python(("aws-sam-cli",))

    def launch(self, folder: Path, port: int) -> Launch:
        properties = {
            "PackageType": "Image",
            "ImageUri": self.image,
            "MemorySize": 1024,
            "Timeout": 60,
            "ImageConfig": {"EntryPoint": ["/usr/local/bin/python3", "-S", "-E", "-c", LOOP]},
        }
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {"echo": {"Type": "AWS::Serverless::Function", "Properties": properties}},
        }
        (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
        sam = str(self.store.python.with_name("sam"))
        argv = (sam, "local", "start-lambda", "--template", "template.json", "--skip-pull-image", "--port", str(port))
        env = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "HOME": str(folder)}
        return Launch(argv, "/2015-03-31/functions/echo/invocations", folder, env)
