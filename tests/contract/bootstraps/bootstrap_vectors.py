"""Reads the language-neutral vectors, sends their steps to a bootstrap and compares what comes back.

A vector: `name`, `why` (the source), `handler`, optional `env`, `bundled` (FCLOCAL_BUNDLED), `only` / `skip` (globs of
runtime ids), `code` (a folder beside `handlers/<family>`), `exit` (the exit code after the steps; absent: it lives on),
and `steps`, or one step's keys directly.

A step sends
  control  the control path, `/invoke` unless said; `method` and `target` default to that path's own
  handler  overrides the vector's; `headers` are added to FC's common ones (null removes one)
  event    the body: a string (UTF-8), {"json": …}, {"hex": "…"} or {"repeat": ["text", times]}
  chunked  sizes of the chunks in which the body is sent; absent: Content-Length
  raw      bytes (latin-1) sent in place of all that; `finish`: then close the sending side
  new      true: on a new connection; else the last one is kept
and expects (`expect`, a mapping, or a list of them of which the first whose `for` globs fit the runtime id counts)
  status   200 unless said; `none`: the connection closes without an answer
  headers  name: regex of the whole value, or null for absent
  body     as event; or `text`, a regex that the body must contain; or `json`, a pattern:
           "~regex" matches a string, {"...": true, …} allows more keys, ["…", "..."] more items
  log      regexes that lines of this step's log match, in this order; `silent`: regexes that no line matches
  closed   true: the connection is closed after the answer

`@CODE@`, `@RUNTIME@`, `@VERSION@` and `@ID@` (of the request) are filled in everywhere, escaped inside regexes.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bootstrap_harness import HERE, Answer, Bootstrap, Connection, Target, dotted

METHODS = {"/pre-freeze": "GET", "/pre-stop": "GET", "/ready": "GET"}
HANDLER_HEADERS = {
    "/initialize": "x-fc-function-initializer",
    "/pre-stop": "x-fc-instance-lifecycle-pre-stop-handler",
    "/pre-freeze": "x-fc-instance-lifecycle-pre-freeze-handler",
}
# runtime-contract.md §3.4
COMMON_HEADERS = {
    "x-fc-function-name": "shop",
    "x-fc-function-memory": "512",
    "x-fc-function-timeout": "60",
    "x-fc-service-name": "",
    "x-fc-service-logproject": "my-project",
    "x-fc-service-logstore": "my-store",
    "x-fc-qualifier": "LATEST",
    "x-fc-version-id": "",
    "x-fc-account-id": "123456789",
    "x-fc-region": "cn-hangzhou",
    "x-fc-retry-count": "0",
    "x-fc-access-key-id": "key-id",
    "x-fc-access-key-secret": "key-secret",
    "x-fc-security-token": "token",
}


@dataclass(frozen=True)
class Vector:
    name: str
    data: Mapping[str, Any]

    def fits(self, runtime: str) -> bool:
        return matches_any(runtime, self.data.get("only", ["*"])) and not matches_any(
            runtime, self.data.get("skip", [])
        )

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        return self.data.get("steps") or [self.data]


def load_vectors() -> Iterator[Vector]:
    for path in sorted((HERE / "vectors").glob("*.json")):
        for data in json.loads(path.read_text("utf-8")):
            yield Vector(f"{path.stem}/{data['name']}", data)


def matches_any(runtime: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(runtime, glob) for glob in globs)


def payload(spec: Any) -> bytes:
    match spec:
        case None:
            return b""
        case str():
            return spec.encode()
        case {"json": value}:
            return json.dumps(value).encode()
        case {"hex": text}:
            return bytes.fromhex(text)
        case {"repeat": [text, times]}:
            return str(text).encode() * int(times)
    raise AssertionError(f"not a payload: {spec!r}")


def run_vector(vector: Vector, bootstrap: Bootstrap) -> None:
    connection = bootstrap.connect()
    for number, step in enumerate(vector.steps, 1):
        if step.get("new"):
            connection = bootstrap.connect()
        names = places(bootstrap, number)
        expected = chosen(filled(step.get("expect", {}), names), bootstrap.target.runtime)
        connection.send(request(vector, step, names))
        if step.get("finish"):
            connection.finish_sending()
        answer = connection.receive(head=step.get("method") == "HEAD")
        check_answer(expected, answer, connection)
        if answer is None and "exit" in vector.data:
            # Without an answer nothing says that the log is complete, but the end of the process does.
            bootstrap.process.wait(30)
        check_log(expected, bootstrap.log())
    if "exit" in vector.data:
        assert bootstrap.process.wait(30) == vector.data["exit"]
    else:
        assert bootstrap.process.poll() is None, f"the bootstrap ended: {bootstrap.log()}"


def places(bootstrap: Bootstrap, number: int) -> dict[str, str]:
    return {
        "@CODE@": str(bootstrap.code_path),
        "@RUNTIME@": bootstrap.target.runtime,
        "@VERSION@": dotted(bootstrap.target.version),
        "@ID@": f"1-00000000-00000000-{number:012d}",
    }


def filled(value: Any, names: Mapping[str, str], pattern: bool = False) -> Any:
    """`value` with its placeholders filled in; `pattern`: what is a string here is a regex."""
    if isinstance(value, str):
        as_pattern = pattern or value.startswith("~")
        for name, text in names.items():
            value = value.replace(name, re.escape(text) if as_pattern else text)
        return value
    if isinstance(value, list):
        return [filled(item, names, pattern) for item in value]
    if isinstance(value, dict):
        regexes = {"headers", "log", "silent", "text"}
        return {key: filled(item, names, pattern or key in regexes) for key, item in value.items()}
    return value


def chosen(expected: Any, runtime: str) -> Mapping[str, Any]:
    if isinstance(expected, list):
        return next(item for item in expected if matches_any(runtime, item.get("for", ["*"])))
    assert isinstance(expected, dict)
    return expected


def request(vector: Vector, step: Mapping[str, Any], names: Mapping[str, str]) -> bytes:
    if "raw" in step:
        return str(step["raw"]).encode("latin-1")
    control = step.get("control", "/invoke")
    handler = step.get("handler", vector.data.get("handler", ""))
    headers = {"Host": "localhost", "x-fc-control-path": control, "x-fc-request-id": names["@ID@"], **COMMON_HEADERS}
    headers["x-fc-function-handler"] = handler
    if control in HANDLER_HEADERS:
        headers[HANDLER_HEADERS[control]] = handler
    body = payload(filled(step.get("event"), names))
    if "chunked" in step:
        headers["Transfer-Encoding"] = "chunked"
        body = b"".join(chunks(body, step["chunked"]))
    elif "event" in step or METHODS.get(control) != "GET":
        headers["Content-Length"] = str(len(body))
    for name, value in step.get("headers", {}).items():
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    method = step.get("method", METHODS.get(control, "POST"))
    lines = [f"{method} {step.get('target', control)} HTTP/1.1"]
    lines += [f"{name}: {item}" for name, value in headers.items() for item in as_list(value)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + body


def message(bootstrap: Bootstrap, handler: str, event: str = "", number: int = 1, **step: Any) -> bytes:
    """One request of a test that is no vector."""
    return request(Vector("", {}), {"handler": handler, "event": event, **step}, places(bootstrap, number))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def chunks(body: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """The body in chunks of these sizes, over and over, and the last chunk."""
    start, turn = 0, 0
    while start < len(body):
        piece = body[start : start + sizes[turn % len(sizes)]]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
        start, turn = start + len(piece), turn + 1
    yield b"0\r\n\r\n"


def check_answer(expected: Mapping[str, Any], answer: Answer | None, connection: Connection) -> None:
    if expected.get("none"):
        assert answer is None, f"an answer where the connection should close: {answer}"
        return
    assert answer is not None, "the connection closed without an answer"
    assert answer.status == expected.get("status", 200), (answer.status, answer.body[:2000])
    for name, pattern in expected.get("headers", {}).items():
        value = answer.headers.get(name)
        assert value is None if pattern is None else re.fullmatch(pattern, value or ""), (name, value, pattern)
    if "body" in expected:
        wanted = payload(expected["body"])
        assert answer.body == wanted, (len(answer.body), len(wanted), answer.body[:2000])
    if "text" in expected:
        text = answer.body.decode("utf-8", "replace")
        assert re.search(expected["text"], text), text[:2000]
    if "json" in expected:
        check_json(expected["json"], json.loads(answer.body), "$")
    if expected.get("closed"):
        assert connection.at_end(), "the connection stayed open"


def check_json(pattern: Any, value: Any, where: str) -> None:
    shown = f"{where}: {json.dumps(value)[:1000]} is not {json.dumps(pattern)}"
    if isinstance(pattern, dict):
        wanted = {key: item for key, item in pattern.items() if key != "..."}
        assert isinstance(value, dict), shown
        assert wanted.keys() <= value.keys() if "..." in pattern else wanted.keys() == value.keys(), shown
        for key, item in wanted.items():
            check_json(item, value[key], f"{where}.{key}")
    elif isinstance(pattern, list):
        wanted_items = [item for item in pattern if item != "..."]
        assert isinstance(value, list), shown
        same = len(value) >= len(wanted_items) if "..." in pattern else len(value) == len(wanted_items)
        assert same, shown
        for index, item in enumerate(wanted_items):
            check_json(item, value[index], f"{where}[{index}]")
    elif isinstance(pattern, str) and pattern.startswith("~"):
        assert isinstance(value, str), shown
        assert re.search(pattern[1:], value), shown
    else:
        assert type(value) is type(pattern), shown
        assert value == pattern, shown


def check_log(expected: Mapping[str, Any], lines: Sequence[str]) -> None:
    rest = iter(lines)
    for pattern in expected.get("log", []):
        assert any(re.search(pattern, line) for line in rest), f"no line {pattern!r} (in this order) in {lines}"
    for pattern in expected.get("silent", []):
        assert not any(re.search(pattern, line) for line in lines), f"a line {pattern!r} in {lines}"


def start(target: Target, vector: Vector, folder: Path) -> Bootstrap:
    folder_name = vector.data.get("code")
    code = HERE / "handlers" / folder_name if folder_name else None
    bootstrap = Bootstrap(target, folder, code=code)
    names = places(bootstrap, 0)
    env = {name: str(filled(value, names)) for name, value in vector.data.get("env", {}).items()}
    bundled = vector.data.get("bundled")
    if bundled is not None:
        env["FCLOCAL_BUNDLED"] = json.dumps(bundled)
    return replace(bootstrap, env=env)
