"""From host and path to a function."""

from __future__ import annotations

import pytest

from emulator.gateway.domains import find_domain, find_route, function_of_host, proxy_target, url_labels
from emulator.model.errors import DomainRouteNotFound
from emulator.model.function import CustomDomain, FunctionName, Route


def _domain(name: str, *paths: str) -> CustomDomain:
    return CustomDomain(name, tuple(Route(path, FunctionName(f"f{i}")) for i, path in enumerate(paths)))


@pytest.mark.parametrize(
    ("path", "name", "qualifier", "base", "rest"),
    [
        (
            "/2016-08-15/proxy/svc/fn/a/b%20c",
            FunctionName("fn", "svc"),
            "LATEST",
            "/2016-08-15/proxy/svc/fn",
            "/a/b%20c",
        ),
        ("/2016-08-15/proxy/svc.prod/fn", FunctionName("fn", "svc"), "prod", "/2016-08-15/proxy/svc.prod/fn", "/"),
        ("/2016-08-15/proxy/svc.1/fn/", FunctionName("fn", "svc"), "1", "/2016-08-15/proxy/svc.1/fn", "/"),
        ("/2016-08-15/proxy/_/fn3/x", FunctionName("fn3"), "LATEST", "/2016-08-15/proxy/_/fn3", "/x"),
        (
            "/2016-08-15/proxy/s%5Fc/f%2Dn/x",
            FunctionName("f-n", "s_c"),
            "LATEST",
            "/2016-08-15/proxy/s%5Fc/f%2Dn",
            "/x",
        ),
    ],
)
def test_proxy_paths(path: str, name: FunctionName, qualifier: str, base: str, rest: str) -> None:
    target = proxy_target(path)
    assert target is not None
    assert (target.name, target.qualifier, target.base_path, target.rest) == (name, qualifier, base, rest)


@pytest.mark.parametrize(
    "path", ["/", "/2016-08-15/proxy/", "/2016-08-15/proxy/svc", "/2016-08-15/proxy//fn", "/2016-08-15/services/a"]
)
def test_other_paths_are_no_proxy_paths(path: str) -> None:
    assert proxy_target(path) is None


def test_functions_by_host() -> None:
    names = [FunctionName("Hello"), FunctionName("a_b"), FunctionName("a-b"), FunctionName("fn", "svc")]
    labels = url_labels(names)
    found = {
        host: function_of_host(host, labels)
        for host in ("hello.localhost", "a-b.localhost", "a-b-2.localhost", "svc-fn.localhost", "x.localhost", "hello")
    }
    assert found == {
        "hello.localhost": names[0],
        "a-b.localhost": names[1],
        "a-b-2.localhost": names[2],
        "svc-fn.localhost": names[3],
        "x.localhost": None,
        "hello": None,
    }


def test_an_exact_domain_wins_over_a_wildcard_whatever_the_order() -> None:
    wildcard, exact = _domain("*.example.com"), _domain("api.example.com")
    for domains in ([wildcard, exact], [exact, wildcard]):
        assert find_domain(domains, "api.example.com") is exact
        assert find_domain(domains, "www.example.com") is wildcard
        assert find_domain(domains, "a.b.example.com") is None
        assert find_domain(domains, "example.com") is None
    assert find_domain([], "localhost") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a", "f2"),
        ("/a/", "f1"),
        ("/a/x", "f1"),
        ("/a/b/c", "f3"),
        ("/a/b/", "f3"),
        ("/a/b", "f1"),
        ("/A", "f0"),
        ("/", "f0"),
    ],
)
def test_routes(path: str, expected: str) -> None:
    domain = _domain("example.com", "/*", "/a/*", "/a", "/a/b/*")
    assert find_route(domain, path).function.name == expected


def test_no_route() -> None:
    with pytest.raises(DomainRouteNotFound) as caught:
        find_route(_domain("example.com", "/a"), "/b")
    assert caught.value.message == "no route found in domain 'example.com' for path '/b'"
    assert caught.value.status == 404
