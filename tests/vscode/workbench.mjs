// VS Code in a browser: starts it on a folder, and does with keys and looks what a person does.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const PATIENCE = 60_000;
const F9_PRESSES = 10;
const SETTINGS = { "workbench.startupEditor": "none", "remote.autoForwardPorts": false };
const PAUSED = ".debug-top-stack-frame-line";

export class Workbench {
  static async open(installed, scratch, folder) {
    const require = createRequire(path.join(installed, "package.json"));
    const extensions = path.join(scratch, "extensions");
    mkdirSync(extensions, { recursive: true });
    cpSync(path.join(import.meta.dirname, "extension"), path.join(extensions, "fclocal.debugpy-attach-0.0.1"), {
      recursive: true,
    });
    mkdirSync(path.join(scratch, "data/User"), { recursive: true });
    writeFileSync(path.join(scratch, "data/User/settings.json"), JSON.stringify(SETTINGS));
    const server = spawn(
      process.execPath,
      [
        path.join(installed, "node_modules/code-server/out/node/entry.js"),
        ...["--auth", "none", "--bind-addr", "127.0.0.1:0", "--config", path.join(scratch, "config.yaml")],
        ...["--user-data-dir", path.join(scratch, "data"), "--extensions-dir", extensions],
        ...["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"],
      ],
      { detached: true, stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, HOME: scratch } },
    );
    const workbench = new Workbench(server);
    try {
      await workbench.load(require("playwright-core").chromium, folder);
    } catch (error) {
      await workbench.close();
      throw error;
    }
    return workbench;
  }

  constructor(server) {
    this.server = server;
  }

  async load(chromium, folder) {
    const base = await address(this.server);
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    this.browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    this.page = await this.browser.newPage({ viewport: { width: 1400, height: 860 } });
    this.page.setDefaultTimeout(PATIENCE);
    await this.page.goto(`${base}/?folder=${encodeURIComponent(folder)}`);
    await this.page.waitForSelector(".explorer-folders-view .monaco-list-row");
  }

  async close() {
    await this.browser?.close();
    if (this.server.exitCode === null) {
      process.kill(-this.server.pid, "SIGKILL"); // with the hosts of extensions, which would wait for another window
      await once(this.server, "exit");
    }
  }

  async key(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  // By the explorer: Quick Open searches with ripgrep, whose npm package downloads it.
  async openFile(...names) {
    for (const name of names) {
      await this.page.getByRole("treeitem", { name, exact: true }).click();
    }
    await this.page.locator(".tab.active", { hasText: names.at(-1) }).waitFor();
    await this.page.locator(".editor-instance .view-lines").first().click();
    await this.page.locator(".statusbar-item", { hasText: /^Python$/ }).waitFor();
  }

  async goTo(line) {
    await this.key("Control+g");
    await this.page.waitForSelector(".quick-input-widget input:focus");
    await this.page.keyboard.type(String(line));
    await this.key("Enter");
    await this.page.locator(".statusbar-item", { hasText: `Ln ${line}, ` }).waitFor();
  }

  async toggleBreakpoint(line) {
    const marks = this.page.locator(".cgmr.codicon-debug-breakpoint");
    const before = await marks.count();
    await this.goTo(line);
    // Before VS Code has read what its extensions contribute, no language has breakpoints, and the key does nothing.
    for (let left = F9_PRESSES; left > 0 && (await marks.count()) === before; left -= 1) {
      await this.key("F9");
      await marks.nth(before).waitFor({ timeout: PATIENCE / F9_PRESSES }).catch(() => {});
    }
    await marks.nth(before).waitFor();
  }

  // The debugger stands in a line with these words, in the editor in front, and has loaded the variables there: who
  // goes on before that, faster than a person, gets VS Code to show the thread as paused for ever.
  async standsIn(words, variable) {
    await this.page.waitForFunction(
      ([selector, wanted]) => {
        const mark = document.querySelector(selector);
        const top = mark?.getBoundingClientRect().top;
        const lines = mark ? [...document.querySelectorAll(".editor-instance .view-line")] : [];
        const line = lines.find((one) => Math.abs(one.getBoundingClientRect().top - top) < 4);
        return (line?.textContent ?? "").replaceAll("\u00a0", " ").includes(wanted);
      },
      [PAUSED, words],
    );
    await this.page.locator(".debug-variables .monaco-list-row", { hasText: `${variable} =` }).first().waitFor();
  }

  async runs() {
    await this.page.waitForSelector(PAUSED, { state: "detached" });
  }

  // What stands above the call stack: while a session has a single thread, the stack has no row for it.
  async pausedIn(thread) {
    await this.page.getByText(`Paused in ${thread}`, { exact: true }).first().waitFor();
  }

  // A row of the call stack with these words.
  async callStack(...words) {
    let row = this.page.locator(".debug-call-stack .monaco-list-row");
    for (const word of words) row = row.filter({ hasText: word });
    await row.first().waitFor();
  }

  async screenshot(file) {
    await this.page.screenshot({ path: file });
  }
}

// Where the server says that it listens.
function address(server) {
  return new Promise((resolve, reject) => {
    let said = "";
    server.stdout.on("data", (data) => {
      said += data;
      const found = /HTTP server listening on (http:\S+?)\/?\s/.exec(said);
      if (found) resolve(found[1]);
    });
    server.on("exit", () => reject(new Error(`code-server ended: ${said}`)));
  });
}
