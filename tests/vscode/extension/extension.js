// The part of ms-python.debugpy that `request: attach` with `connect` uses: VS Code connects to the port itself.
// What the two say is kept in the file that FCLOCAL_DAP_LOG names, for tests that fail.
"use strict";
const { appendFileSync } = require("node:fs");
const vscode = require("vscode");

exports.activate = (context) => {
  const file = process.env.FCLOCAL_DAP_LOG;
  const keep = (way) => (message) => file && appendFileSync(file, `${way} ${JSON.stringify(message)}\n`);
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("debugpy", {
      createDebugAdapterDescriptor: ({ configuration }) =>
        new vscode.DebugAdapterServer(configuration.connect.port, configuration.connect.host),
    }),
    vscode.debug.registerDebugAdapterTrackerFactory("debugpy", {
      createDebugAdapterTracker: () => ({ onWillReceiveMessage: keep("→"), onDidSendMessage: keep("←") }),
    }),
  );
};
