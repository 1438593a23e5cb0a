'use strict';
// Runs js-debug, the debugger of VS Code for Node.js, without VS Code: `node js_debug_host.js EXTENSION`.
//
// A line of stdin is a configuration to start a session with; for each session, also those that js-debug starts itself, a
// line of stdout tells its name and the socket that speaks the Debug Adapter Protocol.

const Module = require('module');
const os = require('os');
const path = require('path');

const folder = process.argv[2];
const factories = {};
let count = 0;

function say(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

/** Whatever of the editor's API does not matter here: callable, constructible, and as deep as it is asked for. */
function anything(name) {
  const target = function () { return anything(name + '()'); };
  return new Proxy(target, {
    get(known, key) {
      if (key === 'then' || key === Symbol.iterator || key === Symbol.asyncIterator) return undefined;
      if (key === Symbol.toPrimitive) return () => name;
      if (!(key in known)) known[key] = anything(name + '.' + String(key));
      return known[key];
    },
    construct() { return anything('new ' + name); },
  });
}

/** `known`, and anything else. By the prototype, since a bundle copies a module's own properties and keeps that. */
function atLeast(name, known) {
  Object.keys(known).forEach((key) => {
    if (known[key] && known[key].constructor === Object) atLeast(name + '.' + key, known[key]);
  });
  const others = {};
  return Object.setPrototypeOf(known, new Proxy(others, {
    get(_, key) {
      if (key === 'then' || key === '__esModule' || typeof key === 'symbol') return undefined;
      if (!others[key]) others[key] = anything(name + '.' + key);
      return others[key];
    },
  }));
}

class Disposable {
  constructor(end) { this.end = end; }
  dispose() { if (this.end) this.end(); }
  static from(...others) { return new Disposable(() => others.forEach((other) => other.dispose())); }
}

class EventEmitter {
  constructor() {
    this.listeners = [];
    this.event = (listener) => { this.listeners.push(listener); return new Disposable(); };
  }
  fire(event) { this.listeners.forEach((listener) => listener(event)); }
  dispose() {}
}

const never = () => new Disposable();
const nothing = async () => {};

async function begin(configuration, parentSession) {
  count += 1;
  const session = {
    id: 'session-' + count, type: configuration.type, name: configuration.name, configuration, parentSession,
    workspaceFolder: undefined, customRequest: nothing,
  };
  const adapter = await factories[configuration.type].createDebugAdapterDescriptor(session);
  say({ name: configuration.name, socket: adapter.path, configuration });
}

const store = { get: (key, value) => value, update: nothing, keys: () => [], setKeysForSync() {} };
const vscode = atLeast('vscode', {
  debug: {
    registerDebugAdapterDescriptorFactory(type, factory) { factories[type] = factory; return new Disposable(); },
    async startDebugging(_, configuration, options) {
      await begin(configuration, options && options.parentSession);
      return true;
    },
    registerDebugConfigurationProvider: never, registerDebugAdapterTrackerFactory: never,
    onDidTerminateDebugSession: never, onDidStartDebugSession: never, onDidChangeActiveDebugSession: never,
    onDidReceiveDebugSessionCustomEvent: never, onDidChangeBreakpoints: never, onDidChangeActiveStackItem: never,
    breakpoints: [], activeDebugSession: undefined,
  },
  DebugAdapterNamedPipeServer: class { constructor(address) { this.path = address; } },
  DebugConfigurationProviderTriggerKind: { Initial: 1, Dynamic: 2 },
  DebugConsoleMode: { Separate: 0, MergeWithParent: 1 },
  EventEmitter, Disposable,
  env: {
    language: 'en', appName: 'tests', uiKind: 1, remoteName: undefined, isNewAppInstall: false,
    asExternalUri: async (uri) => uri, onDidChangeTelemetryEnabled: never,
  },
  workspace: {
    getConfiguration: () => ({ get: (key, value) => value, has: () => false, inspect: () => undefined, update: nothing }),
    onDidChangeConfiguration: never, onDidSaveTextDocument: never, onDidChangeTextDocument: never,
    onDidChangeWorkspaceFolders: never, onDidGrantWorkspaceTrust: never, registerFileSystemProvider: never,
    getWorkspaceFolder: () => undefined, workspaceFolders: [], textDocuments: [], isTrusted: true,
  },
  l10n: { bundle: undefined, uri: undefined, t: (text) => (typeof text === 'string' ? text : text.message) },
});
const context = atLeast('context', {
  subscriptions: [], extensionPath: folder, storagePath: os.tmpdir(), globalStoragePath: os.tmpdir(), extensionMode: 1,
  asAbsolutePath: (relative) => path.join(folder, relative), workspaceState: store, globalState: store,
  extension: { id: 'ms-vscode.js-debug', packageJSON: require(path.join(folder, 'package.json')), extensionKind: 2 },
});

const load = Module._load;
Module._load = function (request, ...others) {
  return request === 'vscode' ? vscode : load.call(this, request, ...others);
};
console.log = console.info = console.warn = console.error = () => {};
process.on('unhandledRejection', (error) => process.stderr.write(String((error && error.stack) || error) + '\n'));
require(path.join(folder, 'src', 'extension.js')).activate(context);
const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', (line) => begin(JSON.parse(line)));
lines.on('close', () => process.exit(0));
