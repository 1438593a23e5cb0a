"""Every sample is built and run as its reader would: by `fclocal build`, `fclocal invoke` and `fclocal start`."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.command import PATIENCE_SECONDS, ROOT, Running, Workshop, eventually
from tests.support.samples import Shelf, build_environ, failed, invoked

JSON_HEADERS = {"Content-Type": "application/json"}
CHECKS: dict[str, Callable[[Workshop], None]] = {}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    found = Shelf(tmp_path_factory.mktemp("samples"))
    yield found
    found.close()


def check(name: str) -> Callable[[Callable[[Workshop], None]], Callable[[Workshop], None]]:
    def register(function: Callable[[Workshop], None]) -> Callable[[Workshop], None]:
        CHECKS[name] = function
        return function

    return register


def by_url(
    running: Running, host: str, method: str, path: str, body: str = "", status: int = 200
) -> tuple[str, dict[str, str]]:
    """Ask `http://<host>.localhost:PORT<path>`; the body and the headers of the answer."""
    headers = {"Host": f"{host}.localhost:{running.port}", **(JSON_HEADERS if body else {})}
    got, text, heads = running.http(method, path, body, headers)
    assert got == status, text + running.out
    return text, dict(heads)


# --- event functions ---


@check("python-event")
def check_python_event(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "-e", '{"name": "FC"}')) == {"message": "Hello, FC!"}
    error = failed(sample, "-e", '{"name": "nobody"}')
    assert (error["errorMessage"], error["errorType"]) == ("nobody to greet", "ValueError")


@check("node-event")
def check_node_event(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "-e", '{"name": "FC"}')) == {"message": "Hello, FC!"}
    error = failed(sample, "-e", '{"name": "nobody"}')
    assert (error["errorMessage"], error["errorType"]) == ("nobody to greet", "Error")


@check("lifecycle")
def check_lifecycle(sample: Workshop) -> None:
    done = sample.run("invoke", "counter", "-e", "x")
    assert json.loads(done.stdout) == {"unsaved": 1, "saved": 0}, done.stderr
    assert "initialize: the database is open" in done.stderr and "pre_stop: 1 saved" in done.stderr
    assert failed(sample, "counter", "-e", "fail")["errorMessage"] == "asked to fail"
    with sample.started("--json") as running:
        path = "/2016-08-15/services/lifecycle/functions/counter/invocations"
        assert json.loads(running.http("POST", path)[1]) == {"unsaved": 1, "saved": 0}
        running.until_state("frozen")
        eventually(lambda: "pre_freeze: 1 saved" in running.out, "the line of the hook")
        assert json.loads(running.http("POST", path)[1]) == {"unsaved": 1, "saved": 1}
        running.until_state("frozen", 2)
        assert running.stop() == 0
    assert "pre_stop: 2 saved" in running.out


@check("layers")
def check_layers(sample: Workshop) -> None:
    answer = json.loads(invoked(sample, "-e", '{"language": "zh", "name": "FC"}'))
    assert answer["message"] == "你好, FC!"
    assert answer["from"].endswith("/python/greetings.py") and not answer["from"].startswith("/code")
    assert failed(sample, "-e", '{"language": "xx"}')["errorType"] == "KeyError"


@check("nas")
def check_nas(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "-e", "first"))["entries"][-1:] == ["first"]
    assert json.loads(invoked(sample, "-e", "second"))["entries"][-2:] == ["first", "second"]
    diary = sample.state / "nas" / "0123456789-abc12.cn-hangzhou.nas.aliyuncs.com" / "diary" / "diary.txt"
    assert diary.read_text().endswith("first\nsecond\n")
    assert failed(sample, "-e", "")["errorMessage"] == "an entry needs a text"


@check("sklearn-iris")
def check_sklearn_iris(sample: Workshop) -> None:
    done = sample.run("invoke", "-e", '{"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}')
    assert done.returncode == 0, done.stderr
    assert "initialize: the model knows setosa, versicolor, virginica" in done.stderr
    answer = json.loads(done.stdout)
    assert [flower["species"] for flower in answer] == ["setosa", "virginica"]
    assert all(0.8 < flower["probability"] <= 1 for flower in answer)
    assert failed(sample, "-e", '{"flowers": [[5.1]]}')["errorType"] == "ValueError"


@check("python-keep")
def check_python_keep(sample: Workshop) -> None:
    file = sample.root / "code" / "index.py"
    code = file.read_text()
    with sample.started() as running:

        def corrected() -> dict[str, Any]:
            answer: dict[str, Any] = json.loads(running.call("speller", '{"text": "a funtion that retruns"}')[1])
            return answer

        first = corrected()
        assert first["text"] == "a function that returns"
        file.write_text(code.replace('return {"text":', 'return {"corrected":'))
        assert corrected() == {"corrected": first["text"], "learned_at": first["learned_at"]}
        eventually(lambda: "kept speller" in running.out, "what was kept")
        file.write_text(code)
        assert corrected() == first


@check("coldstart-causes")
def check_coldstart_causes(sample: Workshop) -> None:
    """What is found in them is tested by test_coldstart_causes.py."""
    assert [invoked(sample, name, "-e", "[1, 2]") for name in ("slow-import", "unused-pandas")] == ["hello", "3"]
    assert [invoked(sample, name, "-e", "x") for name in ("reads-twice", "slow-initializer")] == ["200 MB", "ready"]


# --- HTTP triggers ---


@check("python-http")
def check_python_http(sample: Workshop) -> None:
    answer = json.loads(invoked(sample, "--path", "/a%20b?name=FC"))
    assert answer == {"message": "Hello, FC!", "path": "/a%20b"}
    event = sample.run("event", "show", "http").stdout
    raw = json.loads(invoked(sample, "-f", "-", input=event.encode()))
    assert (raw["statusCode"], json.loads(raw["body"])["message"]) == (200, "Hello, Hello FC!!")
    # The trigger hides what failed, InvokeFunction does not (runtime-contract.md §2.8).
    hidden = sample.run("invoke", "--path", "/?name=nobody")
    assert (hidden.returncode, hidden.stdout) == (1, "Internal Server Error"), hidden
    assert failed(sample, "-e", "no JSON")["errorType"] == "JSONDecodeError"
    with sample.started() as running:
        text, headers = by_url(running, "greeter", "GET", "/?name=URL")
        assert (json.loads(text)["message"], headers["x-greeter"]) == ("Hello, URL!", "greeter")


@check("fc2-flask-wsgi")
def check_fc2_flask(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "--path", "/products/tea")) == {"name": "tea", "price": 12}
    with sample.started() as running:
        assert json.loads(by_url(running, "shop-catalog", "GET", "/")[0]) == {"products": ["rice", "tea"]}
        order = by_url(running, "shop-catalog", "POST", "/orders", '{"tea": 2, "rice": 1}', 201)
        assert json.loads(order[0]) == {"total": 31}
        by_url(running, "shop-catalog", "GET", "/products/gold", status=404)
        # FC 2's own address of an HTTP function.
        proxied = running.http("GET", "/2016-08-15/proxy/shop/catalog/products/rice")
        assert (proxied[0], json.loads(proxied[1])["price"]) == (200, 7)
        eventually(lambda: re.search(r"\[WARNING\] order 1-\S+ for \{'tea': 2, 'rice': 1\}", running.out), "its log")


@check("custom-http")
def check_custom_http(sample: Workshop) -> None:
    assert invoked(sample, "--path", "/x?y=1") == "hello from /x?y=1\n"
    assert invoked(sample, "-e", "event") == "event"


@check("custom-flask")
def check_custom_flask(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "--path", "/notes")) == []
    with sample.started() as running:
        assert json.loads(by_url(running, "flask-notes", "POST", "/notes", '{"text": "buy tea"}', 201)[0])["id"] == 1
        by_url(running, "flask-notes", "POST", "/notes", "{}", 400)
        assert json.loads(by_url(running, "flask-notes", "GET", "/notes")[0]) == ["buy tea"]
        # The command finds the emulator that runs, and so the same instance.
        assert sample.run("invoke", "-e", "x").stdout == "1 notes, event x"


@check("custom-fastapi")
def check_custom_fastapi(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "-e", "x")) == {"items": 0, "event": "x"}
    with sample.started() as running:
        by_url(running, "fastapi-items", "POST", "/items", '{"name": "tea"}', 422)
        created = by_url(running, "fastapi-items", "POST", "/items", '{"name": "tea", "price": 3}', 201)
        assert json.loads(created[0]) == {"name": "tea", "price": 3.0}
        assert json.loads(by_url(running, "fastapi-items", "GET", "/items/tea")[0])["price"] == 3
        eventually(lambda: "stored tea" in running.out, "its log")


@check("custom-django")
def check_custom_django(sample: Workshop) -> None:
    assert "<li>rice: 0</li>" in invoked(sample, "--path", "/")
    with sample.started() as running:
        assert json.loads(by_url(running, "django-poll", "POST", "/votes/rice")[0]) == {"choice": "rice", "votes": 1}
        by_url(running, "django-poll", "POST", "/votes/soap", status=404)
        assert "<li>rice: 1</li>" in by_url(running, "django-poll", "GET", "/")[0]


@check("custom-express")
def check_custom_express(sample: Workshop) -> None:
    assert json.loads(invoked(sample, "-e", "x")) == {"todos": 0, "event": "x"}
    with sample.started() as running:
        created = by_url(running, "express-todo", "POST", "/todos", '{"title": "tea"}', 201)
        assert json.loads(created[0]) == {"id": 1, "title": "tea"}
        assert json.loads(by_url(running, "express-todo", "GET", "/todos")[0]) == [{"id": 1, "title": "tea"}]
        by_url(running, "express-todo", "DELETE", "/todos/1", status=204)
        by_url(running, "express-todo", "PUT", "/todos/1", status=403)


# --- streams ---


@contextlib.contextmanager
def chatting(running: Running, message: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        headers = {"Host": f"chat.localhost:{running.port}", **JSON_HEADERS}
        connection.request("POST", "/chat", json.dumps({"message": message}), headers)
        answer = connection.getresponse()
        assert (answer.status, answer.headers.get_content_type()) == (200, "text/event-stream")
        yield answer


@check("custom-sse-chat")
def check_sse_chat(sample: Workshop) -> None:
    assert "<title>Chat</title>" in invoked(sample, "--path", "/")
    with sample.started("--json") as running:

        def is_end(event: dict[str, Any]) -> bool:
            return event["kind"] == "invocation_ended"

        with chatting(running, "hi") as answer:
            words = [line.removeprefix("data: ") for line in answer.read().decode().split("\n") if line]
        assert [json.loads(word)["delta"] for word in words[:-1]] == ["You ", "said: ", "hi "]
        assert words[-1] == "[DONE]"
        # A minute of words: the first one is here, and the function has not said the last.
        with chatting(running, "word " * 300) as answer:
            assert answer.readline() == b'data: {"delta": "You "}\n'
            assert len(running.until(is_end)) == 1, "only the first chat has ended"
        # The client has gone, so that the answer is not spoken to its end.
        assert running.until(is_end, 2)[1]["status"] == 499


@contextlib.contextmanager
def member(running: Running, name: str) -> Iterator[ClientConnection]:
    """One who is in the room. The names of `*.localhost` are not asked of this machine's resolver."""
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS)
    with connect(f"ws://room.localhost:{running.port}/?name={name}", sock=sock) as connection:
        yield connection


