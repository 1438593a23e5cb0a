'use strict';
// User code while a debugger is attached: nothing of ours catches what it throws, or V8 would not call it uncaught and
// not stop. What is not caught comes back to the call it belongs to by the events of the process (server.js).

const inspector = require('inspector');

const METHODS = { debug: 'debug', info: 'info', warn: 'warn', error: 'error' };
const owners = new WeakMap();

/** Run `body` with nothing around it. */
exports.begin = (body) => { setImmediate(body); };

/** As `returned.then(fulfilled, …)`, but a rejection has no handler. */
exports.follow = function (call, returned, fulfilled) {
  owners.set(Promise.resolve(returned).then(fulfilled), call);
};

/** The call that a promise nobody handled belongs to. */
exports.owner = (promise) => (promise ? owners.get(promise) : undefined);

/** What `console` was told, for the editor's console: ours does not write there. */
exports.tell = function (level, args) {
  const out = inspector.console;
  if (out) out[METHODS[level] || 'log'].apply(out, args);
};
