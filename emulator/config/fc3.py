"""Props of component fc3 as a `Function` (platform.md §3.2). FC 2 and Fun are brought to this shape first."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct

from emulator.config import bounds, gpu, parts
from emulator.config.checks import nearest
from emulator.config.layers import layer_name, resolve_layer
from emulator.config.paths import OutsideProject, is_inside, links, real
from emulator.config.provisioning import provision
from emulator.config.section import Section, shown
from emulator.config.tree import Scalar, as_text, is_null
from emulator.config.triggers import triggers
from emulator.model import limits
from emulator.model.function import DEFAULT_REGION, Account, Api, BuildStep, Function, FunctionName, Isolation, Layer
from emulator.model.provision import Provision


class Defaults(Struct, frozen=True):
    """What differs between the generations where a key is absent."""

    memory_mb: int = 512
    timeout: float = 3.0


class Context(Struct, frozen=True):
    """What a function is read with: the project's folder, where its layers are, and further runtime ids."""

    root: Path
    state_dir: Path
    extra_runtimes: Collection[str] = ()
    account: Account | None = None


def build_function(
    section: Section,
    context: Context,
    *,
    api: Api = Api.FC3,
    service: str = "",
    defaults: Defaults | None = None,
    build: tuple[BuildStep, ...] = (),
) -> Function | None:
    """The function, or None where it can not be run; the reason is then a problem."""
    name = section.text("functionName").strip()
    runtime = _runtime(section, context)
    why = bounds.name_problem(name) or (bounds.name_problem(service) if service else "")
    if why:
        section.report.drop(f"{why}; this function is left out", section.at("functionName"))
    if why or not runtime:
        return None
    bounds.check_name(section, "functionName", name)
    function = Function(
        name=FunctionName(name, service),
        runtime=runtime,
        api=api,
        handler=section.text("handler"),
        description=section.text("description"),
        region=section.text("region") or DEFAULT_REGION,
        code=code_path(section, "code", context.root),
        environment=_environment(section, api),
        layers=_layers(section, context),
        gpu=gpu.read(section),
        mounts=parts.mounts(section, name),
        triggers=triggers(section),
        async_policy=parts.async_policy(section),
        build=build,
        place=section.at("functionName"),
    )
    for part in (_with_hooks, _with_identity, _with_scaling):
        function = part(function, section)
    function = _with_program(function, section, context.root)
    return _with_size(function, section, defaults or Defaults())


def _runtime(section: Section, context: Context) -> str:
    wanted = section.text("runtime").strip()
    if not wanted and section.has("customContainerConfig"):
        return "custom-container"
    if not wanted:
        known = ", ".join(bounds.RUNTIMES)
        section.report.drop(
            f"no `runtime` is named, so the function is left out; FC has {known}", section.at("runtime")
        )
        return ""
    found = bounds.known_runtime(wanted, context.extra_runtimes)
    if not found:
        near = nearest(wanted, dict.fromkeys((*bounds.RUNTIMES, *context.extra_runtimes)))
        known = f"did you mean `{near}`?" if near else f"FC has {', '.join(bounds.RUNTIMES)}"
        section.report.drop(
            f"runtime '{wanted}' is not supported; the function is left out; {known}", section.at("runtime")
        )
    elif found != wanted:
        section.warn("runtime", f"runtime '{wanted}' is not supported; `{found}` is used")
    return found


def code_path(section: Section, key: str, root: Path) -> Path | None:
    """The real path of the code. Outside of the project's folder it must exist (`code: ../dist`)."""
    group = section.section(key) if not isinstance(section.map.get(key), Scalar) else None
    text = section.text(key) if group is None else group.text("src")
    if text.startswith("oss://") or (group is not None and not text and group.has("ossObjectName")):
        section.warn(key, "code in OSS is not fetched; name a local folder or archive")
        return None
    if not text:
        return None
    try:
        path = real(root, text)
    except OutsideProject:
        section.warn(key, f"{section.name(key)} is no path")
        return None
    section.report.depends(*links(root, text))
    if not is_inside(root, path) and not path.exists():
        section.warn(key, f"{section.name(key)} is `{text}`, which lies outside of the project and does not exist")
        return None
    return path


def _environment(section: Section, api: Api) -> MappingProxyType[str, str]:
    group = section.section("environmentVariables")
    pairs: list[tuple[str, str]] = []
    for key, node in group.map.entries.items():
        if is_null(node):  # a null value is no variable (platform.md §3.1.1)
            continue
        if not isinstance(node, Scalar):
            group.warn(key, f"environment variable `{key}` must be text, not {shown(node)}; it is set to its JSON")
        pairs.append((key, as_text(node)))
    return MappingProxyType(bounds.environment(group, pairs, api is Api.FC2))


def _layers(section: Section, context: Context) -> tuple[Layer, ...]:
    arns = section.texts("layers")
    if len(arns) > limits.MAX_LAYERS:
        section.warn("layers", f"there are {len(arns)} layers, but FC takes {limits.MAX_LAYERS}; the rest is left out")
    layers = tuple(resolve_layer(arn, context.state_dir) for arn in arns[: limits.MAX_LAYERS])
    for layer in layers:
        name, _ = layer_name(layer.arn)
        if not name:
            section.warn("layers", f"`{layer.arn[:80]}` is no ARN of a layer; it is not mounted")
        elif layer.path is None:
            section.warn("layers", f"layer `{layer.arn}` is not here; put its content into .fclocal/layers/{name}")
    return layers