@check("custom-websocket")
def check_websocket(sample: Workshop) -> None:
    assert invoked(sample, "--path", "/") == "0 in the room\n"

    def heard(connection: ClientConnection) -> str | bytes:
        return connection.recv(timeout=PATIENCE_SECONDS)

    with sample.started() as running, member(running, "ann") as ann:
        assert heard(ann) == "ann joined"
        with member(running, "bob") as bob:
            assert (heard(ann), heard(bob)) == ("bob joined", "bob joined")
            bob.send("hello")
            assert (heard(ann), heard(bob)) == ("bob: hello", "bob: hello")
            ann.send("你好")
            assert (heard(ann), heard(bob)) == ("ann: 你好", "ann: 你好")
        assert heard(ann) == "bob left"
        assert by_url(running, "room", "GET", "/")[0] == "1 in the room\n"


# --- containers ---


@check("container-flask")
def check_container_flask(sample: Workshop) -> None:
    dockerfile, code = sample.root / "Dockerfile", sample.root / "app.py"
    with sample.started() as running:
        assert json.loads(by_url(running, "container-notes", "GET", "/notes")[0]) == ["welcome to Notes"]
        added = by_url(running, "container-notes", "POST", "/notes", '{"text": "buy milk"}', 201)[0]
        assert json.loads(added) == {"id": 2, "text": "buy milk"}
        assert running.call("container-notes", "x")[1] == "2 notes, event x"
        eventually(lambda: "note by request 1-" in running.out, "the log line")
        code.write_text(code.read_text().replace("%d notes, event", "%d pages, event"))
        assert running.call("container-notes", "y")[1] == "1 pages, event y"
        dockerfile.write_text(dockerfile.read_text().replace("COPY . .", "ENV TITLE=ignored\nRUN false\nCOPY . ."))
        assert running.call("container-notes", "z")[1] == "1 pages, event z"
        eventually(lambda: "container-notes was not reloaded; revision 2 stays: Dockerfile:" in running.out, "refusal")
        assert "`RUN false`" in running.out
        dockerfile.write_text(dockerfile.read_text().replace("RUN false\n", ""))
        assert json.loads(by_url(running, "container-notes", "GET", "/notes")[0]) == ["welcome to Notes"]
        assert running.stop() == 0


