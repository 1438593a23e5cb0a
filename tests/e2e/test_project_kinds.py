"""Projects of every kind answer: none at all, one that is named, Fun's template.yml, and runtimes of one's own."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest

from tests.support.command import Workshop

EVENT = "import json, os\n\ndef handler(event, context):\n    return 'event ' + event.decode()\n"
HTTP = {
    "triggers": [
        {
            "triggerName": "http",
            "triggerType": "http",
            "triggerConfig": {"authType": "anonymous", "methods": ["GET", "POST"]},
        }
    ]
}
SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.command} {self.path} {sys.argv[1:]}".encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

HTTPServer(("0.0.0.0", int(sys.argv[1])), Answer).serve_forever()
"""


# --- no project file ---


def test_a_folder_of_code_is_enough(workshop: Workshop) -> None:
    workshop.write({"shop/index.py": EVENT})
    flags = ("--code", "shop", "--handler", "index.handler", "--runtime", "python3.10")
    done = workshop.run("invoke", *flags, "-e", "x")
    assert (done.returncode, done.stdout) == (0, "event x"), done.stderr
    with workshop.started(*flags) as running:
        assert running.call("shop", "y")[:2] == (200, "event y")
        status, body, _ = running.http("GET", "/", headers={"Host": f"shop.localhost:{running.port}"})
        assert (status, json.loads(body.removeprefix("event "))["rawPath"]) == (200, "/")
        # From elsewhere, the running emulator serves the call.
        assert workshop.run("invoke", "shop", "-e", "z").stdout == "event z"
        assert running.stop() == 0


def test_an_archive_of_code_is_enough(workshop: Workshop) -> None:
    with zipfile.ZipFile(workshop.root / "shop.zip", "w") as out:
        out.writestr("index.py", EVENT)
    done = workshop.run(
        "invoke", "--code", "shop.zip", "--handler", "index.handler", "--runtime", "python3.10", "-e", "x"
    )
    assert (done.returncode, done.stdout) == (0, "event x"), done.stderr


def test_a_server_is_enough(workshop: Workshop) -> None:
    workshop.write({"web/app.py": SERVER})
    flags = ("--code", "web", "--runtime", "custom.debian10", "--command", "python3 app.py 18080", "--ca-port", "18080")
    done = workshop.run("invoke", *flags, "--path", "/a?b=c")
    assert (done.returncode, done.stdout) == (0, "GET /a?b=c ['18080']"), done.stderr


# --- project files that are named ---


def test_a_project_file_is_named(workshop: Workshop) -> None:
    workshop.project(EVENT, hello={})
    (workshop.root / "other").mkdir()
    (workshop.root / "s.yaml").rename(workshop.root / "other" / "cloud.yaml")
    shutil.move(workshop.root / "code", workshop.root / "other" / "code")
    done = workshop.run("invoke", "-t", "other/cloud.yaml", "-e", "x")
    assert (done.returncode, done.stdout) == (0, "event x"), done.stderr
    assert (workshop.root / "other" / ".fclocal").is_dir(), "the emulator's files are beside the project file"
    assert not workshop.state.exists()
    with workshop.started("-t", "other/cloud.yaml", "--state-dir", ".fclocal") as running:
        assert running.call("hello", "y")[1] == "event y"


# --- Fun ---

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Transform: 'Aliyun::Serverless-2018-04-03'
Resources:
  shop:
    Type: 'Aliyun::Serverless::Service'
    Properties:
      Description: a shop
      NasConfig:
        UserId: 0
        GroupId: 0
        MountPoints:
          - ServerAddr: 'nas.example.com:/shelf'
            MountDir: /mnt/shelf
    page:
      Type: 'Aliyun::Serverless::Function'
      Properties:
        Handler: page.handler
        Initializer: page.initialize
        Runtime: python3
        CodeUri: './page'
        Layers: ['acs:fc:cn-hangzhou:1:layers/words/versions/1']
        EnvironmentVariables:
          STAGE: local
      Events:
        web:
          Type: HTTP
          Properties: {AuthType: ANONYMOUS, Methods: [GET, POST]}
    nightly:
      Type: 'Aliyun::Serverless::Function'
      Properties:
        Handler: index.handler
        Runtime: nodejs12
        CodeUri: './nightly'
      Events:
        tick: {Type: Timer, Properties: {CronExpression: '@every 1h', Enable: true, Payload: p}}
  shop.example.com:
    Type: 'Aliyun::Serverless::CustomDomain'
    Properties:
      Protocol: HTTP
      RouteConfig:
        routes:
          '/shop/*': {ServiceName: shop, FunctionName: page}
