// F5 in VS Code on files that `fclocal ide` wrote: node flow.mjs INSTALLED PYTHON [PICTURES]
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { Workbench } from "./workbench.mjs";

const [installed, python, pictures] = process.argv.slice(2).map((word) => path.resolve(word));
const scratch = mkdtempSync(path.join(tmpdir(), "fclocal-vscode-"));
const project = path.join(scratch, "project");
const endpoint = path.join(project, ".fclocal/endpoint.json");

const CODE = `import json
ready = True

def handler(event, context):
    number = json.loads(event)["n"]
    result = double(number)
    return result

def double(n):
    return n * 2
`;
const PROJECT = `edition: 3.0.0
name: flow
access: default
resources:
  hello:
    component: fc3
    props: {functionName: hello, region: cn-hangzhou, runtime: python3.10, handler: index.handler, code: ./code, timeout: 3}
`;

const run = promisify(execFile);
const fclocal = async (...args) => {
  const { stdout } = await run(python, ["-m", "emulator", ...args], { cwd: project });
  return stdout.trim();
};
const invoke = (n) => fclocal("invoke", "hello", "-e", JSON.stringify({ n }));

// VS Code shows its toolbar before it has sent the breakpoints: a call that comes too early is answered, and made again.
async function stopped(workbench, n, words, variable) {
  for (let left = 10; left > 0; left -= 1) {
    const answer = invoke(n);
    const stands = workbench.standsIn(words, variable).then(() => true);
    stands.catch(() => {});
    if (await Promise.race([stands, answer.then(() => false)])) return { answer };
  }
  throw new Error("no call was stopped");
}

let number = 0;
const picture = async (workbench, name) => {
  if (pictures) await workbench.screenshot(path.join(pictures, `vscode-${++number}-${name}.png`));
};

async function flow(workbench) {
  await workbench.openFile("code", "index.py");
  await workbench.toggleBreakpoint(5);
  await workbench.key("F5");
  await workbench.page.waitForSelector(".debug-toolbar");
  assert.ok(existsSync(endpoint), "the task has started the emulator before VS Code attached");

  const first = await stopped(workbench, 21, "number = json.loads", "event");
  await workbench.pausedIn("hello#1");
  await picture(workbench, "stopped");
  await workbench.page.waitForTimeout(4000); // more than the function's timeout
  await workbench.key("F10");
  await workbench.standsIn("result = double", "number");

  // A second instance starts meanwhile, and waits until the first goes on.
  const second = invoke(4);
  await workbench.callStack("hello#2");
  await workbench.key("F11");
  await workbench.standsIn("return n * 2", "n");
  await picture(workbench, "two-instances");
  await workbench.key("F5");
  assert.equal(await first.answer, "42");
  await workbench.standsIn("number = json.loads", "event");
  await workbench.key("F5");
  assert.equal(await second, "8");
  await workbench.runs();

  // An edit that moves lines: the breakpoint stays where it was put, and new code answers.
  writeFileSync(path.join(project, "code/index.py"), CODE.replace("ready = True\n", "ready = True\n# one\n# more\n"));
  await workbench.page.locator(".view-line", { hasText: "# more" }).waitFor();

  // The emulator goes on without the editor, and the next F5 finds it.
  const pid = JSON.parse(readFileSync(endpoint, "utf-8")).pid;
  await workbench.key("Shift+F5");
  await workbench.page.waitForSelector(".debug-toolbar", { state: "hidden" });
  assert.equal(await invoke(5), "10");
  await workbench.key("F5");
  await workbench.page.waitForSelector(".debug-toolbar");
  assert.equal(JSON.parse(readFileSync(endpoint, "utf-8")).pid, pid);
  const third = await stopped(workbench, 6, "number = json.loads", "event");
  await workbench.key("F5");
  assert.equal(await third.answer, "12");
}

mkdirSync(path.join(project, "code"), { recursive: true });
if (pictures) mkdirSync(pictures, { recursive: true });
writeFileSync(path.join(project, "s.yaml"), PROJECT);
writeFileSync(path.join(project, "code/index.py"), CODE);
await fclocal("ide", "vscode", "--write", "--workspace", ".");
let workbench;
try {
  workbench = await Workbench.open(installed, scratch, project);
  await flow(workbench);
  console.log("VS Code: passed");
} catch (error) {
  if (workbench) await workbench.screenshot(path.join(tmpdir(), "fclocal-vscode-failed.png"));
  throw error;
} finally {
  await workbench?.close();
  await fclocal("stop");
  rmSync(scratch, { recursive: true, force: true });
}
