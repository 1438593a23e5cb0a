"""`.fclocal/endpoint.json`: where the running emulator of a project is, for scripts, tools and other commands."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from emulator.cli.served import Served
from emulator.model.errors import UserError
from emulator.model.function import Place

ENDPOINT_FILE = "endpoint.json"
# Nothing that a state folder holds belongs into a repository.
IGNORE = "# Made by fclocal\n*\n"


class Endpoint(Struct, frozen=True):
    """A running emulator and its functions. `started` tells its process from a later one that got the same pid;
    `pending` are those functions whose images are not there yet."""

    url: str
    port: int
    pid: int
    started: str
    token: str = ""
    debug_port: int = 0
    functions: tuple[Served, ...] = ()
    pending: tuple[str, ...] = ()


def process_started(pid: int) -> str:
    """When the process began, in a form that only compares; empty where there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        # Fields behind the command's name, which may itself hold blanks and brackets: state is 3rd, start is 22nd.
        rest = stat.rpartition(")")[2].split()
        return "" if rest[0] in "ZX" else rest[19]
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def this_endpoint(url: str, port: int, functions: tuple[Served, ...], token: str, debug_port: int = 0) -> Endpoint:
    """The endpoint of this process."""
    pid = os.getpid()
    return Endpoint(url, port, pid, process_started(pid), token, debug_port, functions)


def prepare_state_dir(state_dir: Path) -> None:
    """Make the folder, and keep it out of repositories. Raises `UserError`."""
    ignore = state_dir / ".gitignore"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            ignore.write_text(IGNORE, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the folder for the emulator's own files can not be used: {error.strerror}",
            "choose another one by --state-dir",
            Place(str(state_dir)),
        ) from error


def write_endpoint(state_dir: Path, endpoint: Endpoint) -> Path:
    """Write the file in one step, readable by its owner only, since it may hold a token."""
    prepare_state_dir(state_dir)
    path = state_dir / ENDPOINT_FILE
    draft = state_dir / f".{ENDPOINT_FILE}.{secrets.token_hex(4)}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({k: v for k, v in msgspec.to_builtins(endpoint).items() if v != ""}, file, indent=2)
            file.write("\n")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def read_endpoint(state_dir: Path) -> Endpoint | None:
    """The running emulator, or None: no file, an unreadable one, or one that a dead process left."""
    try:
        data = json.loads((state_dir / ENDPOINT_FILE).read_text(encoding="utf-8"))
        functions = tuple(Served(**item) for item in data.pop("functions", ()))
        pending = tuple(data.pop("pending", ()))
        endpoint = Endpoint(**data, functions=functions, pending=pending)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return endpoint if _is_sound(endpoint) and is_alive(endpoint) else None


def _is_sound(endpoint: Endpoint) -> bool:
    """False for a file that somebody wrote by hand."""
    texts = (endpoint.url, endpoint.started, endpoint.token, *(f.name for f in endpoint.functions), *endpoint.pending)
    numbers = (endpoint.pid, endpoint.port, endpoint.debug_port)
    return all(type(n) is int for n in numbers) and all(isinstance(t, str) for t in texts)


def is_alive(endpoint: Endpoint) -> bool:
    """True while the very process that wrote the file runs."""
    return endpoint.pid > 0 and process_started(endpoint.pid) == endpoint.started != ""


def remove_endpoint(state_dir: Path, pid: int) -> None:
    """Remove the file, unless another live process has written it since."""
    found = read_endpoint(state_dir)
    if found is None or found.pid == pid:
        (state_dir / ENDPOINT_FILE).unlink(missing_ok=True)
