"""A program in Go for a custom runtime, built as people build it to be debugged, and started by Delve."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Workshop

DELVE = "dlv exec --headless --accept-multiclient --continue --api-version=2 --listen=127.0.0.1:{port} /code/main"
MAIN = """
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

var turns = 0

func handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // @handler
	text := string(body)
	count := len(text) // @count
	if text == "sleep" {
		time.Sleep(time.Minute) // @sleep
	}
	turns += 1
	fmt.Fprintf(w, "%s %d", text, count) // @answer
}

func main() {
	http.HandleFunc("/", handle)
	http.ListenAndServe("0.0.0.0:"+os.Getenv("FC_SERVER_PORT"), nil)
}
""".lstrip()


def need_go() -> None:
    """Go and Delve are not everybody's: without them these tests are skipped, and say so."""
    missing = [program for program in ("go", "dlv") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: apt install golang-go delve")


class GoProject:
    """Function `hello`. `inside` builds it as where it lies in an instance, not as where it lies on the host."""

    def __init__(self, workshop: Workshop, *, inside: bool = False, **props: Any) -> None:
        self.workshop = workshop
        self.path = workshop.root / "code" / "main.go"
        workshop.project("", hello={
            "runtime": "custom.debian12", "timeout": 30, "memorySize": 512, "handler": "unused",
            "customRuntimeConfig": {"command": ["/code/main"], "port": 9000}, **props,
        })  # fmt: skip
        workshop.write({
            "code/main.go": MAIN,
            "code/go.mod": "module hello\n\ngo 1.19\n",
            ".fclocal.yaml": f"functions:\n  hello:\n    debugger:\n      command: {DELVE!r}\n",
        })  # fmt: skip
        self._build(inside=inside)

    def _build(self, *, inside: bool) -> None:
        folder = self.path.parent
        flags = "-N -l" + (f" -trimpath={folder}=>/code" if inside else "")
        subprocess.run(
            ["go", "build", f"-gcflags={flags}", "-o", "main", "."],
            cwd=folder, check=True, timeout=300, env={**os.environ, "GOFLAGS": "-buildvcs=false"},
        )  # fmt: skip

    def line(self, mark: str) -> int:
        lines = MAIN.splitlines()
        return next(number for number, line in enumerate(lines, 1) if line.endswith(f"// @{mark}"))

    def at(self, *marks: str) -> dict[str, list[int]]:
        return {str(self.path): [self.line(mark) for mark in marks]}


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()
