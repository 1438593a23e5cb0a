"""One tree of errors. What a caller of FC sees carries FC's code and HTTP status; what a user of the
command line sees says what happened, where, and one thing to do next.

A function's own failure is not an exception but an `Outcome` (model/invocation.py).
Codes and texts: runtime-contract.md §4, platform.md §2.2.
"""

from __future__ import annotations

from emulator.model.function import Place


class FclocalError(Exception):
    """Base of everything that we raise on purpose."""


class UserError(FclocalError):
    """Something the person at the keyboard can mend. `next_step` is one thing to do."""

    def __init__(self, message: str, next_step: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.place = place

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        step = f"\n  → {self.next_step}" if self.next_step else ""
        return f"{where}{self.message}{step}"


class ConfigError(UserError):
    """The project file, or an option, can not be used as it is."""


class SandboxError(UserError):
    """Walls could not be built."""


class NoEngine(SandboxError):
    """No container engine answers; one may be started at any moment."""


class FCError(FclocalError):
    """An error of FC's API: answered as JSON with this status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class InvalidArgument(FCError):
    def __init__(self, message: str) -> None:
        super().__init__(400, "InvalidArgument", message)


class MissingRequiredHeader(FCError):
    def __init__(self, header: str) -> None:
        super().__init__(400, "MissingRequiredHeader", f"required HTTP header {header} was not specified")


class PathNotSupported(FCError):
    def __init__(self, method: str, path: str) -> None:
        super().__init__(400, "PathNotSupported", f"'{method}' against '{path}' is not supported")


class EntityTooLarge(FCError):
    """FC answers 400 for InvokeFunction (platform.md §2.2)."""

    def __init__(self, limit: int) -> None:
        super().__init__(400, "EntityTooLarge", f"payload size exceeds maximum allowed size ({limit} bytes)")


class AccessDenied(FCError):
    def __init__(self, message: str) -> None:
        super().__init__(403, "AccessDenied", message)


class Unauthorized(FCError):
    """401: a trigger's credentials are missing (status UNCONFIRMED, runtime-contract.md §9.3)."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "AccessDenied", message)


class SignatureNotMatch(FCError):
    def __init__(self) -> None:
        super().__init__(
            403,
            "SignatureNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your access key and signing method",
        )


class InvalidAccessKeyID(FCError):
    def __init__(self, key_id: str) -> None:
        super().__init__(403, "InvalidAccessKeyID", f"invalid access key ID '{key_id}'")


class FunctionNotFound(FCError):
    def __init__(self, function: str, service: str = "") -> None:
        where = f" in service '{service}'" if service else ""
        super().__init__(404, "FunctionNotFound", f"function '{function}' does not exist{where}")


class ServiceNotFound(FCError):
    def __init__(self, service: str) -> None:
        super().__init__(404, "ServiceNotFound", f"service '{service}' does not exist")


class AliasNotFound(FCError):
    def __init__(self, alias: str, function: str) -> None:
        super().__init__(404, "AliasNotFound", f"alias '{alias}' of function '{function}' does not exist")


class VersionNotFound(FCError):
    def __init__(self, version: str, function: str) -> None:
        super().__init__(404, "VersionNotFound", f"version '{version}' of function '{function}' does not exist")


class TriggerNotFound(FCError):
    def __init__(self, function: str, service: str = "") -> None:
        where = f"service '{service}' and function '{function}'" if service else f"function '{function}'"
        super().__init__(404, "TriggerNotFound", f"trigger 'http' does not exist in {where}")


class DomainRouteNotFound(FCError):
    def __init__(self, domain: str, path: str) -> None:
        super().__init__(404, "DomainRouteNotFound", f"no route found in domain '{domain}' for path '{path}'")


class AsyncTaskAlreadyExists(FCError):
    """The code's name is UNCONFIRMED (platform.md §2.2)."""

    def __init__(self, task_id: str) -> None:
        super().__init__(409, "AsyncTaskAlreadyExists", f"async task '{task_id}' already exists")


class FunctionPending(FCError):
    """The image of a custom container is not there yet (runtime-contract.md §1.8)."""

    def __init__(self, name: str, image: str) -> None:
        super().__init__(412, "PreconditionFailed", f"function is pending state: '{name}' waits for its image {image}")


class StartFailed(FCError):
    """The instance of a custom runtime did not come up: 412 (runtime-contract.md §4.3)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(412, code, message)


class PortTaken(StartFailed):
    """Its port belongs to somebody else, and the program did not listen on another one that it was given."""

    def __init__(self, port: int, holder: str, lift: str) -> None:
        self.port = port
        super().__init__(
            "FunctionNotStarted",
            f"port {port} is held by {holder}, and the program does not listen on the port that FC_SERVER_PORT "
            f"names instead. {lift}".rstrip(),
        )


class ResourceExhausted(FCError):
    def __init__(self, message: str) -> None:
        super().__init__(429, "ResourceExhausted", message)


class ResourceThrottled(FCError):
    """There is no card, or part of one, left (platform.md §2.2, §6.3); the sentence is FC's, what follows it ours."""

    def __init__(self, message: str) -> None:
        super().__init__(429, "ResourceThrottled", f"Reserve resource exceeded limit: {message}")


class SessionInvalid(FCError):
    """401 only with `disableSessionIdReuse` (runtime-contract.md §1.6); the code's name is UNCONFIRMED."""

    def __init__(self, session_id: str) -> None:
        super().__init__(401, "InvalidSession", f"session '{session_id}' is invalid or expired")


class ClientClosedRequest(FCError):
    def __init__(self) -> None:
        super().__init__(499, "ClientClosedRequest", "Invocation canceled by client")


class InternalServerError(FCError):
    def __init__(self, message: str) -> None:
        super().__init__(500, "InternalServerError", message)


class BadResponse(FCError):
    def __init__(self, message: str) -> None:
        super().__init__(502, "BadResponse", message)
