"""FC's limits on HTTP heads and bodies (runtime-contract.md §3.7)."""

from __future__ import annotations

from emulator.instance.protocol import header_bytes
from emulator.model.errors import AccessDenied, BadResponse, InvalidArgument
from emulator.model.function import Trigger
from emulator.model.invocation import Headers
from emulator.model.limits import REQUEST_HEADER_BYTES, REQUEST_TARGET_BYTES, RESPONSE_HEADER_BYTES


def check_request_head(target: bytes, headers: Headers) -> None:
    """Raises `InvalidArgument` where the target (path and query) or the headers are too large."""
    if len(target) > REQUEST_TARGET_BYTES:
        raise InvalidArgument(f"the request path and query exceed the limit of {REQUEST_TARGET_BYTES} bytes")
    if header_bytes(headers) > REQUEST_HEADER_BYTES:
        raise InvalidArgument(f"the request headers exceed the limit of {REQUEST_HEADER_BYTES} bytes")


def body_too_large(limit: int) -> InvalidArgument:
    """What an HTTP trigger answers; InvokeFunction has `EntityTooLarge`."""
    return InvalidArgument(f"the request body exceeds the limit of {limit} bytes")


def check_response_headers(headers: Headers) -> None:
    """Raises `BadResponse` (502) where a function's headers are too large."""
    if header_bytes(headers) > RESPONSE_HEADER_BYTES:
        raise BadResponse(f"the response headers exceed the limit of {RESPONSE_HEADER_BYTES} bytes")


def check_default_url(trigger: Trigger, by_domain: bool) -> None:
    """Raises 403 for a trigger with `disableURLInternet`, which only a custom domain still reaches."""
    if not by_domain and str(trigger.config.get("disableURLInternet", "")).lower() == "true":
        raise AccessDenied("access denied due to function internet URL is disable")


def check_method(trigger: Trigger, method: str, route_methods: tuple[str, ...] = ()) -> None:
    """Raises 403 for a method that the trigger, or the route of a custom domain, does not list."""
    if method not in trigger.methods or (route_methods and method not in route_methods):
        raise AccessDenied(f"method '{method}' is not allowed by trigger '{trigger.name}'")