@check("container-sklearn")
def check_container_sklearn(sample: Workshop) -> None:
    done = sample.run("invoke", "-e", '{"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}')
    assert done.returncode == 0, done.stderr
    assert "the model knows setosa, versicolor, virginica" in done.stderr
    assert [flower["species"] for flower in json.loads(done.stdout)] == ["setosa", "virginica"]
    assert "can not" not in done.stderr
    wrong = sample.run("invoke", "-e", '{"flowers": [[5.1]]}')
    assert "features" in json.loads(wrong.stdout)["error"] and "Step " not in wrong.stderr


@check("gpu-torch")
def check_gpu_torch(sample: Workshop) -> None:
    with sample.started("--gpu", "fake") as running:
        status, text, _ = running.call("gpu-xor", '{"inputs": [[0, 1], [1, 1]]}')
        told = json.loads(text)
        assert status == 200, text
        assert (told["outputs"], told["device"]) == ([1, 0], "cpu")
        # What FC would give, by its type.
        assert told["cards"] == [{"name": "Tesla T4", "memory_mb": 15360}]
        assert (told["driver"], told["cuda"]) == ("580.95.05", "13.0")
        honest = json.loads(running.call("gpu-xor", '{"device": "cuda"}')[1])
        assert "outputs" not in honest and "CUDA" in honest["error"]
        assert "--gpu fake: fc.gpu.tesla.1 is a test double" in running.out and "learned on cpu" in running.out
        assert "GPU Memory Size: 16384 MB" in running.out


