"""From a revision of a `custom-container` function to a launch: in its image, or without one on the host."""

from __future__ import annotations

import platform
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from emulator.model.errors import ConfigError, UserError
from emulator.model.function import Function, Revision
from emulator.model.image import Copied, Image
from emulator.model.launch import Access, Copy, Launch, Mount, TcpEndpoint
from emulator.model.program import CustomContainer
from emulator.runtime.compose import ComposeRequest, Composition, added, surroundings
from emulator.runtime.debugging import own_debugger
from emulator.runtime.environ import RESERVED_PREFIXES, environment, reserved, set_by_fc
from emulator.runtime.folders import remote_folders
from emulator.runtime.host_paths import Rewriter, without_mounts
from emulator.runtime.spec import RuntimeSpec
from emulator.runtime.start_rules import ALIASES, display
from emulator.runtime.toolbox import Toolbox, program_toolbox
from emulator.runtime.tree import SYSTEM, Tree, is_within

# Where files of an image lie whose own place is the host's, such as /usr/src/app.
ASIDE = "/srv"
_NUMBER = re.compile(r"\d+")
# `python:3.11-slim`, `registry/team/node:20`: which interpreter an image is about.
_BASE = re.compile(r"(?:^|/)(python|node):v?(\d+(?:\.\d+)?)")
ENGINE = "start a container engine (such as `sudo systemctl start docker`), or name one by DOCKER_HOST"


def compose_container(revision: Revision, spec: RuntimeSpec, request: ComposeRequest) -> Composition:
    """Everything that walls need to start one instance of a function's image, or of what its Dockerfile describes.

    Raises `ConfigError` where there is no image, and `UserError` where nothing says how it starts.
    """
    revision, own = own_debugger(revision, request.debug_port)
    function = revision.function
    container = function.custom_container
    if container is None or not container.image:
        raise ConfigError(f"function {function.name} names no image", "set customContainerConfig.image", function.place)
    image = container.resolved or Image(container.image)
    if not function.start_command:
        raise UserError(
            f"nothing says how the image {container.image} of function {function.name} is started",
            "write customContainerConfig.entrypoint, or put its Dockerfile beside the project file; "
            f"to use the image itself: {ENGINE}",
            function.place,
        )
    make = _in_image if image.id else _on_host
    return make(revision, spec, request, container, own)


def _in_image(
    revision: Revision, spec: RuntimeSpec, request: ComposeRequest, container: CustomContainer, own: Sequence[Mount]
) -> Composition:
    """The image's own variables come first, so that its PATH survives; FC's and the user's own win."""
    function, image = revision.function, container.resolved or Image(container.image)
    around = surroundings(request, Toolbox(), request.port or container.port)
    env = {**image.environment, **set_by_fc(revision, spec, around)}
    injected, gpu = added(spec, env, request)
    code = (*_code_mounts(function, request),)
    folders = (*code, *remote_folders(function, request.state_dir))
    launch = Launch(
        argv=function.start_command,
        env=env,
        cwd=image.workdir,
        endpoint=TcpEndpoint(around.port),
        mounts=(*request.through(folders), *injected.mounts, *gpu.mounts, *own),
        links=injected.links,
        devices=gpu.devices,
        image=image.id,
        copies=(*_copies(function, container, code),),
    )
    notices = (
        *_reserved(function),
        *_unknown_sources(launch, function, request),
        *other_processor(image, platform.machine()),
    )
    return Composition(_bounded(launch, function, image, request), notices)


def other_processor(image: Image, machine: str) -> Iterator[str]:
    """A sentence where an image was built for another processor than this `machine` has, in the words of uname."""
    here = ALIASES.get(machine.lower(), machine.lower())
    built_for = ALIASES.get(image.architecture, image.architecture)
    if built_for and built_for != here:
        fc = ", as Function Compute needs" if built_for == "x86_64" else ", and Function Compute runs x86_64"
        yield (
            f"the image {image.reference} is built for {built_for}{fc}, and this machine is {here}: "
            "it is emulated, where qemu-user is set up, and slow"
        )


