'use strict';
// Lets the emulator into this process's inspector, without a port: a thread of its own carries what is said.
//
// The main thread stands still at a breakpoint, so only another thread can talk then. It needs `Session.connectToMainThread`,
// which came with Node.js 12.11.

const path = require('path');

const THREAD = path.join(__dirname, 'inspect_thread.js');
// One thread serves every editor.
let running = null;

/**
 * Start the thread, if none runs; it dials by itself. `link` is where and as whom. `options.gate`, if there is one, opens
 * when the emulator lets the program go on, or has gone; `options.closesPort` ends the inspector's own port at once.
 * Throws where this Node.js is too old.
 */
exports.start = function (link, options) {
  if (running) return;
  let threads = null;
  try {
    threads = require('worker_threads');
  } catch (error) {
    // Node.js 8 and 10 have none.
  }
  if (!threads || !require('inspector').Session.prototype.connectToMainThread) {
    throw new Error('Node.js ' + process.versions.node + ' can not be debugged here: install 12.11 or newer');
  }
  // A thread inherits neither flags nor what the function set in its environment.
  const worker = new threads.Worker(THREAD, {
    workerData: Object.assign(
      { where: link.where, token: link.token, pid: process.pid, script: process.argv[1] || '' }, options),
    env: {}, execArgv: [], stdin: false,
  });
  worker.unref();
  worker.on('error', () => {});
  worker.on('exit', () => { if (running === worker) running = null; });
  running = worker;
};

/** The command `attach`. */
exports.attach = function (channel) {
  exports.start(channel.settings.debug, {});
  channel.settings.debugger = require('./debugged');
};

/** The command `detach`: nobody looks any more, and the thread costs memory. */
exports.detach = function (channel) {
  const worker = running;
  running = null;
  channel.settings.debugger = null;
  if (worker) worker.terminate();
};
