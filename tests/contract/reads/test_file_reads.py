"""Which files a cold start reads: how much, how often, by whichever way a program reads, in all walls."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from reads_measured import BIG, MB, big_file, image, measure, node, program, python

from emulator.native.build import compiler
from tests.support.command import RUNGS, need_rung
from tests.support.images import bare_python, need_engine

if not compiler():
    pytest.skip("what notes file reads is compiled, and no C compiler is here", allow_module_level=True)

TWICE = """
import os

def load():
    for _ in range(2):
        with open("/code/model.bin", "rb") as file:
            while file.readinto(room):
                pass

room = bytearray(1 << 20)
load()

def handler(event, context):
    return str(sorted(os.environ))
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_a_file_that_is_read_twice_is_told_so_in_all_walls(rung: str, tmp_path: Path) -> None:
    need_rung(rung)
    code = TWICE if rung == "bwrap" else TWICE.replace('"/code/model.bin"', 'os.path.dirname(__file__) + "/model.bin"')
    function = python(tmp_path, code)
    model = big_file(tmp_path)
    found = measure(function, tmp_path, walls=rung)
    row = found.of(model)
    assert (row.size, row.read, row.times) == (BIG, 2 * BIG, 2)
    assert row.busy_ms > 0 and row.at_ms > 0
    assert found.of(tmp_path / "index.py").times >= 1
    assert found.read is not None and found.read.measuring_ms > 0 and found.read.lost == 0
    # The function, and what it starts, see nothing of it.
    assert b"LD_PRELOAD" not in found.body and b"FCLOCAL_READS" not in found.body
    assert not [row.path for row in found.read.reads if row.path.startswith(("/proc", "/sys", "/dev", "/var/fc/reads"))]


WAYS = """
import concurrent.futures, json, mmap, os, shutil, subprocess, sys, tempfile

def whole(name):
    with open(name, "rb") as file:
        return len(file.read())

def at_once(name):
    with open(name, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped[-1]

def forked(name):
    pid = os.fork()
    if pid == 0:
        whole(name)
        os._exit(0)
    os.waitpid(pid, 0)

def pooled(name):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(whole, [name] * 4))

def by_a_copy_of_a_descriptor(name):
    fd = os.open(name, os.O_RDONLY)
    again = os.dup(fd)
    os.close(fd)
    while os.read(again, 1 << 20):
        pass
    os.close(again)

def scattered(name):
    fd = os.open(name, os.O_RDONLY)
    os.preadv(fd, [bytearray(1000), bytearray(500)], 77)
    os.close(fd)

def only_written(name):
    with open(name, "r+b") as file:
        file.write(b"x")
    with open(name + ".new", "wb") as file:
        file.write(b"x")

def seen_by_a_child():
    show = "import os; print(sorted(set(os.environ) & {'LD_PRELOAD', 'FCLOCAL_READS'}), os.environ.get('MINE'))"
    env = {**os.environ, "MINE": "1"}
    return subprocess.run([sys.executable, "-c", show], env=env, capture_output=True, text=True).stdout.strip()

whole("/code/whole")
at_once("/code/mapped")
forked("/code/forked")
pooled("/code/pooled")
by_a_copy_of_a_descriptor("/code/copied")
scattered("/code/scattered")
only_written("/code/written")
shutil.copyfile("/code/sent", "/tmp/sent")
subprocess.run(["cat", "/code/child"], stdout=subprocess.DEVNULL, check=True)
with tempfile.TemporaryFile() as file:
    file.write(b"1234")
    file.seek(0)
    file.read()
child = seen_by_a_child()

def handler(event, context):
    return child
"""
SIZE = 3 * MB


