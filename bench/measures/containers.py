"""Cold starts in containers, beside `docker run` and SAM in the same turns; warm calls beside process walls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from bench.container_image import docker, image
from bench.context import BODY_BYTES, POLL_SECONDS, READY_SECONDS, Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.load import OK
from bench.peers import Absent
from bench.servers.base import Launch, Running, ServerFailed, ask, echo_body, free_port
from bench.servers.product import ENVIRONMENT, HEAD, Product, invoke_path
from bench.servers.sam import Sam

# Answers every request, and imports next to nothing: what is measured is the container.
SERVER = """\
import os, socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", 9000))
server.listen(16)
while True:
    caller = server.accept()[0]
    text = b""
    while b"\\r\\n\\r\\n" not in text:
        piece = caller.recv(65536)
        if not piece:
            break
        text += piece
    if text.endswith(b"end"):
        os._exit(0)
    caller.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    caller.close()
"""
ARGV = ("/usr/local/bin/python3", "-S", "-E", "-c", SERVER)
HANDLER = """\
import os
def handler(event, context):
    if event == b"end":
        os._exit(0)
    return event
"""
IN_CONTAINERS = ("--walls", "container")
CUSTOM, POOL = "custom image", "built-in runtime"
AT_NEED, AHEAD = "at need", "ahead of time"
CLI, SAM = "docker run", "sam local"
# How instances of the two emulators start, from the second one on.
STARTS = {(CUSTOM, AT_NEED): "spawn", (POOL, AT_NEED): "spawn", (CUSTOM, AHEAD): "walls", (POOL, AHEAD): "spare"}
FLAGS = {AT_NEED: ("--cold", "faithful"), AHEAD: ("--cold", "auto", "--spares", "1")}
FUNCTIONS = {CUSTOM: "custom", POOL: "pool"}
# Until the next container is there; on a machine that is busy it may take several.
REST_SECONDS, RESTS = 1.5, 20
CUSTOM_LIMIT, POOL_LIMIT, WARM_LIMIT = 0.6, 0.1, 1.15
WARM_UP_CALLS = 50


@dataclass(frozen=True, slots=True)
class Project:
    """An emulator over a function of a custom image and one of a built-in runtime, both in containers."""

    image: str
    way: str
    name: str = "fclocal"
    title: str = "fclocal"
    env: Mapping[str, str] = field(default_factory=lambda: {**ENVIRONMENT, **_docker_host()})

    def prepare(self) -> str:
        return ""

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "code").mkdir()
        (folder / "code/index.py").write_text(HANDLER, encoding="utf-8")
        common = {"region": "cn-hangzhou", "cpu": 1, "memorySize": 1024, "diskSize": 512, "timeout": 60}
        container = {"image": self.image, "port": 9000, "entrypoint": list(ARGV)}
        functions: dict[str, dict[str, object]] = {
            "custom": {"runtime": "custom-container", "handler": "x", "customContainerConfig": container},
            "pool": {"runtime": "python3.10", "handler": "index.handler", "code": "./code"},
        }
        text = "".join(
            f"  {name}:\n    component: fc3\n    props: {json.dumps({**common, 'functionName': name, **own})}\n"
            for name, own in functions.items()
        )
        (folder / "s.yaml").write_text(HEAD + text, encoding="utf-8")
        argv = (sys.executable, "-m", "emulator", "start", "--port", str(port), "--json", *IN_CONTAINERS)
        return Launch((*argv, *FLAGS[self.way]), invoke_path("pool"), folder, self.env)


def measure(bench: Bench) -> Findings:
    """Each kind of start takes its turn in each round."""
    try:
        with image() as name:
            return _measured(bench, name)
    except Absent as reason:
        bench.say(f"containers: not measured: {reason}")
        return Findings((), _goals({}, None, str(reason)), {"absent": str(reason)})


def _measured(bench: Bench, name: str) -> Findings:
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        turns: dict[str, Callable[[], float]] = {CLI: lambda: _docker_run_ms(name)}
        for way in FLAGS:
            it = stack.enter_context(bench.running(Project(name, way)))
            for kind in FUNCTIONS:
                turns[f"{kind}, {way}"] = lambda it=it, kind=kind, way=way: _cold_ms(it, kind, way)  # type: ignore[misc]
        sam = _sam(bench, name, stack)
        if isinstance(sam, Running):
            turns[SAM] = lambda: _call_ms(sam)
        for round_ in range(bench.sizes.samples):
            bench.say(f"containers: cold starts, {round_ + 1} of {bench.sizes.samples}")
            for title, turn in turns.items():
                times.setdefault(title, []).append(turn())
    warm, warm_rows = _warm(bench)
    of_cli = {title: _of(found, times[CLI]) for title, found in times.items()}
    rows = [[title, f"{median(found):.1f}", f"{of_cli[title]:.3f}"] for title, found in times.items()]
    if not isinstance(sam, Running):
        bench.say(f"containers: SAM is absent: {sam}")
        rows.append([SAM, "absent", sam])
    tables = [
        Table("Cold starts in containers", ["", "ms", f"x {CLI}"], rows),
        Table("Warm calls, 1 KB event, 1 client", ["walls", "p50 ms", "x process walls"], warm_rows),
    ]
    return Findings(tables, _goals(of_cli, warm), {"ms": times, "of_cli": of_cli, "warm": warm})


def _goals(of_cli: Mapping[str, float], warm: float | None, note: str = "") -> list[Goal]:
    custom, pool = of_cli.get(f"{CUSTOM}, {AHEAD}"), of_cli.get(f"{POOL}, {AHEAD}")
    cold, below = "cold start in a container, of `docker run`:", Sense.AT_MOST
    return [
        Goal("containers.custom", f"{cold} a custom image", below, CUSTOM_LIMIT, custom, note),
        Goal("containers.pool", f"{cold} a built-in runtime from a spare", below, POOL_LIMIT, pool, note),
        Goal("containers.warm", "time of a warm call, of process walls'", below, WARM_LIMIT, warm, note),
    ]


def _of(found: list[float], other: list[float]) -> float:
    return median(ratio(one, beside) for one, beside in zip(found, other, strict=True))


def _docker_run_ms(name: str) -> float:
    """From the command to the first answer on a published port."""
    port = free_port()
    argv = ["docker", "run", "--rm", "--detach", "--publish", f"127.0.0.1:{port}:9000", "--entrypoint", ARGV[0]]
    began = time.perf_counter()
    started = subprocess.run([*argv, name, *ARGV[1:]], capture_output=True, text=True, check=False)
    if started.returncode:
        raise ServerFailed(f"docker run failed: {started.stderr[:200]}")
    try:
        while time.perf_counter() - began < READY_SECONDS:
            try:
                if ask(port, "POST", "/invoke", "{}").status == OK:
                    return (time.perf_counter() - began) * 1000
            except (OSError, HTTPException):
                time.sleep(POLL_SECONDS)
        raise ServerFailed("what docker run started does not answer")
    finally:
        docker("rm", "--force", started.stdout.strip())


def _cold_ms(it: Running, kind: str, way: str) -> float:
    """Of a start that came about in this way."""
    path = invoke_path(FUNCTIONS[kind])
    for _ in range(RESTS):
        ask(it.port, "POST", path, "end")
        time.sleep(REST_SECONDS)
        milliseconds = _call_ms(it, path)
        lines = it.process.log.read_text(encoding="utf-8").splitlines()
        started = [found for found in map(json.loads, filter(_is_start, lines)) if found["function"] == FUNCTIONS[kind]]
        if started[-1]["start"] == STARTS[kind, way]:
            return milliseconds
    raise ServerFailed(f"no instance of a {kind} came to be {way}")


def _is_start(line: str) -> bool:
    return '"instance_started"' in line


def _call_ms(it: Running, path: str = "") -> float:
    began = time.perf_counter()
    answer = ask(it.port, "POST", path or it.path, "{}")
    if answer.status != OK:
        raise ServerFailed(f"a call to {it.name} failed: {answer.status} {answer.text[:200]}")
    return (time.perf_counter() - began) * 1000


def _sam(bench: Bench, name: str, stack: ExitStack) -> Running | str:
    """SAM after its first call, which makes an image; or why there is none."""
    if not bench.sizes.packages:
        return "not in a quick run"
    server = Sam(bench.store, name)
    try:
        server.prepare()
        return stack.enter_context(bench.running(server))
    except (Absent, ServerFailed) as reason:
        return str(reason)


def _warm(bench: Bench) -> tuple[float, list[list[str]]]:
    """The ratio of a median call's time, and rows."""
    body = echo_body(BODY_BYTES)
    env = {**ENVIRONMENT, **_docker_host()}
    found: dict[str, list[float]] = {"process": [], "container": []}
    with ExitStack() as stack:
        running = {
            walls: stack.enter_context(bench.running(Product(flags=flags, env=env)))
            for walls, flags in {"process": (), "container": IN_CONTAINERS}.items()
        }
        for it in running.values():
            bench.generator.send(it.load(body, 1, calls=WARM_UP_CALLS))
        for round_ in range(bench.sizes.rounds):
            bench.say(f"containers: warm, round {round_ + 1} of {bench.sizes.rounds}")
            for walls, it in running.items():
                found[walls].append(bench.generator.send(it.load(body, 1, seconds=bench.sizes.seconds)).p50_ms)
    share = _of(found["container"], found["process"])
    rows = [[walls, f"{median(times):.3f}", f"{_of(times, found['process']):.2f}"] for walls, times in found.items()]
    return share, rows


def _docker_host() -> Mapping[str, str]:
    return {name: os.environ[name] for name in ("DOCKER_HOST", "HOME", "PATH") if name in os.environ}