def _log(section: Section, key: str) -> str:
    if isinstance(section.map.get("logConfig"), Scalar):
        return ""
    return section.section("logConfig").text(key)


def _with_size(function: Function, section: Section, defaults: Defaults) -> Function:
    has_gpu = function.gpu is not None
    memory = bounds.memory_mb(section, defaults.memory_mb, *gpu.memory_bounds(function.gpu))
    sized = msgspec.structs.replace(
        function,
        memory_mb=memory,
        cpu=bounds.cpu(section, memory, gpu.most_cores(function.gpu), checked=not has_gpu),
        disk_mb=bounds.disk_mb(section, has_gpu),
        timeout=bounds.within(section, "timeout", 1, limits.MAX_TIMEOUT_SECONDS, defaults.timeout),
    )
    gpu.check(section, sized)
    return sized


def _with_hooks(function: Function, section: Section) -> Function:
    group = section.section("instanceLifecycleConfig")
    return msgspec.structs.replace(
        function,
        initializer=parts.hook(group, "initializer", limits.MAX_INITIALIZER_SECONDS),
        pre_stop=parts.hook(group, "preStop", limits.MAX_PRE_STOP_SECONDS),
        pre_freeze=parts.hook(group, "preFreeze", limits.MAX_PRE_STOP_SECONDS) if function.api is Api.FC2 else None,
    )


def _with_scaling(function: Function, section: Section) -> Function:
    concurrency = bounds.whole_within(section, "instanceConcurrency", 1, limits.MAX_INSTANCE_CONCURRENCY, 1)
    if concurrency > 1 and function.api is Api.FC3 and not function.is_custom:
        section.warn(
            "instanceConcurrency",
            f"`instanceConcurrency` is {concurrency}, but runtime `{function.runtime}` takes one request at a time in"
            " FC 3; 1 is used",
        )
        concurrency = 1
    isolation = parts.isolation(section)
    if concurrency > 1 and isolation is Isolation.REQUEST_EXCLUSIVE:
        section.warn("instanceConcurrency", "`instanceIsolationMode: REQUEST_EXCLUSIVE` forces a concurrency of 1")
        concurrency = 1
    reserved = section.section("concurrencyConfig").whole("reservedConcurrency")
    return msgspec.structs.replace(
        function,
        instance_concurrency=concurrency,
        isolation=isolation,
        session=parts.session(section),
        provisioned=provision(section),
        on_demand=not section.flag("disableOndemand"),
        max_instances=max(0, reserved) if reserved is not None else None,
        idle_timeout=section.number("idleTimeout"),
    )


def _with_identity(function: Function, section: Section) -> Function:
    """Role, log store, user of the process (NAS), and where credentials go (runtime-contract.md §7.3)."""
    word = section.text("disableInjectCredentials").lower()
    if word not in ("", "none", "env", "request", "all"):
        section.warn("disableInjectCredentials", "`disableInjectCredentials` must be None, Env, Request or All")
    nas = None if isinstance(section.map.get("nasConfig"), Scalar) else section.section("nasConfig")
    return msgspec.structs.replace(
        function,
        role=section.text("role"),
        log_project=_log(section, "project"),
        log_store=_log(section, "logstore"),
        inject_credentials_env=word not in ("env", "all") and not section.flag("enableLongLiving"),
        inject_credentials_request=word not in ("request", "all"),
        user_id=bounds.whole_within(nas, "userId", 0, limits.MAX_USER_ID, 0) if nas else 0,
        group_id=bounds.whole_within(nas, "groupId", 0, limits.MAX_USER_ID, 0) if nas else 0,
    )


def _with_container(function: Function, section: Section, root: Path) -> Function:
    """FC takes no code beside an image; where a folder is named, a Dockerfile may lie in it."""
    folders = [function.code] if function.code is not None and function.code.is_dir() else []
    container = parts.custom_container(section, (*folders, root))
    if container is None:
        section.warn("runtime", "runtime `custom-container` needs `customContainerConfig` with an `image`")
    elif not container.web_server_mode:
        # A container that answers nothing has nothing for a second request (docs: "non-web server mode").
        if function.http_trigger is not None:
            section.warn("triggers", "`webServerMode: false` takes events only: FC calls it by no HTTP trigger")
        function = msgspec.structs.replace(
            function, instance_concurrency=1, isolation=Isolation.REQUEST_EXCLUSIVE, provisioned=Provision()
        )
    return msgspec.structs.replace(function, custom_container=container, code=None)


def _with_program(function: Function, section: Section, root: Path) -> Function:
    if function.runtime == "custom-container":
        return _with_container(function, section, root)
    if function.is_custom:
        return msgspec.structs.replace(function, custom_runtime=parts.custom_runtime(section))
    if not function.handler:
        section.warn(
            "runtime", f"function `{function.name}` has no `handler`, which runtime `{function.runtime}` needs"
        )
    if function.code is None and not section.has("code"):
        section.report.warn(f"function `{function.name}` names no `code`", section.at("functionName"))
    return function
