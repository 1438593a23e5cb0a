"""The first screen tells where custom domains are, also those that are named `auto`."""

from __future__ import annotations

from tests.contract.invoking.invoking_project import PYTHON, http_trigger, write_project

INDEX = """
def handler(event, context):
    return event

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"old"]
"""


def test_domains_are_on_the_first_screen(tmp_path_factory, workshop):
    routes = {"routes": [{"path": "/*", "functionName": "web"}]}
    old = {
        "service": {"name": "svc"},
        "function": {"name": "old", "runtime": "python3", "handler": "index.wsgi", "codeUri": "./code"},
        "triggers": [{"name": "http", "type": "http", "config": {"authType": "anonymous", "methods": ["GET"]}}],
        # As the templates of the official tool have it: the route names neither service nor function.
        "customDomains": [{"domainName": "auto", "protocol": "HTTP", "routeConfigs": [{"path": "/*"}]}],
    }
    write_project(
        workshop,
        {"web": {**PYTHON, "triggers": [http_trigger()]}},
        {"index.py": INDEX},
        domains={
            "site": {"domainName": "auto", "protocol": "HTTP", "routeConfig": routes},
            "www": {"domainName": "www.example.com", "protocol": "HTTP", "routeConfig": routes},
        },
        fc2={"old": old},
    )
    with workshop.started() as running:
        port = running.port
        told = f"  domains: http://domain-site.auto.localhost:{port}/, www.example.com, http://svc-old.auto.localhost:{port}/"
        assert told in running.out.splitlines()[:12]
        status, body, _ = running.http("GET", "/x", headers={"Host": f"svc-old.auto.localhost:{port}"})
        assert (status, body) == (200, "old")
