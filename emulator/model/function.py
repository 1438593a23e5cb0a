"""What a project declares: functions in FC 3 shape, their triggers, and the revisions made of them.

Sizes are MB as in FC's API, durations are seconds. FC 2 services are a part of the function's name
(FC's own migration names a function `service$function`, platform.md §1.4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from emulator.model.image import Image
from emulator.model.launch import WallsKind
from emulator.model.program import CodeMount, CustomContainer, CustomRuntime, DapServer
from emulator.model.provision import Provision
from emulator.model.schedules import Cron, Every

LATEST = "LATEST"
DEFAULT_REGION = "cn-hangzhou"
EMPTY: Mapping[str, Any] = MappingProxyType({})


class Api(Enum):
    """Which generation of FC declared the function: it decides handler shapes, hooks and error bodies."""

    FC2 = "fc2"
    FC3 = "fc3"


class Place(Struct, frozen=True):
    """Where something was written, for messages: `s.yaml:12`."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class FunctionName(Struct, frozen=True, order=True):
    """A function's name; `service` is set for FC 2 only. `str()` is FC's `service$function` form."""

    name: str
    service: str = ""

    def __str__(self) -> str:
        return f"{self.service}${self.name}" if self.service else self.name

    @classmethod
    def parse(cls, text: str) -> FunctionName:
        """Read `function`, `service$function` or `service/function`."""
        for mark in ("$", "/"):
            service, found, name = text.partition(mark)
            if found:
                return cls(name, service)
        return cls(text)

    @property
    def label(self) -> str:
        """The DNS label of `http://<label>.localhost`: lower case, only `[a-z0-9-]`."""
        text = f"{self.service}-{self.name}" if self.service else self.name
        return "".join(c if c.isalnum() and c.isascii() else "-" for c in text.lower()).strip("-") or "function"


class Hook(Struct, frozen=True):
    """An instance lifecycle hook: a handler, or (FC 3 initializer only) a command run inside the instance."""

    handler: str = ""
    timeout: float = 3.0
    command: tuple[str, ...] = ()


class Gpu(Struct, frozen=True):
    """`gpuConfig`: `type` is one of `gpu_types.GPU_TYPES`, `memory_mb` that of whole cards or of a slice of one."""

    type: str
    memory_mb: int


class MountKind(Enum):
    NAS = "nas"
    OSS = "oss"


class RemoteMount(Struct, frozen=True):
    """A NAS or OSS mount: `remote` names what FC would mount, `target` is the path in the instance."""

    kind: MountKind
    remote: str
    target: str
    read_only: bool = False


class Layer(Struct, frozen=True):
    """A layer by ARN, and the local folder or archive that stands for it (None: not found locally)."""

    arn: str
    path: Path | None = None


class TriggerType(Enum):
    HTTP = "http"
    TIMER = "timer"
    OSS = "oss"
    LOG = "log"
    MNS_TOPIC = "mns_topic"
    TABLESTORE = "tablestore"
    CDN = "cdn_events"
    EVENTBRIDGE = "eventbridge"
    RDS = "rds"


HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")


class Trigger(Struct, frozen=True):
    """A trigger; `config` is the API's triggerConfig as an object (`authConfig` parsed, if it was a string).

    `source_arn` names what causes it (`acs:oss:<region>:<account>:<bucket>`), where that was declared. `schedule` is
    that of a timer which is enabled, and whose expression is one.
    """

    name: str
    type: TriggerType
    config: Mapping[str, Any] = EMPTY
    qualifier: str = LATEST
    place: Place | None = None
    source_arn: str = ""
    schedule: Every | Cron | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.config.get("methods") or HTTP_METHODS)

    @property
    def auth_type(self) -> str:
        """`anonymous`, `function`, `jwt`, `bearer` or `basic`; FC's API default is `function`."""
        return str(self.config.get("authType") or "function").lower()


