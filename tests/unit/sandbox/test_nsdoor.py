"""The helper that makes networks, as a program."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from emulator.sandbox import nsdoor


@pytest.mark.parametrize("words", ["room", "sockets\0001", "attach\0/bin/true"])
def test_who_asks_and_goes_before_the_answer_gets_no_complaint(words: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reply, gone = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gone.close()
    with ours, reply, open("/proc/self/ns/net", "rb") as network, open("/dev/null", "wb") as null:
        with theirs:
            program = [sys.executable, "-I", "-S", nsdoor.__file__]
            process = subprocess.Popen(program, stdin=theirs, stderr=subprocess.PIPE)
        socket.send_fds(ours, [words.encode()], [reply.fileno(), network.fileno(), null.fileno(), null.fileno()])
        ours.close()
        assert process.communicate(timeout=60) == (None, b"")
        assert process.returncode == 0