"""
PAGE = """
import os, words

ready = []

def initialize(context):
    ready.append(context.service.name)

def handler(environ, start_response):
    with open("/mnt/shelf/visits" if os.path.exists("/mnt/shelf") else os.devnull, "a") as visits:
        visits.write("x")
    start_response("200 OK", [("Content-Type", "text/plain")])
    parts = [os.environ["STAGE"], environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["fc.request_uri"]]
    return [" ".join(ready + [words.HELLO] + parts).encode("utf-8")]
"""
NIGHTLY = "exports.handler = (event, context, callback) => callback(null, context.service.name + ' ' + event);\n"


def test_fun_s_template_answers(workshop: Workshop) -> None:
    """An HTTP function with an Initializer, a layer and NAS; one with a timer; and a custom domain."""
    workshop.write({
        "template.yml": TEMPLATE,
        "page/page.py": PAGE,
        "nightly/index.js": NIGHTLY,
        ".fclocal/layers/words/python/words.py": "HELLO = 'hello'",
    })  # fmt: skip
    with workshop.started() as running:
        prefix = "/2016-08-15/proxy/shop/page"
        status, body, _ = running.http("GET", f"{prefix}/a%20b?c=d")
        assert (status, body) == (200, f"shop hello local GET /a b {prefix}/a%20b?c=d")
        headers = {"Host": f"shop-page.localhost:{running.port}", "x-fclocal-request-uri": "/forged"}
        status, body, _ = running.http("POST", "/x", "1", headers)
        assert (status, body) == (200, "shop hello local POST /x /x")
        status, body, _ = running.http("GET", "/shop/y", headers={"Host": "shop.example.com"})
        assert (status, body) == (200, "shop hello local GET /shop/y /shop/y")
        status, _, headers = running.http("DELETE", prefix)
        assert (status, "x-fc-request-id" in headers) == (403, True), "the trigger names its methods"
        status, body, _ = running.http("POST", "/2016-08-15/services/shop/functions/nightly/invocations", "now")
        assert (status, body) == (200, "shop now")
        assert running.stop() == 0
    assert (workshop.state / "nas/nas.example.com/shelf/visits").read_text() == "xxx"


# --- a runtime of one's own ---

PERL_TOML = """
kind = "bootstrap"
search_paths = true

[names]
"perl5" = "5"

[debian]
"perl5" = 12

[interpreter]
command = "perl"
lang_dir = "/var/fc/lang/{id}/bin"
links = ["perl"]
argv = ["{interpreter}", "{home}/bootstrap.pl"]