class Affinity(Enum):
    """`sessionAffinity` (runtime-contract.md §1.6)."""

    NONE = "NONE"
    GENERATED_COOKIE = "GENERATED_COOKIE"
    HEADER_FIELD = "HEADER_FIELD"
    MCP_SSE = "MCP_SSE"
    MCP_STREAMABLE = "MCP_STREAMABLE"


class SessionPolicy(Struct, frozen=True):
    affinity: Affinity
    header: str = ""
    sse_path: str = "/sse"
    sessions_per_instance: int = 20
    ttl: float = 21600.0
    idle_timeout: float = 1800.0
    disable_id_reuse: bool = False


class Isolation(Enum):
    SHARE = "SHARE"
    SESSION_EXCLUSIVE = "SESSION_EXCLUSIVE"
    REQUEST_EXCLUSIVE = "REQUEST_EXCLUSIVE"


class AsyncPolicy(Struct, frozen=True):
    """`asyncInvokeConfig` (platform.md §5)."""

    max_retries: int = 3
    max_age: float = 86400.0
    task: bool = False
    on_success: str = ""
    on_failure: str = ""


class BuildStep(Struct, frozen=True):
    """One `actions: pre-deploy` item: a command and the folder it runs in. Not run unless asked.

    `by_manifest`: it is `s build` or its like, and stands for what the manifests beside the code ask for.
    """

    run: str
    path: Path
    allow_failure: bool = False
    place: Place | None = None
    by_manifest: bool = False


