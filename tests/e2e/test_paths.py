"""The absolute paths that projects use lead where they lead in FC (runtime-contract.md §7.1, §7.4)."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import RUNGS, Workshop, need_rung

# The event is Python: what it leaves in `result` is the answer.
CODE = """
import os, subprocess, sys

def handler(event, context):
    names = {}
    exec(event.decode(), globals(), names)
    return names["result"]
"""
NODE = "exports.handler = (event, context, callback) => callback(null, eval(event.toString()));\n"
NAS = {"userId": 0, "groupId": 0, "mountPoints": [{"serverAddr": "nas.example.com:/models", "mountDir": "/mnt/models"}]}
OSS = {
    "mountPoints": [
        {"bucketName": "pictures", "bucketPath": "/a", "endpoint": "e", "mountDir": "/mnt/oss", "readOnly": True}
    ]
}
LAYERED = {
    "layers": ["acs:fc:cn-hangzhou:1:layers/greetings/versions/1", "acs:fc:cn-hangzhou:1:layers/more/versions/1"]
}
SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps([sys.executable, sys.argv[1:], os.getcwd(), os.path.exists("/code/server.py")]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Answer).serve_forever()
"""


@pytest.fixture
def project(workshop: Workshop) -> Workshop:
    """Two languages, a layer that is a folder and one that is an archive, and both kinds of mounts."""
    workshop.project(
        CODE,
        hello={**LAYERED, "nasConfig": NAS, "ossMountConfig": OSS},
        node={**LAYERED, "runtime": "nodejs20"},
        server={
            "runtime": "custom.debian10",
            "customRuntimeConfig": {
                "command": ["/var/fc/lang/python3.10/bin/python3.10"],
                "args": ["/code/server.py", "/code/data.txt"],
            },
        },
    )
    workshop.write({
        "code/index.js": NODE,
        "code/data.txt": "from the code",
        "code/server.py": SERVER,
        ".fclocal/layers/greetings/python/greetings.py": "WORD = 'from the first layer'",
        ".fclocal/layers/greetings/both.txt": "first",
        ".fclocal/layers/greetings/nodejs/node_modules/greetings/index.js": "module.exports = 'from the first layer';",
        ".fclocal/oss/pictures/a/cat.txt": "a cat",
    })  # fmt: skip
    pack(workshop.state / "layers" / "more.zip")
    return workshop


def pack(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        for name, text, mode in (
            ("bin/tool", "#!/bin/sh\necho a tool of a layer\n", 0o755),
            ("both.txt", "second", 0o644),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            out.writestr(info, text)


def ask(workshop: Workshop, event: str, *flags: str, function: str = "hello") -> Any:
    done = workshop.run("invoke", function, "-e", event, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ls(path: str) -> str:
    return f"result = ' '.join(sorted(os.listdir({path!r})))"


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("result = os.getcwd()", "/code"),
        ("result = open('/code/data.txt').read()", "from the code"),
        ("open('/code/new.txt', 'w').write('kept for now'); result = open('/code/new.txt').read()", "kept for now"),
        ("import greetings; result = greetings.WORD + ' ' + greetings.__file__",
         "from the first layer /opt/python/greetings.py"),
        ("result = open('/opt/both.txt').read()", "first"),
        ("result = subprocess.check_output('tool')", "a tool of a layer\n"),
        ("open('/opt/new.txt', 'w').write('x'); result = str(os.path.exists('/opt/new.txt'))", "True"),
        (ls("/tmp"), ""),
        ("open('/tmp/a', 'w').write('x'); result = ' '.join(os.listdir('/tmp'))", "a"),
        ("result = open('/mnt/oss/cat.txt').read()", "a cat"),
        (ls("/mnt"), "models oss"),
        ("result = subprocess.check_output(['/var/fc/lang/python3.10/bin/python3.10', '-c', 'print(5)'])", "5\n"),
        ("result = sys.executable", "/var/fc/lang/python3.10/bin/python3.10"),
        (ls("/home"), ""),
    ],
)  # fmt: skip
def test_behind_real_walls_every_path_is_fcs_own(project: Workshop, event: str, wanted: str) -> None:
    need_rung("bwrap")
    assert ask(project, event, "--walls", "bwrap") == wanted
    assert sorted(path.name for path in (project.root / "code").iterdir()) == [
        "data.txt", "index.js", "index.py", "server.py",
    ], "the function's files stay in its instance"  # fmt: skip
    assert not (project.state / "layers" / "greetings" / "new.txt").exists()


def test_nas_outlives_an_instance_and_a_read_only_mount_is(project: Workshop) -> None:
    need_rung("bwrap")
    ask(project, "open('/mnt/models/m.bin', 'w').write('weights'); result = ''", "--walls", "bwrap")
    assert ask(project, "result = open('/mnt/models/m.bin').read()", "--walls", "bwrap") == "weights"
    assert (project.state / "nas/nas.example.com/models/m.bin").read_text() == "weights"
    done = project.run("invoke", "hello", "-e", "open('/mnt/oss/cat.txt', 'w')", "--walls", "bwrap")
    assert (done.returncode, "Read-only file system" in done.stdout) == (1, True)


@pytest.mark.parametrize("rung", RUNGS)
def test_layers_are_found_behind_all_walls(project: Workshop, rung: str) -> None:
    """By each language's own rule, also where walls can not mount and /opt is elsewhere."""
    need_rung(rung)
    event = "import greetings; result = greetings.WORD"
    assert ask(project, event, "--walls", rung) == "from the first layer"
    assert ask(project, "require('greetings')", "--walls", rung, function="node") == "from the first layer"
    assert ask(project, "result = subprocess.check_output('tool')", "--walls", rung) == "a tool of a layer\n"


def test_the_interpreter_of_node_is_where_fc_has_it(project: Workshop) -> None:
    need_rung("bwrap")
    event = "require('child_process').execFileSync('/var/fc/lang/nodejs20/bin/node', ['-p', '1 + 1'])"
    assert ask(project, event, "--walls", "bwrap", function="node") == "2\n"


@pytest.mark.parametrize("rung", RUNGS)
def test_a_custom_runtime_starts_by_absolute_paths(project: Workshop, rung: str) -> None:
    """Where walls can not mount, the paths of command and arguments are adapted, and the code's own are not."""
    need_rung(rung)
    interpreter, args, folder, exists = json.loads(ask(project, "x", "--walls", rung, function="server"))
    if rung == "bwrap":
        assert (interpreter, args, folder, exists) == (
            "/var/fc/lang/python3.10/bin/python3.10", ["/code/data.txt"], "/code", True,
        )  # fmt: skip
    else:
        code = project.root / "code"
        assert (args, folder, exists) == ([str(code / "data.txt")], str(code), False)


def test_a_layer_that_is_a_hostile_archive_is_refused(project: Workshop) -> None:
    with zipfile.ZipFile(project.state / "layers" / "more.zip", "w") as out:
        out.writestr("../../escaped", "x")
    done = project.run("invoke", "hello", "-e", "result = ''")
    assert done.returncode == 1
    reason = "more.zip: archive holds `../../escaped`, which would be written outside of its folder"
    assert reason in done.stderr
    assert reason in json.loads(done.stdout)["Message"], "FC's own error to the caller"
    assert "Traceback" not in done.stderr
    assert not list(project.root.rglob("escaped"))