def _copies(function: Function, container: CustomContainer, code: Sequence[Mount]) -> Iterator[Copy]:
    """What of the image is on the host as well: as the user says, else as its Dockerfile does."""
    told = (*(Copy(it.source.absolute(), it.target) for it in function.source_map),)
    copied = (*(Copy(source.absolute(), target) for source, target in _originals(container)),)
    covered = [*(mount.target for mount in code), *(it.target for it in told)]
    yield from told
    yield from (it for it in copied if not any(is_within(it.target, target) for target in covered))


def _unknown_sources(launch: Launch, function: Function, request: ComposeRequest) -> Iterator[str]:
    for told in function.source_map:
        if not told.source.exists():
            yield f"the folder {told.source} of sourceMap of function {function.name} is not there"
    if request.debug is not None and request.debug.attach and not launch.copies and not function.code_mounts:
        yield (
            f"breakpoints of function {function.name} are not known in its image, which no Dockerfile beside the "
            "project file describes: name the folder that it was made of by `sourceMap` in .fclocal.yaml"
        )


def _on_host(
    revision: Revision, spec: RuntimeSpec, request: ComposeRequest, container: CustomContainer, own: Sequence[Mount]
) -> Composition:
    """What the Dockerfile copies lies where it would in the image; all else is the host's."""
    function, image = revision.function, container.resolved or Image(container.image)
    variables = {k: v for k, v in image.environment.items() if not k.startswith(RESERVED_PREFIXES)}
    function = replace(function, environment={**variables, **function.environment})
    revision = replace(revision, function=function)
    toolbox = program_toolbox(
        revision, _with_versions(spec, container), request.interpreters, variables.get("PATH", "")
    )
    around = surroundings(request, toolbox, request.port or container.port)
    env = environment(revision, spec, around)
    injected, gpu = added(spec, env, request)
    files, aside = _set_aside((*_code_mounts(function, request), *_copied(container, image, request)))
    rewrite = Rewriter(aside)
    seen = (*files, *remote_folders(function, request.state_dir), *toolbox.mounts)
    given = (*injected.mounts, *gpu.mounts, *own)
    launch = Launch(
        argv=tuple(map(rewrite, function.start_command)),
        env={name: rewrite(value) for name, value in env.items()},
        cwd=_cwd(rewrite(image.workdir), files),
        endpoint=TcpEndpoint(around.port),
        mounts=(*seen, *given),
        devices=gpu.devices,
        links=(*toolbox.links, *injected.links),
    )
    _check_program(launch, request, container)
    launch = replace(launch, mounts=(*request.through(seen), *given))
    notices = (*toolbox.notices, *_of_host(container, aside), *_reserved(function))
    launch, lost = (launch, ()) if request.mounts else without_mounts(launch, request.state_dir)
    return Composition(_bounded(launch, function, image, request), notices + lost)


def _bounded(launch: Launch, function: Function, image: Image, request: ComposeRequest) -> Launch:
    """What is the same wherever the files come from."""
    # In its image, the engine heeds USER by itself, which may be a name that is known there alone.
    uid, gid = (0, 0) if launch.image else _numbers(image.user)
    return replace(
        launch,
        hostname=request.instance_id,
        uid=uid,
        gid=gid,
        network=request.network,
        memory_mb=function.memory_mb if request.sized else None,
        cpu=function.cpu if request.sized else None,
        disk_mb=function.disk_mb if request.limits else None,
        display=display(function.start_command),
        debug_port=request.debug_port,
        gpu=request.gpu,
    )


def _set_aside(mounts: Sequence[Mount]) -> tuple[tuple[Mount, ...], Mapping[str, str]]:
    """Mounts whose places are the host's are seen elsewhere: which, and where."""
    aside = {mount.target: f"{ASIDE}{mount.target}" for mount in mounts if _is_hosts(mount.target)}
    return tuple(replace(mount, target=aside.get(mount.target, mount.target)) for mount in mounts), aside


