"""Groups of fc3 props as the model's dataclasses: hooks, programs, health checks, mounts, sessions, async policy."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from emulator.config import bounds
from emulator.config.dockerfile import DOCKERFILE
from emulator.config.section import Section
from emulator.config.tree import Scalar
from emulator.model import limits
from emulator.model.function import Affinity, AsyncPolicy, Hook, Isolation, MountKind, RemoteMount, SessionPolicy
from emulator.model.program import CustomContainer, CustomRuntime, HealthCheck

# About FC's own registry and its cache of images
MEANINGLESS = ("accelerationType", "acrInstanceId", "acrInstanceID", "instanceID", "registryConfig")


def hook(section: Section, key: str, most: float) -> Hook | None:
    """A lifecycle hook, or None where it is absent or switched off by an empty handler (runtime-contract.md §1.3)."""
    group = section.section(key)
    handler, command = group.text("handler"), group.words("command")
    if command and key != "initializer":
        group.warn("command", f"{group.name('command')}: FC knows a command for `initializer` only; it is ignored")
        command = ()
    if handler and command:
        group.warn("command", f"`{group.path}` has a handler and a command, which FC refuses; the handler is used")
        command = ()
    if not handler and not command:
        return None
    timeout = bounds.within(group, "timeout", 1, most, limits.HOOK_TIMEOUT_SECONDS)
    return Hook(handler, timeout, command)


def health_check(section: Section) -> HealthCheck | None:
    """`healthCheckConfig`, with the ranges of runtime-contract.md §1.7."""
    group = section.section("healthCheckConfig")
    url = group.text("httpGetUrl")
    if not url:
        return None
    if not url.startswith("/"):
        group.warn("httpGetUrl", f"`httpGetUrl` must start with `/`; `/{url}` is used")
        url = f"/{url}"
    return HealthCheck(
        url=url,
        initial_delay=bounds.within(group, "initialDelaySeconds", 0, 120, 0),
        period=bounds.within(group, "periodSeconds", 1, 120, 3),
        timeout=bounds.within(group, "timeoutSeconds", 1, 3, 1),
        failure_threshold=bounds.whole_within(group, "failureThreshold", 1, 120, 3),
        success_threshold=bounds.whole_within(group, "successThreshold", 1, 120, 1),
    )


def custom_runtime(section: Section) -> CustomRuntime:
    group = section.section("customRuntimeConfig")
    return CustomRuntime(
        command=group.words("command"),
        args=group.words("args"),
        port=bounds.whole_within(group, "port", 1, 65535, 9000),
        health_check=health_check(group),
    )


def custom_container(section: Section, folders: Sequence[Path]) -> CustomContainer | None:
    """`customContainerConfig`; the first of `folders` with a Dockerfile is where the image comes from."""
    if not section.has("customContainerConfig"):
        return None
    group = section.section("customContainerConfig")
    if not group.text("image"):
        section.warn("customContainerConfig", "`customContainerConfig` names no `image`")
    if meaningless := [key for key in MEANINGLESS if group.has(key)]:
        names = ", ".join(f"`{key}`" for key in meaningless)
        group.warn(meaningless[0], f"{names} of `customContainerConfig` changes nothing here: images come from Docker")
    dockerfiles = [folder / DOCKERFILE for folder in folders]
    context = next((file.parent for file in dockerfiles if file.is_file()), None)
    if context is None:
        section.report.depends(*dockerfiles)
    return CustomContainer(
        image=group.text("image"),
        entrypoint=group.words("entrypoint"),
        command=group.words("command"),
        port=bounds.whole_within(group, "port", 1, 65535, 9000),
        web_server_mode=group.flag("webServerMode", True),
        health_check=health_check(group),
        context=context,
    )


def mounts(section: Section, function_name: str) -> tuple[RemoteMount, ...]:
    """NAS and OSS mounts; those that FC would refuse to mount are told and left out."""
    return (*_nas(section, function_name), *_oss(section))


def _nas(section: Section, function_name: str) -> list[RemoteMount]:
    if _is_text(section, "nasConfig") and section.text("nasConfig").lower() == "auto":
        # The official component makes <nas>:/<function> and mounts it here
        return [RemoteMount(MountKind.NAS, f"auto:/{function_name}", f"/mnt/{function_name}")]
    found: list[RemoteMount] = []
    for point in section.section("nasConfig").sections("mountPoints"):
        target = _target(point, limits.NAS_TARGETS)
        if target:
            found.append(RemoteMount(MountKind.NAS, point.text("serverAddr"), target))
    return _at_most(section, "nasConfig", found)


def _oss(section: Section) -> list[RemoteMount]:
    if _is_text(section, "ossMountConfig"):
        section.warn("ossMountConfig", "`ossMountConfig: auto` names no folder, so nothing is mounted here")
        return []
    found: list[RemoteMount] = []
    for point in section.section("ossMountConfig").sections("mountPoints"):
        target = _target(point, limits.OSS_TARGETS)
        if target:
            remote = f"{point.text('bucketName')}:{point.text('bucketPath', '/')}"
            found.append(RemoteMount(MountKind.OSS, remote, target, point.flag("readOnly")))
    return _at_most(section, "ossMountConfig", found)


def _is_text(section: Section, key: str) -> bool:
    node = section.map.get(key)
    return isinstance(node, Scalar) and bool(node.text)


def _target(point: Section, allowed: tuple[str, ...]) -> str:
    written = point.text("mountDir")
    target = posixpath.normpath(f"/{written.lstrip('/')}")
    if written.startswith("/") and any(target.startswith(f"{top}/") for top in allowed):
        return target
    point.warn("mountDir", f"`mountDir` is `{written}`, but FC mounts only below {', '.join(allowed)}; it is left out")
    return ""


def _at_most(section: Section, key: str, found: list[RemoteMount]) -> list[RemoteMount]:
    if len(found) > limits.MAX_MOUNTS:
        section.warn(key, f"`{key}` has {len(found)} mounts, but FC takes {limits.MAX_MOUNTS}; the rest is left out")
    return found[: limits.MAX_MOUNTS]


def session(section: Section) -> SessionPolicy | None:
    """`sessionAffinity` and its settings (runtime-contract.md §1.6)."""
    word = section.text("sessionAffinity").strip().upper()
    if not word or word == Affinity.NONE.name:
        return None
    if word not in Affinity.__members__:
        section.warn("sessionAffinity", f"`sessionAffinity` is `{word}`; FC has {', '.join(Affinity.__members__)}")
        return None
    group = section.section("sessionAffinityConfig")
    header = group.text("affinityHeaderFieldName")
    if word == Affinity.HEADER_FIELD.name and not header:
        section.warn(
            "sessionAffinity", "`HEADER_FIELD` needs `affinityHeaderFieldName`; there is no affinity without it"
        )
        return None
    return SessionPolicy(
        affinity=Affinity[word],
        header=header.lower(),
        sse_path=group.text("sseEndpointPath", "/sse"),
        sessions_per_instance=bounds.whole_within(group, "sessionConcurrencyPerInstance", 1, limits.SESSION_SLOTS, 20),
        ttl=bounds.within(group, "sessionTTLInSeconds", 1, 86400, 21600),
        idle_timeout=bounds.within(group, "sessionIdleTimeoutInSeconds", 0, 86400, 1800),
        disable_id_reuse=group.flag("disableSessionIdReuse"),
    )


def isolation(section: Section) -> Isolation:
    word = section.text("instanceIsolationMode").strip().upper()
    if word in Isolation.__members__:
        return Isolation[word]
    if word:
        section.warn(
            "instanceIsolationMode", f"`instanceIsolationMode` is `{word}`; FC has {', '.join(Isolation.__members__)}"
        )
    return Isolation.SHARE


def async_policy(section: Section) -> AsyncPolicy:
    group = section.section("asyncInvokeConfig")
    where = group.section("destinationConfig")
    return AsyncPolicy(
        max_retries=bounds.whole_within(group, "maxAsyncRetryAttempts", 0, limits.MAX_ASYNC_RETRIES, 3),
        max_age=bounds.within(group, "maxAsyncEventAgeInSeconds", 1, limits.MAX_ASYNC_AGE_SECONDS, 86400),
        task=group.flag("asyncTask"),
        on_success=where.section("onSuccess").text("destination"),
        on_failure=where.section("onFailure").text("destination"),
    )