@pytest.mark.parametrize("name", CHECKS)
def test_sample(name: str, shelf: Shelf) -> None:
    CHECKS[name](shelf.take(name))


def test_what_was_not_built_is_told_and_build_makes_it_run(tmp_path: Path, shelf: Shelf) -> None:
    sample = shelf.copy("custom-websocket", tmp_path / "room")
    before = sample.run("invoke", "--path", "/")
    assert before.returncode != 0
    assert "`npm install` was not run, and what it makes is missing; `--build` runs it" in before.stderr
    shelf.take("custom-websocket")  # skips where npm has no registry
    built = sample.run("invoke", "--build", "--path", "/", env=build_environ())
    assert built.stdout == "0 in the room\n", built.stderr


READMES = ("README.md", "README.zh-CN.md")
ROW = re.compile(
    r"^\| \[(?P<name>[\w-]+)\]\(samples/(?P=name)\) \|.*\| `fclocal (?P<command>(?:invoke|coldstart) .*)` \|$",
    re.MULTILINE,
)


def rows(readme: str) -> dict[str, list[str]]:
    """The sample table: the command of each sample."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    return {row["name"]: shlex.split(row["command"]) for row in ROW.finditer(text)}


@pytest.mark.parametrize("readme", READMES)
def test_every_sample_is_run_here_and_is_in_the_readme(readme: str) -> None:
    folders = sorted(path.name for path in (ROOT / "samples").iterdir() if path.is_dir())
    assert all((ROOT / "samples" / name / "s.yaml").is_file() for name in folders)
    assert sorted(CHECKS) == folders
    assert sorted(rows(readme)) == folders


@pytest.mark.parametrize(
    ("name", "words"), sorted({(name, tuple(words)) for readme in READMES for name, words in rows(readme).items()})
)
def test_the_readmes_command_does_what_it_says(name: str, words: tuple[str, ...], shelf: Shelf) -> None:
    done = shelf.take(name).run(*(word for word in words if word != "--build"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout and (words[0] == "coldstart" or "FC Invoke End RequestId: " in done.stderr)
