"""Web pages at the inspector's port: whoever speaks its protocol runs code, so they are cut off."""

from __future__ import annotations

import http.client
import json

import pytest
from node_project import NodeProject, node_port
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.support.cdp import editor, targets
from tests.support.command import PATIENCE_SECONDS

FORBIDDEN, OK = 403, 200


def status(port: int, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def test_a_page_gets_neither_the_list_nor_a_connection(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running:
        port = node_port(running)
        address = targets(port)[0]["webSocketDebuggerUrl"]
        for headers in ({"Origin": "https://evil.example"}, {"Host": f"evil.example:{port}"}, {"Origin": "null"}):
            assert status(port, "/json/list", headers) == FORBIDDEN
        for origin in ("https://evil.example", "http://localhost:3000", "null"):
            with pytest.raises(InvalidStatus) as refused:
                connect(address, origin=origin)
            assert refused.value.response.status_code == FORBIDDEN
        with editor(port, Origin="devtools://devtools"):
            pass


def test_a_page_that_posts_is_cut_off(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running:
        connection = http.client.HTTPConnection("127.0.0.1", node_port(running), timeout=PATIENCE_SECONDS)
        command = {"id": 1, "method": "NodeWorker.enable", "params": {"waitForDebuggerOnStart": False}}
        connection.request("POST", "/", json.dumps(command), {"Origin": "https://evil.example"})
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
        assert len(targets(node_port(running))) == 1, "the port still serves others"


def test_an_address_that_nobody_was_told_leads_nowhere(node: NodeProject) -> None:
    node.write(handler={})
    with (
        node.workshop.started() as running,
        connect(f"ws://127.0.0.1:{node_port(running)}/1") as connection,
        pytest.raises(ConnectionClosedError, match="there is no such instance"),
    ):
        connection.recv(PATIENCE_SECONDS)


def test_chrome_is_told_of_every_instance_and_may_look_at_one(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started("--no-freeze") as running:
        assert running.call("handler")[0] == OK
        root, instance = targets(node_port(running))
        assert (root["type"], instance["type"]) == ("node", "node")
        assert (instance["title"], instance["url"]) == ("handler#1", f"file://{node.file.parent}")
        with connect(instance["webSocketDebuggerUrl"], origin="devtools://devtools", max_size=None) as connection:
            connection.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": "6 * 7"}}))
            assert json.loads(connection.recv(PATIENCE_SECONDS))["result"]["result"]["value"] == 42
