"""The environment variables of an instance, exactly those that FC sets (runtime-contract.md §7.3, §7.4)."""

from __future__ import annotations

from msgspec import Struct

from emulator.model.function import LATEST, Account, Api, Function, Revision
from emulator.runtime.bundled import bundled_json
from emulator.runtime.spec import RuntimeSpec
from emulator.runtime.tree import LAYERS

CODE_PATH = "/code/"
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
LIBRARY_PATH = ("/code", "/code/lib", "/usr/local/lib", "/opt/lib")
# Both as printed by `env` in real instances. A user id other than root's may write to /tmp only (§7.1).
ROOT_HOME = "/root"
OTHER_HOME = "/tmp"  # noqa: S108 - a path inside the walls
LANG = "C.UTF-8"
# Where a bootstrap listens that is handed no socket, and where none can be shared (docs/bootstrap-protocol.md).
BOOTSTRAP_SOCKET = "/run/fclocal/w.sock"
BOOTSTRAP_PORT = 9000
# §7.3: the last release of FC's images that calls a built-in runtime's version FC_VER_ID.
LAST_DEBIAN_WITH_VER_ID = 10
# Tells a program where its debugger is to listen.
DAP_PORT = "FCLOCAL_DAP_PORT"
RESERVED_PREFIXES = ("FC_", "FCLOCAL_")
RESERVED_FC2 = frozenset({"accessKeyID", "accessKeySecret", "securityToken"})


class Surroundings(Struct, frozen=True):
    """What an instance's environment needs beside its revision.

    `port` is where a program listens. `tools` is a folder, as seen inside, with the interpreters of FC's image
    ("" for none). `own_root` is false where /root is the host's. `endpoint` is where a bootstrap listens.
    `debug_port` is where its own debugger listens.
    """

    account: Account
    instance_id: str
    port: int = 0
    tools: str = ""
    own_root: bool = True
    endpoint: str = "fd:3"
    debug_port: int | None = None


def environment(revision: Revision, spec: RuntimeSpec, around: Surroundings) -> dict[str, str]:
    """Everything, in the order system, runtime, user: the user's values win, but for reserved names."""
    function = revision.function
    home = ROOT_HOME if function.user_id == 0 and around.own_root else OTHER_HOME
    env = {"HOME": home, "LANG": LANG, "TZ": "UTC", **_search_paths(spec), **spec.env}
    if not around.own_root:
        # /code is the host's own folder: caches that instances leave there outlive the code they were made of.
        env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.update(set_by_fc(revision, spec, around))
    if around.tools:
        env["PATH"] = with_tools(env["PATH"], around.tools)
    if not spec.is_program:
        env.update(_for_bootstrap(function, spec, endpoint=around.endpoint))
    return env


def set_by_fc(revision: Revision, spec: RuntimeSpec, around: Surroundings) -> dict[str, str]:
    """What is added to the variables of an image, whichever that has: FC's own, and the user's."""
    function = revision.function
    refused = set(reserved(function))
    env = {**_system(revision, spec, around), **_credentials(function, around.account)}
    env.update({key: value for key, value in function.environment.items() if key not in refused})
    if around.debug_port is not None:
        env[DAP_PORT] = str(around.debug_port)
    return env


def reserved(function: Function) -> tuple[str, ...]:
    """The names among the user's variables that belong to FC: it refuses them (§7.3)."""
    fc2 = RESERVED_FC2 if function.api is Api.FC2 else frozenset()
    return tuple(name for name in function.environment if name.startswith(RESERVED_PREFIXES) or name in fc2)


def with_tools(path: str, tools: str) -> str:
    """`path` with `tools` before the first folder of the system: FC's image has its interpreters there, while the
    user's own folders keep their place."""
    folders = path.split(":")
    at = next((i for i, folder in enumerate(folders) if folder.rstrip("/") in SYSTEM_PATH), len(folders))
    return ":".join([*folders[:at], tools, *folders[at:]])


def _search_paths(spec: RuntimeSpec) -> dict[str, str]:
    if not spec.search_paths:
        return {"PATH": ":".join(SYSTEM_PATH)}
    own = (spec.interpreter.lang_dir,) if spec.interpreter else ()
    return {"PATH": ":".join((*own, *SYSTEM_PATH, "/opt/bin")), "LD_LIBRARY_PATH": ":".join(LIBRARY_PATH)}


def _system(revision: Revision, spec: RuntimeSpec, around: Surroundings) -> dict[str, str]:
    function = revision.function
    env = {
        "FC_FUNC_CODE_PATH": CODE_PATH,
        "FC_ACCOUNT_ID": around.account.account_id,
        "FC_FUNCTION_HANDLER": function.handler,
        "FC_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "FC_FUNCTION_NAME": function.name.name,
        "FC_REGION": function.region,
        "FC_INSTANCE_ID": around.instance_id,
    }
    if spec.is_program:
        env["FC_CUSTOM_LISTEN_PORT"] = env["FC_SERVER_PORT"] = str(around.port)
    else:
        old = spec.debian <= LAST_DEBIAN_WITH_VER_ID
        env["FC_VER_ID" if old else "FC_FUNCTION_VERSION"] = revision.version_id
    if function.api is Api.FC2:
        env["FC_SERVICE_NAME"] = function.name.service
        env["FC_QUALIFIER"] = revision.version_id or LATEST
        env["topic"] = f"FCLogs:{function.name.name}"
    return env


def _credentials(function: Function, account: Account) -> dict[str, str]:
    if not function.inject_credentials_env:
        return {}
    env = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": account.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": account.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": account.security_token,
    }
    if function.api is Api.FC2:
        env["accessKeyID"] = account.access_key_id
        env["accessKeySecret"] = account.access_key_secret
        env["securityToken"] = account.security_token
    return env


def _for_bootstrap(function: Function, spec: RuntimeSpec, *, endpoint: str) -> dict[str, str]:
    keep = {"FCLOCAL_KEEP": "1"} if function.keep is not None else {}
    lazy = {"FCLOCAL_LAZY": ",".join(function.lazy)} if function.lazy else {}
    return {
        **keep,
        **lazy,
        "FCLOCAL_ENDPOINT": endpoint,
        "FCLOCAL_RUNTIME": spec.id,
        "FCLOCAL_CONCURRENCY": str(function.instance_concurrency),
        "FCLOCAL_BUNDLED": bundled_json(spec),
        "FCLOCAL_LAYERS": LAYERS,
    }