def _of_host(container: CustomContainer, aside: Mapping[str, str]) -> Iterator[str]:
    what = f"its Dockerfile in {container.context} says how" if container.context else "no Dockerfile describes it"
    yield (
        f"the image {container.image} is not used: its command runs on this machine ({what}); what else the image "
        "holds, and what RUN would install, is this machine's own or absent"
    )
    for target, elsewhere in aside.items():
        yield f"{target} is the host's, so what the image has there is seen at {elsewhere}"


def _reserved(function: Function) -> Iterator[str]:
    for name in reserved(function):
        yield f"the variable {name} of function {function.name} is left out: Function Compute reserves such names"


def _numbers(user: str) -> tuple[int, int]:
    """The ids that USER has as numbers; a name is known in the image alone."""
    name, _, group = user.partition(":")
    uid = int(name) if _NUMBER.fullmatch(name) else 0
    return uid, int(group) if _NUMBER.fullmatch(group) else uid


def _code_mounts(function: Function, request: ComposeRequest) -> Iterator[Mount]:
    access = Access.READ if request.strict else Access.OVERLAY
    for mount in function.code_mounts:
        if not mount.source.exists():
            raise ConfigError(
                f"the folder {mount.source} of codeMounts of function {function.name} is not there",
                "correct it in .fclocal.yaml",
            )
        yield Mount((mount.source.absolute(),), mount.target, access if mount.source.is_dir() else Access.READ)


def _copied(container: CustomContainer, image: Image, request: ComposeRequest) -> Iterator[Mount]:
    """The Dockerfile's folder where it is copied to, else at the WORKDIR."""
    if container.context is None:
        return
    access = Access.READ if request.strict else Access.OVERLAY
    copied = tuple(it for it in container.copied if not it.staged)
    container = replace(container, copied=copied or (Copied("", image.workdir),))
    taken: set[str] = set()
    for source, target in _originals(container):
        if target not in taken and target != "/":
            taken.add(target)
            yield Mount((source.absolute(),), target, access if source.is_dir() else Access.READ)


def _originals(container: CustomContainer) -> Iterator[tuple[Path, str]]:
    """Files and folders of the host, and where they were copied to."""
    for copied in container.copied if container.context is not None else ():
        for source in _sources(container.context or Path(), copied.source):
            if not copied.target.endswith("/"):
                yield source, copied.target
            elif source.is_dir():
                yield source, copied.target.rstrip("/")  # COPY of a folder is of what is in it
            else:
                yield source, posixpath.join(copied.target, source.name)


def _sources(context: Path, pattern: str) -> list[Path]:
    if not pattern:
        return [context]
    found = sorted(context.glob(pattern)) if re.search(r"[*?\[]", pattern) else [context / pattern]
    return [path for path in found if path.exists() and path.resolve().is_relative_to(context.resolve())]


def _cwd(workdir: str, files: Sequence[Mount]) -> str:
    """A folder that nothing was copied to is there in the image, but not here."""
    there = any(is_within(workdir, mount.target) or is_within(mount.target, workdir) for mount in files)
    return workdir if there else "/"


def _is_hosts(target: str) -> bool:
    return any(is_within(target, folder) for folder in SYSTEM)


def _with_versions(spec: RuntimeSpec, container: CustomContainer) -> RuntimeSpec:
    """The interpreters as the image is about them: `FROM python:3.11-slim` means Python 3.11."""
    versions = dict(_BASE.findall(container.base or container.image))
    tools = tuple(
        replace(tool, version=versions[tool.command], links=(*tool.links, f"{tool.command}{versions[tool.command]}"))
        if tool.command in versions
        else tool
        for tool in spec.tools
    )
    return replace(spec, tools=tools)


def _check_program(launch: Launch, request: ComposeRequest, container: CustomContainer) -> None:
    name, tree = launch.argv[0], Tree(launch.mounts, launch.links, walled=request.mounts)
    file, certain = tree.search(name, launch.env["PATH"]) if "/" not in name else (tree.host(name), True)
    if certain and (file is None or not file.exists()):
        raise UserError(
            f"`{name}`, which starts the image {container.image}, is not on this machine",
            f"install it; to use the image itself: {ENGINE}",
        )