def test_every_way_to_read_is_seen(tmp_path: Path) -> None:
    need_rung("bwrap")
    names = ("whole", "mapped", "forked", "pooled", "copied", "scattered", "written", "sent", "child")
    function = python(tmp_path, WAYS)
    for name in names:
        big_file(tmp_path, name, SIZE)
    found = measure(function, tmp_path, walls="bwrap")
    assert found.body == b"[] 1"
    rows = {name: found.of(tmp_path / name) for name in names}
    assert {name: (row.read, row.mapped, row.times) for name, row in rows.items()} == {
        "whole": (SIZE, 0, 1),
        "mapped": (0, SIZE, 1),
        "forked": (SIZE, 0, 1),
        "pooled": (4 * SIZE, 0, 4),
        "copied": (SIZE, 0, 1),
        "scattered": (1500, 0, 1),
        "written": (0, 0, 1),
        "sent": (SIZE, 0, 1),
        "child": (SIZE, 0, 1),
    }
    assert all(row.size == SIZE for row in rows.values())
    assert found.read is not None
    assert not any(row.path.endswith(".new") for row in found.read.reads)
    # What the dynamic linker maps is told too, by its size, for what it is.
    library = next(row for row in found.read.reads if re.search(r"libpython3|/libc\.so\.6", row.path))
    assert library.mapped > 100_000 and library.size > 100_000


STREAMS = """
import ctypes, os

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
libc.fgets.restype = ctypes.c_char_p
room = ctypes.create_string_buffer(1 << 20)

def stream(name):
    return ctypes.c_void_p(libc.fopen(name, b"rb"))

def close(file):
    libc.fclose(file)

# By large pieces, as numpy.fromfile does, on a descriptor that Python has opened.
with open("/code/pieces", "rb") as opened:
    file = ctypes.c_void_p(libc.fdopen(os.dup(opened.fileno()), b"rb"))
    while libc.fread(room, 1, len(room), file):
        pass
    close(file)
# By small ones, most of which lie in the stream's buffer.
file = stream(b"/code/small")
for _ in range(10_000):
    libc.fread(room, 4, 1, file)
close(file)
# By lines, and by characters.
file = stream(b"/code/lines")
while libc.fgets(room, 100, file):
    pass
close(file)
file = stream(b"/code/characters")
while libc.fgetc(file) >= 0:
    pass
close(file)

def handler(event, context):
    return "done"
"""


def test_streams_of_the_c_library_are_seen_by_what_they_take_from_the_file(tmp_path: Path) -> None:
    need_rung("bwrap")
    function = python(tmp_path, STREAMS)
    for name in ("pieces", "small", "characters"):
        big_file(tmp_path, name, 50_000)
    (tmp_path / "lines").write_text("a line of text\n" * 2000)
    found = measure(function, tmp_path, walls="bwrap")
    assert found.of(tmp_path / "pieces").read == 50_000
    # 40,000 bytes, and what the stream had read ahead.
    assert 40_000 <= found.of(tmp_path / "small").read <= 40_000 + 4096
    assert found.of(tmp_path / "lines").read == 30_000
    assert found.of(tmp_path / "characters").read == 50_000
    assert {found.of(tmp_path / name).times for name in ("pieces", "small", "lines", "characters")} == {1}


NODE = """
const fs = require('fs');
fs.readFileSync('/code/model.bin');
fs.readFileSync('/code/model.bin');
const later = fs.promises.readFile('/code/promised');
exports.handler = (event, context, callback) => later.then((data) => callback(null, String(data.length)), callback);
"""


def test_what_node_reads_is_seen(tmp_path: Path) -> None:
    need_rung("bwrap")
    if shutil.which("node") is None:
        pytest.skip("no node is here")
    function = node(tmp_path, NODE)
    model, promised = big_file(tmp_path), big_file(tmp_path, "promised", SIZE)
    found = measure(function, tmp_path, walls="bwrap")
    assert (found.of(model).read, found.of(model).times) == (2 * BIG, 2)
    assert (found.of(promised).read, found.of(promised).times) == (SIZE, 1)


SERVER = r"""
#include <fstream>
#include <cstdlib>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

int main() {
#ifndef LINKED_STATICALLY
    if (std::getenv("LD_PRELOAD") || std::getenv("FCLOCAL_READS")) return 3;
#endif
    std::vector<char> room(1 << 20);
    std::ifstream model("/code/model.bin", std::ios::binary);
    while (model.read(room.data(), room.size()) || model.gcount()) {}
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_port = htons(std::atoi(std::getenv("PORT")));
    bind(listener, (struct sockaddr *)&at, sizeof at);
    listen(listener, 16);
    for (;;) {
        int client = accept(listener, 0, 0);
        const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        if (read(client, room.data(), room.size()) > 0 && write(client, answer, strlen(answer)) < 0) return 4;
        close(client);
    }
}
"""
PROGRAM = """#!/bin/bash
exec /code/server
"""


