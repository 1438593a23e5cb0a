"""What the tests of Node.js debug: functions whose lines are named, and how to find the editor's port."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.command import Running, Workshop

NODE = {"runtime": "nodejs20", "memorySize": 256, "timeout": 30}
CODE = """
const started = 'module';  // @module
let count = 0;
exports.initialize = (context, callback) => {
  count = 100;  // @initializer
  callback(null, '');
};
exports.handler = (event, context, callback) => {
  count += 1;
  const text = String(event);  // @handler
  callback(null, text + ' ' + count);
};
exports.loop = (event, context, callback) => {
  const until = Date.now() + 60000;
  let turns = 0;
  while (Date.now() < until && turns >= 0) {
    turns += 1;  // @loop
  }
  callback(null, 'left ' + (turns < 0));
};
exports.log = (event, context, callback) => {
  console.log('printed', { one: 1 });  // @print
  callback(null, 'logged');
};
exports.sync = () => {
  throw new Error('sync');  // @sync
};
exports.late = async () => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  throw new Error('late');  // @late
};
exports.caught = (event, context, callback) => {
  try {
    throw new Error('caught');
  } catch (error) {
    callback(null, 'caught');
  }
};
""".lstrip()


class NodeProject:
    """A project of one file; `lines` are those marked `// @name` in it, from 1."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.file = workshop.root / "code" / "index.js"

    def write(self, code: str = CODE, /, **functions: dict[str, Any]) -> None:
        """Functions are exports of the file, of the same name if no handler is told."""
        declared = {name: {**NODE, "handler": f"index.{name}", **own} for name, own in functions.items()}
        self.workshop.project("", **declared)
        self.save(code)

    def save(self, code: str) -> None:
        self.workshop.write({"code/index.js": code})

    def line(self, mark: str) -> int:
        lines = self.file.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if line.endswith(f"// @{mark}"))

    def at(self, *marks: str) -> list[tuple[Path, int]]:
        return [(self.file, self.line(mark)) for mark in marks]


def node_port(running: Running) -> int:
    return int(json.loads((running.workshop.state / "debug.json").read_text())["node"])
