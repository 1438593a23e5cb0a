'use strict';
// For programs of custom runtimes that are to be debugged: `NODE_OPTIONS=--require` loads it before their first line.
//
// The program waits here until the emulator has told the inspector every breakpoint. The variables stay in the
// environment, so that each Node.js that this one starts, as npm and Next do, comes in as well.

// Longer than the emulator waits for an editor.
const PATIENCE_MS = 15000;

function main() {
  const where = require('./dial').where(process.env.FCLOCAL_DEBUG || '');
  const token = process.env.FCLOCAL_DEBUG_TOKEN;
  if (!where || !token) return;
  const gate = new Int32Array(new SharedArrayBuffer(4));
  require('./inspect').start({ where: where, token: token }, { gate: gate });
  Atomics.wait(gate, 0, 0, PATIENCE_MS);
}

try {
  if (require('worker_threads').isMainThread) main();
} catch (error) {
  // Too old for this: the program runs without.
}
