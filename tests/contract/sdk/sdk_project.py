"""The project that the official clients call: one FC 3 function, and an FC 2 service with three."""

from __future__ import annotations

import base64
import binascii

S_YAML = """
edition: 3.0.0
name: sdk
access: default
resources:
  event:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: event
      runtime: python3.10
      handler: index.handler
      code: ./code
      memorySize: 256
      timeout: 30
      asyncInvokeConfig:
        maxAsyncRetryAttempts: 0
        destinationConfig:
          onSuccess: {destination: "acs:fc:cn-hangzhou:123456789:functions/keeper"}
  keeper:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: keeper
      runtime: python3.10
      handler: index.keep
      code: ./code
      memorySize: 256
      timeout: 30
      environmentVariables: {MAILBOX: "%(port)s"}
  service-event:
    component: fc
    props:
      region: cn-hangzhou
      service: {name: svc}
      function: {name: event, runtime: python3, handler: index.handler, codeUri: ./code, memorySize: 256, timeout: 30,
                 asyncConfiguration: {maxAsyncRetryAttempts: 0,
                 destination: {onSuccess: "acs:fc:cn-hangzhou:123456789:functions/keeper"}}}
  service-web:
    component: fc
    props:
      region: cn-hangzhou
      service: {name: svc}
      function: {name: web, runtime: python3, handler: index.wsgi, codeUri: ./code, memorySize: 256, timeout: 30}
      triggers: [{name: http, type: http, config: {authType: anonymous, methods: [GET, POST, PUT]}}]
  service-handled:
    component: fc
    props:
      region: cn-hangzhou
      service: {name: svc}
      function: {name: handled, runtime: nodejs16, handler: index.handler, codeUri: ./code, memorySize: 256,
                 timeout: 30}
"""

INDEX_PY = """
import json
import os
import socket


def handler(event, context):
    if event == b"fail":
        raise ValueError("told to")
    if event == b"log":
        print("x" * 5000)
        print("the last line")
    if event == b"context":
        about = {"qualifier": context.service.qualifier, "function": context.function.name,
                 "service": context.service.name, "request_id": context.request_id}
        return json.dumps(about)
    return event


def keep(event, context):
    with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
        sock.sendall(event)


def wsgi(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    about = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"], "query": environ["QUERY_STRING"],
             "uri": environ["fc.request_uri"], "custom": environ.get("HTTP_X_CUSTOM"),
             "body": environ["wsgi.input"].read(length).hex(), "request_id": environ["fc.context"].request_id}
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Own", "mine")])
    return [json.dumps(about).encode()]
"""

INDEX_JS = """
exports.handler = (event, context, callback) => callback(new Error("handled"));
"""

# Every byte value, no valid UTF-8, with what a line-based or text-based path would break on
BINARY = bytes(range(256)) + b"\r\n\r\n\x00\xff" * 16


def files(mailbox_port: int) -> dict[str, str]:
    return {"s.yaml": S_YAML % {"port": mailbox_port}, "code/index.py": INDEX_PY, "code/index.js": INDEX_JS}


def decoded_tail(value: str) -> str:
    """The text of an `X-Fc-Log-Result`, which must be proper base64."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except binascii.Error as error:
        raise AssertionError(f"no base64: {value!r}") from error