[env]
PERL5LIB = "/opt/perl/{version}"
"""
# As docs/bootstrap-protocol.md asks, in as few lines as do it: it loads FILE.FUNCTION and calls FUNCTION(event).
PERL = r"""
use strict; use warnings; use IO::Socket::UNIX;
my $listener = IO::Socket::UNIX->new_from_fd($ENV{FCLOCAL_ENDPOINT} =~ /^fd:(\d+)$/, "r+");
while (my $client = $listener->accept) {
    while (defined(my $line = <$client>)) {
        my ($control) = $line =~ m{^\w+ (\S+)};
        my %head;
        while (defined($line = <$client>) and $line =~ /^([^:\r\n]+):\s*(.*?)\r\n/) { $head{lc $1} = $2 }
        read $client, my $event, $head{'content-length'} || 0;
        my ($status, $more, $body) = ('200 OK', '', '');
        if ($control eq '/invoke') {
            my ($file, $name) = $head{'x-fc-function-handler'} =~ /^(.+)\.(\w+)$/;
            $body = eval { require "/code/$file.pl"; no strict 'refs'; &$name($event) };
            if ($@) {
                ($status, $body) = ('404 Not Found', qq({"errorMessage": "it died", "errorType": "Died"}));
                $more = "x-fc-status: 404\r\nx-fc-error-type: UnhandledInvocationError\r\n";
            }
        }
        printf $client "HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", $status, $more, length $body, $body;
        $client->flush;
    }
}
"""
GREET = """
sub greet {
    my $event = shift;
    die if $event eq 'die';
    return sprintf '{"statusCode": 202, "body": "%s"}', length $event;
}
1;
"""


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl")
def test_a_runtime_is_a_folder_and_nothing_else(workshop: Workshop) -> None:
    workshop.project(hello={"runtime": "perl5", "handler": "greeter.greet", **HTTP})
    workshop.write({
        "runtimes/perl/runtime.toml": PERL_TOML,
        "runtimes/perl/bootstrap.pl": PERL,
        "code/greeter.pl": GREET,
        ".fclocal.yaml": "runtimes_dir: runtimes\n",
    })  # fmt: skip
    with workshop.started() as running:
        assert running.call("hello", "you")[:2] == (200, '{"statusCode": 202, "body": "3"}')
        status, body, headers = running.call("hello", "die")
        assert (status, json.loads(body)["errorType"]) == (200, "Died")
        assert headers["x-fc-error-type"] == "UnhandledInvocationError"
        status, body, _ = running.http("GET", "/", headers={"Host": f"hello.localhost:{running.port}"})
        assert (status, body.isdigit()) == (202, True), (
            "an HTTP trigger is an event for a built-in runtime, and so is its answer"
        )
        assert running.stop() == 0


def test_a_custom_image_of_ones_own(workshop: Workshop) -> None:
    workshop.project(
        web={
            "runtime": "custom.mine",
            "customRuntimeConfig": {"command": ["python3"], "args": ["app.py", "18081"], "port": 18081},
            **HTTP,
        }
    )
    workshop.write({
        "runtimes/mine/runtime.toml": 'kind = "program"\n[names]\n"custom.mine" = ""\n[env]\nMINE = "yes"\n',
        "code/app.py": SERVER,
        ".fclocal.yaml": "runtimes_dir: runtimes\n",
    })  # fmt: skip
    with workshop.started() as running:
        status, body, _ = running.http("GET", "/a?b", headers={"Host": f"web.localhost:{running.port}"})
        assert (status, body) == (201, "GET /a?b ['18081']"), "a program gets the request as it is"
        assert running.stop() == 0


# --- FC 2's HTTP handlers ---

FC2 = """
edition: 1.0.0
name: e2e
services:
  {name}:
    component: fc
    props:
      region: cn-hangzhou
      service: {{name: shop}}
      function: {{name: {name}, runtime: {runtime}, handler: index.handler, codeUri: ./code}}
      triggers:
        - {{name: http, type: http, config: {{authType: anonymous, methods: [GET, POST]}}}}
"""
WSGI = """
import json

def handler(environ, start_response):
    print("asked for " + environ["fc.request_uri"])
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "fc.request_uri", "HTTP_X_MINE")
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Type", "text/html"), ("X-Twice", "a"), ("X-Twice", "b")])
    return [json.dumps([environ.get(name) for name in names]).encode("utf-8"), body]
"""
REQ_RESP = """
exports.handler = (req, resp, context) => {
  console.log('asked for ' + req.url);
  resp.setStatusCode(201);
  resp.setHeader('Content-Type', 'text/html');
  resp.setHeader('X-Twice', ['a', 'b']);
  const seen = [req.method, req.path, req.queries, req.clientIP, req.url, req.headers['x-mine']];
  resp.send(Buffer.concat([Buffer.from(JSON.stringify(seen)), req.body]));
};
"""


@pytest.mark.parametrize(
    ("runtime", "file", "code", "path", "query"),
    [
        ("python3.9", "index.py", WSGI, "/a b", "c=1&c=2"),
        ("nodejs16", "index.js", REQ_RESP, "/a%20b", {"c": ["1", "2"]}),
    ],
)
def test_http_handlers_of_fc2_see_the_clients_own_request(
    workshop: Workshop, runtime: str, file: str, code: str, path: str, query: object
) -> None:
    workshop.write({"s.yaml": FC2.format(name="page", runtime=runtime), f"code/{file}": code})
    uri = "/2016-08-15/proxy/shop/page/a%20b?c=1&c=2"
    with workshop.started("--json") as running:
        status, body, headers = running.http("POST", uri, "\0\1", {"X-Mine": "yes"})
        seen, end = json.JSONDecoder().raw_decode(body)
        assert seen == ["POST", path, query, "127.0.0.1", uri, "yes"]
        wanted = (201, "\0\1", "text/html", "b")
        assert (status, body[end:], headers["content-type"], headers["x-twice"]) == wanted, "the last of two"
        status, _, headers = running.http("POST", uri + "&d", "x", {"X-Fc-Invocation-Type": "Async"})
        assert (status, "x-fc-stateful-async-invocation-id" in headers) == (202, True)
        running.until(lambda event: event["kind"] == "log_line" and f"asked for {uri}&d" in event["text"])
        assert running.stop() == 0