class Function(Struct, frozen=True):
    """Everything a project says of one function. `code` is a folder, or an archive that is unpacked once.

    `keep` is the settings' word: names of globals that instances keep when the code changes, none of them for all that
    the change does not touch; None where such instances are replaced. `lazy` are
    modules that are loaded at their first use, to see what that would bring. `image` is what a built-in runtime has
    beside the code, where that is not this machine's. `debugger` is a word of the settings, too.
    """

    name: FunctionName
    runtime: str
    api: Api = Api.FC3
    handler: str = ""
    description: str = ""
    region: str = DEFAULT_REGION
    code: Path | None = None
    memory_mb: int = 512
    cpu: float = 0.35
    disk_mb: int = 512
    timeout: float = 3.0
    instance_concurrency: int = 1
    environment: Mapping[str, str] = EMPTY
    layers: tuple[Layer, ...] = ()
    initializer: Hook | None = None
    pre_stop: Hook | None = None
    pre_freeze: Hook | None = None
    custom_runtime: CustomRuntime = CustomRuntime()
    custom_container: CustomContainer | None = None
    code_mounts: tuple[CodeMount, ...] = ()
    source_map: tuple[CodeMount, ...] = ()
    image: Image | None = None
    gpu: Gpu | None = None
    user_id: int = 0
    group_id: int = 0
    mounts: tuple[RemoteMount, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    session: SessionPolicy | None = None
    isolation: Isolation = Isolation.SHARE
    provisioned: Provision = Provision()
    on_demand: bool = True
    max_instances: int | None = None
    idle_timeout: float | None = None
    async_policy: AsyncPolicy = AsyncPolicy()
    inject_credentials_env: bool = True
    inject_credentials_request: bool = True
    log_project: str = ""
    log_store: str = ""
    role: str = ""
    build: tuple[BuildStep, ...] = ()
    keep: tuple[str, ...] | None = None
    lazy: tuple[str, ...] = ()
    debugger: DapServer | None = None
    walls: WallsKind = WallsKind.PROCESS
    place: Place | None = None

    @property
    def http_trigger(self) -> Trigger | None:
        return next((t for t in self.triggers if t.type is TriggerType.HTTP), None)

    @property
    def is_custom(self) -> bool:
        """True where the user's own web server is the instance (`custom*`, `custom-container`)."""
        return self.runtime.startswith("custom")

    @property
    def in_image(self) -> bool:
        """Whether the files of an image are around it, and not those of this machine."""
        container = self.custom_container
        image = self.image if container is None else container.resolved
        return image is not None and bool(image.id)

    @property
    def program(self) -> CustomRuntime | CustomContainer:
        """The user's own web server, where that is the instance."""
        return self.custom_container or self.custom_runtime

    @property
    def is_one_shot(self) -> bool:
        """True where each event has a program of its own, which is no server."""
        return self.custom_container is not None and not self.custom_container.web_server_mode

    @property
    def start_command(self) -> tuple[str, ...]:
        """Command and arguments of a custom runtime as FC starts it (runtime-contract.md §3.1), or those of its
        debugger."""
        if self.debugger is not None and self.debugger.command:
            return self.debugger.command
        if self.custom_container is not None:
            return self.custom_container.start_command
        return (self.custom_runtime.command + self.custom_runtime.args) or ("/code/bootstrap",)


class RewriteRule(Struct, frozen=True):
    """One rewrite of a domain route; `kind` is `exact`, `wildcard` or `regex` (platform.md §8)."""

    kind: str
    match: str
    replacement: str


class Route(Struct, frozen=True):
    path: str
    function: FunctionName
    qualifier: str = LATEST
    methods: tuple[str, ...] = ()
    rewrites: tuple[RewriteRule, ...] = ()


class CustomDomain(Struct, frozen=True):
    name: str
    routes: tuple[Route, ...]
    auth: Mapping[str, Any] = EMPTY
    place: Place | None = None


class Problem(Struct, frozen=True):
    """Something the user should know about the project file: a warning with its place and the next step."""

    message: str
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class Project(Struct, frozen=True):
    """A project as read from its file. `root` is the folder that relative paths start from.

    `sources` are the files it was read from, or would be if they were there, and links that lead to code. `left_out`
    are the problems for which something that was declared is not among the functions.
    """

    root: Path
    file: Path | None
    functions: tuple[Function, ...]
    domains: tuple[CustomDomain, ...] = ()
    problems: tuple[Problem, ...] = ()
    sources: tuple[Path, ...] = ()
    left_out: tuple[Problem, ...] = ()

    @property
    def region(self) -> str:
        """Of all of them, as far as anybody asks."""
        return next((function.region for function in self.functions), DEFAULT_REGION)

    @property
    def longest_timeout(self) -> float:
        return max((function.timeout for function in self.functions), default=0.0)

    def function(self, name: str) -> Function | None:
        """Find by FC name, `service/function`, or bare function name when that is unique."""
        wanted = FunctionName.parse(name)
        exact = [f for f in self.functions if f.name == wanted]
        bare = [f for f in self.functions if f.name.name == name]
        found = exact or bare
        return found[0] if len(found) == 1 else None


class Revision(Struct, frozen=True, eq=False):
    """One immutable deployment of a function: its declaration and the fingerprint of its code.

    Two revisions are never the same one, so they compare and hash by identity.
    `number` grows by one with each deploy of the same function. `code_dir` and the function's layers are folders,
    also where the declaration named archives. `checksum` is CRC-64/ECMA-182 of the code in decimal, as FC reports it.
    `alone`: a copy of a deployed one, for a cold start that is forced. What it asks for is given a spawned instance,
    whatever else is there, and that serves nobody else.
    """

    function: Function
    number: int
    fingerprint: str
    code_dir: Path | None
    checksum: str = ""
    version_id: str = ""
    alone: bool = False

    def __str__(self) -> str:
        return f"{self.function.name}@r{self.number}"


class Account(Struct, frozen=True):
    """Whose functions these are: shown to functions and in ARNs, never used to reach the cloud."""

    account_id: str = "123456789"
    region: str = DEFAULT_REGION
    access_key_id: str = "local-access-key-id"
    access_key_secret: str = "local-access-key-secret"  # noqa: S105 - nobody's
    security_token: str = "local-security-token"  # noqa: S105

    def __repr__(self) -> str:
        # Keys are secrets, and a repr may land in a log.
        return f"<Account {self.account_id} {self.region}>"
