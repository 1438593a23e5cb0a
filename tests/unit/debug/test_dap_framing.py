"""DAP messages out of bytes, however they come; anything that is not DAP is refused at once."""

from __future__ import annotations

import json

import pytest

from emulator.debug.dap import MAX_BODY_BYTES, MAX_HEAD_BYTES, Framing, NotDap, frame

HELLO = {"seq": 1, "type": "request", "command": "initialize", "arguments": {"name": "é"}}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_come_out_however_their_bytes_come(size):
    data = frame(HELLO) + frame({"seq": 2}) + frame({})
    framing, found = Framing(), []
    for at in range(0, len(data), size):
        found += framing.feed(data[at : at + size])
    assert found == [HELLO, {"seq": 2}, {}]


def test_the_other_header_of_dap_is_allowed():
    body = json.dumps(HELLO).encode()
    head = b"content-length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n" % len(body)
    assert Framing().feed(head + body) == [HELLO]


@pytest.mark.parametrize(
    "said",
    [
        b"POST / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\nHost: x\r\n",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: x\r\n\r\n",
        b"Content-Length: \r\n\r\n",
        b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"Content-Length: " + b"9" * 500 + b"\r\n\r\n",
        b"Content-Type: x\r\n\r\n",
        b"\r\n\r\n",
        b"Content-Length: 2\r\n\r\n[]",
        b"Content-Length: 2\r\n\r\n{x",
        b"Content-Length: 4\r\n\r\n\xff\xff\xff\xff",
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_what_is_not_dap_is_refused_as_soon_as_it_shows(said):
    with pytest.raises(NotDap):
        Framing().feed(said)