def compiled(folder: Path, *flags: str) -> None:
    (folder / "server.cc").write_text(SERVER)
    subprocess.run(["g++", "-O1", *flags, "-o", str(folder / "server"), str(folder / "server.cc")], check=True)
    (folder / "bootstrap").write_text(PROGRAM)
    (folder / "bootstrap").chmod(0o755)


def test_a_program_behind_a_shell_is_seen_with_its_streams(tmp_path: Path) -> None:
    need_rung("bwrap")
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler is here")
    compiled(tmp_path)
    model = big_file(tmp_path)
    found = measure(program(tmp_path, ("/code/bootstrap",)), tmp_path, walls="bwrap")
    assert found.body == b"ok"
    assert (found.of(model).read, found.of(model).times) == (BIG, 1)


def test_a_program_that_can_not_be_looked_into_is_told(tmp_path: Path) -> None:
    need_rung("bwrap")
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler is here")
    compiled(tmp_path, "-static", "-DLINKED_STATICALLY")
    big_file(tmp_path, size=SIZE)
    found = measure(program(tmp_path, ("/code/server",)), tmp_path, walls="bwrap")
    assert found.body == b"ok"
    assert found.read is not None and found.read.reads == ()
    assert [text for text in found.said if text.startswith("no file reads were seen")]


CONTAINER = """
import http.server

open("/code/model.bin", "rb").read()

class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

http.server.HTTPServer(("0.0.0.0", 9000), Answer).serve_forever()
"""


def test_a_program_in_an_image_is_seen(tmp_path: Path) -> None:
    need_engine()
    function = image(bare_python(), ("python3", "-c", CONTAINER.replace("/code/model.bin", "/etc/passwd")))
    found = measure(function, tmp_path)
    assert (found.status, found.body) == (200, b"ok"), found
    row = found.of(Path("/etc/passwd"))
    assert row.read == row.size > 0 and row.times == 1
    assert any(row.path.endswith("/http/server.py") or "/server.cpython" in row.path for row in found.read.reads)


def test_the_library_runs_with_the_c_libraries_of_old_images(native: Path) -> None:
    [library] = native.glob("*/libfclocal-reads.so")
    wanted = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_([\d.]+)\0", library.read_bytes())}
    assert wanted and max(wanted) <= (2, 17)


def test_without_being_asked_nothing_is_noted(tmp_path: Path) -> None:
    found = measure(python(tmp_path, TWICE.replace("/code/model.bin", "/dev/null")), tmp_path, trace_reads=False)
    assert found.status == 200 and found.read is None


def test_without_a_compiler_that_is_told_and_the_rest_is_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.native.build.compiler", lambda: "")
    found = measure(python(tmp_path, "def handler(event, context):\n    return 'as ever'\n"), tmp_path)
    assert found.body == b"as ever" and found.read is not None and found.read.reads == ()
    told = [text for text in found.said if text.startswith("file reads are not measured")]
    assert len(told) == 1 and "needs a C compiler" in told[0]


def test_a_table_that_the_function_has_cut_off_is_told_all_the_same(tmp_path: Path) -> None:
    """Somebody waits to hear of it."""
    need_rung("bwrap")
    cut = "import os\n\ndef handler(event, context):\n    os.truncate('/run/fclocal/reads', 0)\n    os._exit(3)\n"
    found = measure(python(tmp_path, cut), tmp_path, walls="bwrap")
    assert b"errorMessage" in found.body and found.read is not None and found.read.measuring_ms == 0


def test_a_start_that_fails_tells_what_it_had_read(tmp_path: Path) -> None:
    need_rung("bwrap")
    function = python(tmp_path, "import os\nopen('/code/model.bin', 'rb').read()\nos._exit(3)\n")
    model = big_file(tmp_path, size=SIZE)
    found = measure(function, tmp_path, walls="bwrap")
    assert b"errorMessage" in found.body and found.of(model).read == SIZE
