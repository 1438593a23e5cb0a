"""From a revision to a launch: what Function Compute would start, with which files, names and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.function import Account, Function, Revision
from emulator.model.gpu import GpuShare
from emulator.model.launch import Endpoint, Launch, Mount, Network, TcpEndpoint, UnixEndpoint
from emulator.runtime.build_steps import missing_products
from emulator.runtime.debugging import DebugLink, own_debugger
from emulator.runtime.environ import BOOTSTRAP_PORT, BOOTSTRAP_SOCKET, SYSTEM_PATH, Surroundings, environment, reserved
from emulator.runtime.folders import Folders, function_folders
from emulator.runtime.gpu import GpuParts, gpu_parts
from emulator.runtime.host_paths import without_mounts
from emulator.runtime.injection import Injection, into_program
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.reads import ReadsLink
from emulator.runtime.spec import RuntimeSpec
from emulator.runtime.start_rules import Start, display, program_start
from emulator.runtime.toml_table import fill
from emulator.runtime.toolbox import HOME_DIR, Toolbox, bootstrap_toolbox, image_toolbox, program_toolbox
from emulator.runtime.tree import CODE, Tree

Through = Callable[[Sequence[Mount]], tuple[Mount, ...]]


def _as_they_are(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return tuple(mounts)


class ComposeRequest(Struct, frozen=True):
    """What a launch needs beside its revision.

    `mounts` says whether the walls can mount, `overlays` whether several folders can merge in one mount, `inherits`
    whether they hand a listening socket to a bootstrap, `shares_sockets` whether one can be shown to it. `port`
    overrides a custom runtime's own, `limits` says whether memory, CPU and disk are bounded. `state_dir` is the
    `.fclocal` folder; layers are merged there, and NAS and OSS live there. `debug` is where the instance dials us,
    `debug_port` where a debugger of its own listens, `gpu` what it holds of the machine's cards, `reads` where it
    notes which files it reads. `through` says where folders of the function and of interpreters are seen, which may be
    a view of them.
    """

    instance_id: str
    account: Account
    state_dir: Path
    interpreters: Interpreters
    strict: bool = False
    mounts: bool = True
    overlays: bool = True
    inherits: bool = True
    shares_sockets: bool = True
    network: Network = Network.HOST
    port: int | None = None
    limits: bool = True
    debug: DebugLink | None = None
    debug_port: int | None = None
    gpu: GpuShare | None = None
    through: Through = _as_they_are
    reads: ReadsLink | None = None

    @property
    def sized(self) -> bool:
        """Whether memory and CPU are bounded: a debugger for compiled programs takes more than most functions have."""
        return self.limits and self.debug_port is None


class Composition(Struct, frozen=True):
    """The launch, and what the user should be told of it: each a full sentence, in order."""

    launch: Launch
    notices: tuple[str, ...] = ()


def compose(revision: Revision, spec: RuntimeSpec, request: ComposeRequest) -> Composition:
    """Everything that walls need to start one instance of `revision`.

    Raises `ConfigError` (no code), `UserError` (no interpreter) and `StartFailed` (a custom runtime's program that
    can not start, with FC's own text).
    """
    revision, own = own_debugger(revision, request.debug_port)
    function = revision.function
    folders = function_folders(revision, request.state_dir, strict=request.strict, overlays=request.overlays)
    toolbox = _toolbox(revision, spec, request)
    port = request.port or function.custom_runtime.port
    env = environment(revision, spec, surroundings(request, toolbox, port))
    injected, gpu = added(spec, env, request)
    seen, beside = (*folders.mounts, *toolbox.mounts), (*injected.mounts, *gpu.mounts, *own)
    image = function.image.id if function.image is not None else ""
    tree = Tree((*seen, *beside), (*toolbox.links, *injected.links), walled=request.mounts, system=not image)
    start = program_start(function, tree, env["PATH"]) if spec.is_program else _bootstrap_start(function, spec)
    launch = Launch(
        argv=start.argv,
        env=env,
        cwd=CODE,
        endpoint=_endpoint(spec, port, request),
        mounts=(*request.through(seen), *beside),
        links=tree.links,
        hostname=request.instance_id,
        uid=function.user_id,
        gid=function.group_id,
        network=request.network,
        memory_mb=function.memory_mb if request.sized else None,
        cpu=function.cpu if request.sized else None,
        disk_mb=function.disk_mb if request.limits else None,
        devices=gpu.devices,
        gpu=request.gpu,
        display=display(function.start_command if spec.is_program else start.argv),
        debug_port=request.debug_port,
        image=image,
    )
    notices = tuple(_notices(revision, spec, folders, toolbox, start))
    launch, lost = (launch, ()) if request.mounts else without_mounts(launch, request.state_dir)
    return Composition(launch, notices + lost)


def added(spec: RuntimeSpec, env: dict[str, str], request: ComposeRequest) -> tuple[Injection, GpuParts]:
    """What an instance is given beside its function: for its debugger, of cards, and to be measured. Adds their
    variables to `env`."""
    injected = debugged(spec, env, request.debug)
    env.update(injected.env)
    gpu = gpu_parts(request.gpu, env, walled=request.mounts)
    env.update(gpu.env)
    if request.reads is not None:
        env.update(request.reads.env(env))
        injected = replace(injected, mounts=(*injected.mounts, *request.reads.mounts))
    return injected, gpu


def debugged(spec: RuntimeSpec, env: Mapping[str, str], debug: DebugLink | None) -> Injection:
    """A bootstrap has a control channel; a program is given something only where the debugger asks for it."""
    if debug is None:
        return Injection()
    if spec.is_program:
        return into_program(env, debug)
    return Injection(debug.env, tuple(debug.mounts), tuple(debug.links))


def _toolbox(revision: Revision, spec: RuntimeSpec, request: ComposeRequest) -> Toolbox:
    if revision.function.image is not None:
        return image_toolbox(spec)
    if not spec.is_program:
        return bootstrap_toolbox(spec, request.interpreters)
    path = revision.function.environment.get("PATH", ":".join(SYSTEM_PATH))
    return program_toolbox(revision, spec, request.interpreters, path)


def surroundings(request: ComposeRequest, toolbox: Toolbox, port: int) -> Surroundings:
    """What the environment of an instance that listens on `port` is made of, beside its revision."""
    return Surroundings(
        account=request.account,
        instance_id=request.instance_id,
        port=port,
        tools=toolbox.directory,
        own_root=request.mounts,
        endpoint=_listens_on(request),
        debug_port=request.debug_port,
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


def _listens_on(request: ComposeRequest) -> str:
    """Where a bootstrap listens, as it is told."""
    if not request.shares_sockets:
        return f"tcp:{BOOTSTRAP_PORT}"
    return "fd:3" if request.inherits else f"unix:{BOOTSTRAP_SOCKET}"


def _endpoint(spec: RuntimeSpec, port: int, request: ComposeRequest) -> Endpoint:
    if spec.is_program:
        return TcpEndpoint(port)
    return UnixEndpoint(BOOTSTRAP_SOCKET) if request.shares_sockets else TcpEndpoint(BOOTSTRAP_PORT)


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
