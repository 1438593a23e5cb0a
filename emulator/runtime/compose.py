"""From a revision to a launch: what Function Compute would start, with which files, names and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.model.function import Account, Function, Revision
from emulator.model.launch import Endpoint, Launch, Network, TcpEndpoint, UnixEndpoint
from emulator.runtime.build_steps import missing_products
from emulator.runtime.environ import SYSTEM_PATH, Surroundings, environment, reserved
from emulator.runtime.folders import Folders, function_folders
from emulator.runtime.host_paths import without_mounts
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import RuntimeSpec
from emulator.runtime.start_rules import Start, display, program_start
from emulator.runtime.toml_table import fill
from emulator.runtime.toolbox import HOME_DIR, Toolbox, bootstrap_toolbox, program_toolbox
from emulator.runtime.tree import CODE, Tree

BOOTSTRAP_SOCKET = "/run/fclocal/w.sock"


@dataclass(frozen=True, slots=True)
class ComposeRequest:
    """What a launch needs beside its revision.

    `mounts` says whether the walls can mount, `overlays` whether several folders can merge in one mount, `port`
    overrides a custom runtime's own, `limits` says whether memory, CPU and disk are bounded. `state_dir` is the
    `.fclocal` folder; layers are merged and NAS and OSS live there.
    """

    instance_id: str
    account: Account
    state_dir: Path
    interpreters: Interpreters
    strict: bool = False
    mounts: bool = True
    overlays: bool = True
    network: Network = Network.HOST
    port: int | None = None
    limits: bool = True


@dataclass(frozen=True, slots=True)
class Composition:
    """The launch, and what the user should be told of it: each a full sentence, in order."""

    launch: Launch
    notices: tuple[str, ...] = ()


def compose(revision: Revision, spec: RuntimeSpec, request: ComposeRequest) -> Composition:
    """Everything that walls need to start one instance of `revision`.

    Raises `ConfigError` (no code), `UserError` (no interpreter) and `StartFailed` (a custom runtime's program that
    can not start, with FC's own text).
    """
    function = revision.function
    folders = function_folders(revision, request.state_dir, strict=request.strict, overlays=request.overlays)
    toolbox = _toolbox(revision, spec, request)
    port = request.port or function.custom_runtime.port
    env = environment(revision, spec, _surroundings(request, toolbox, port))
    tree = Tree((*folders.mounts, *toolbox.mounts), toolbox.links, walled=request.mounts)
    start = program_start(function, tree, env["PATH"]) if spec.is_program else _bootstrap_start(function, spec)
    launch = Launch(
        argv=start.argv,
        env=env,
        cwd=CODE,
        endpoint=_endpoint(spec, port),
        mounts=tree.mounts,
        links=tree.links,
        hostname=request.instance_id,
        uid=function.user_id,
        gid=function.group_id,
        network=request.network,
        memory_mb=function.memory_mb if request.limits else None,
        cpu=function.cpu if request.limits else None,
        disk_mb=function.disk_mb if request.limits else None,
        display=display(function.start_command if spec.is_program else start.argv),
    )
    notices = tuple(_notices(revision, spec, folders, toolbox, start))
    if request.mounts:
        return Composition(launch, notices)
    launch, lost = without_mounts(launch, request.state_dir)
    return Composition(launch, notices + lost)


def _toolbox(revision: Revision, spec: RuntimeSpec, request: ComposeRequest) -> Toolbox:
    if not spec.is_program:
        return bootstrap_toolbox(spec, request.interpreters)
    path = revision.function.environment.get("PATH", ":".join(SYSTEM_PATH))
    return program_toolbox(revision, spec, request.interpreters, path)


def _surroundings(request: ComposeRequest, toolbox: Toolbox, port: int) -> Surroundings:
    return Surroundings(
        account=request.account,
        instance_id=request.instance_id,
        port=port,
        tools=toolbox.directory,
        own_root=request.mounts,
    )


def _bootstrap_start(function: Function, spec: RuntimeSpec) -> Start:
    interpreter = spec.interpreter
    if interpreter is None:
        return Start(())
    fields = {
        "interpreter": f"{interpreter.lang_dir}/{interpreter.links[0]}",
        "home": f"{HOME_DIR}/{spec.id}",
        "id": spec.id,
        "version": spec.version,
        "memory_mb": str(function.memory_mb),
        "heap_mb": str(function.memory_mb * 9 // 10),  # runtime-contract.md §2.3
    }
    return Start(tuple(fill(word, fields) for word in interpreter.argv))


def _endpoint(spec: RuntimeSpec, port: int) -> Endpoint:
    return TcpEndpoint(port) if spec.is_program else UnixEndpoint(BOOTSTRAP_SOCKET)


def _notices(revision: Revision, spec: RuntimeSpec, folders: Folders, toolbox: Toolbox, start: Start) -> Iterator[str]:
    function = revision.function
    yield from folders.notices
    yield from toolbox.notices
    yield from start.notices
    for name in reserved(function):
        yield f"the variable {name} of function {function.name} is left out: Function Compute reserves such names"
    missed = missing_products(function, spec, revision.code_dir) if revision.code_dir else None
    if missed:
        yield missed
