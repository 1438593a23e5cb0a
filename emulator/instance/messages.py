"""The texts that FC itself writes into answers when an instance fails (runtime-contract.md §4.3, §4.4)."""

from __future__ import annotations

import json
import os

from emulator.model.errors import StartFailed, UserError
from emulator.model.invocation import FunctionError
from emulator.model.launch import Exit

# The suffix of FC's End line (runtime-contract.md §6.1)
SUFFIX = {
    FunctionError.HANDLED: "Handled function error",
    FunctionError.UNHANDLED: "Unhandled function error",
}


def error_body(message: str) -> bytes:
    """A system-made function error: `errorMessage` and nothing else."""
    return json.dumps({"errorMessage": message}, ensure_ascii=False, separators=(",", ":")).encode()


def timed_out(timeout: float, memory_mb: float) -> str:
    return f"Function timed out after {timeout:g} seconds (maxMemoryUsage: {memory_mb:.0f}MB)"


def process_exited(duration_ms: float, memory_mb: float) -> str:
    """Also for a process that was killed for its memory: FC has no text of its own for that."""
    return (
        "Process exited unexpectedly before completing request "
        f"(duration: {duration_ms:.0f}ms, maxMemoryUsage: {memory_mb:.0f}MB)"
    )


def initializer_timed_out(timeout: float, memory_mb: float) -> str:
    """Text UNCONFIRMED; by analogy with the function timeout (runtime-contract.md §1.4)."""
    return f"Function initialization timed out after {timeout:g} seconds (maxMemoryUsage: {memory_mb:.0f}MB)"


def canceled(duration_ms: float, memory_mb: float) -> str:
    """Only ever seen in the log."""
    return f"Invocation canceled by client (duration: {duration_ms:.0f}ms, maxMemoryUsage: {memory_mb:.2f}MB)"


def _code_text(code: int) -> str:
    """FC reads the exit code as an errno and prints Go's lower-case text for it, or the code alone."""
    text = os.strerror(code).lower()
    return f"code {code}" if code == 0 or text.startswith("unknown error") else f"code {code}, message:{text}"


def exited_at_start(exit_: Exit, command: str, logs: str) -> StartFailed:
    text = f"Function instance exited unexpectedly({_code_text(exit_.shell_code)}) with start command '{command}'."
    return StartFailed("CAExited", f"{text}\nLogs:{logs}")


def not_listening(port: int, seconds: float, hint: str, logs: str) -> StartFailed:
    """`hint` is ours and says which port the program did open; FC's own sentence stays as it is. A bootstrap has no
    port (0)."""
    where = f" on port {port}" if port else ""
    text = f"Function instance health check failed{where} in {seconds:g} seconds."
    return StartFailed("FunctionNotStarted", f"{text}{' ' + hint if hint else ''}\nLogs:{logs}")


def not_http(why: str, logs: str) -> StartFailed:
    """Only a bootstrap that is broken does this."""
    return StartFailed(
        "FunctionNotStarted", f"The function cannot be started. Its answer is not HTTP: {why}\nLogs:{logs}"
    )


def not_startable(error: UserError) -> StartFailed:
    """What keeps an instance from being made here (no code, no interpreter, no walls) has no name in FC."""
    text = " ".join(str(error).split()).replace(" → ", "; ")
    return StartFailed("FunctionNotStarted", f"The function cannot be started. {text}")


def unhealthy(status: int | None) -> StartFailed:
    """The trailing space is FC's."""
    what = f"status code: {status} " if status is not None else "no answer in time "
    return StartFailed(
        "FunctionNotStarted",
        f"The function http server cannot be started. check function health failed with {what}",
    )


def suffix(error: FunctionError | None, detail: str) -> str:
    """What FC puts behind the request id of an End line: `, Error: …`."""
    text = detail or (SUFFIX.get(error, "Unhandled function error") if error else "")
    return f", Error: {text}" if text else ""
