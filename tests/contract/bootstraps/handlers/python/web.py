# -*- coding: utf-8 -*-
"""FC 2 HTTP handlers: WSGI applications."""
import json


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Shop", "open"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"hello ", b"world"]


def show(environ, start_response):
    names = (
        "REQUEST_METHOD PATH_INFO QUERY_STRING SCRIPT_NAME SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SOFTWARE HTTP"
        " CONTENT_LENGTH CONTENT_TYPE REMOTE_ADDR HTTP_X_ONE HTTP_X_FC_FUNCTION_HANDLER fc.request_uri wsgi.url_scheme"
        " wsgi.version wsgi.multithread FC_FUNCTION_NAME"
    ).split()
    shown = {name: environ.get(name) for name in names}
    shown["body"] = environ["wsgi.input"].read().decode("latin-1")
    shown["secret"] = [name for name in environ if "ACCESS_KEY" in name and name.startswith("HTTP_")]
    shown["request_id"] = environ["fc.context"].request_id
    start_response("201 Created", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode("utf-8")]


def writes(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return [u"and returned"]


def generates(environ, start_response):
    start_response("200 OK", [])
    for number in range(3):
        yield ("%d " % number).encode("ascii")


class Closing(object):
    def __init__(self):
        self.pieces = iter([b"x" * 40000, b"y" * 40000])

    def __iter__(self):
        return self.pieces

    def close(self):
        print("closed the body")


def closes(environ, start_response):
    start_response("200 OK", [])
    return Closing()


def not_found(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/html"), ("Content-Length", "999"), ("x-fc-status", "200")])
    return [b"no such page"]


def empty(environ, start_response):
    start_response("204 No Content", [])
    return []


def fails(environ, start_response):
    start_response("200 OK", [])
    raise KeyError("lost")


def fails_late(environ, start_response):
    start_response("200 OK", [])
    yield b"some"
    raise KeyError("lost")


def never_starts(environ, start_response):
    return [b"x"]


def starts_again(environ, start_response):
    import sys

    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def splits_header(environ, start_response):
    start_response("200 OK", [("X-Evil", "a\r\nX-Injected: 1")])
    return [b""]


def returns_none(environ, start_response):
    start_response("200 OK", [])


def odd_status(environ, start_response):
    start_response("fine", [])
    return [b""]


def numbers(environ, start_response):
    start_response("200 OK", [])
    return [1, 2]


def mirror(environ, start_response):
    start_response("200 OK", [("X-Mine", environ.get("HTTP_X_MINE", ""))])
    return [environ["wsgi.input"].read()]
