'use strict';
// Changes the text of ES modules between its file and the parser, in the thread that loads them.
//
// From Node.js 22.15 on there are hooks for that. Before, the loader looks up `readFile` of fs.promises for each module,
// and is the only one who finds ours there: no release can change that any more. Where neither holds nothing is changed.

const fs = require('fs');
const Module = require('module');

const LOADER = 'node:internal/modules/esm/load';
const SUFFIX = /\.m?js$/;

/**
 * `changed(href, text)` gives the text of each module, as bytes; `looked(begin)` is told of all that takes time beside,
 * with the seconds of CLOCK_MONOTONIC at which it began. Returns what puts an end to it.
 */
exports.change = (changed, looked) => (Module.registerHooks ? hooked(changed) : lookedUp(changed, looked));

function hooked(changed) {
  const hooks = Module.registerHooks({
    load: (href, context, next) => {
      const loaded = next(href, context);
      if (loaded.format !== 'module' || !loaded.source || !href.startsWith('file:')) return loaded;
      return Object.assign({}, loaded, { source: changed(href, Buffer.from(loaded.source)) });
    },
  });
  return () => hooks.deregister();
}

function lookedUp(changed, looked) {
  const promises = fs.promises;
  const before = Object.getOwnPropertyDescriptor(promises, 'readFile');
  let read = promises.readFile;

  function forLoader(where) {
    const text = read.call(promises, where);
    return SUFFIX.test(where.pathname) ? text.then((bytes) => changed(where.href, bytes)) : text;
  }
  function get() {
    const begin = process.hrtime();
    const found = askedBy(get) === LOADER ? forLoader : read;
    looked(begin[0] + begin[1] / 1e9);
    return found;
  }
  Object.defineProperty(promises, 'readFile', {
    configurable: true, enumerable: before.enumerable, get: get, set: (value) => { read = value; },
  });
  return () => Object.defineProperty(promises, 'readFile', Object.assign(before, { value: read }));
}

/** The file of whoever called `inner`. */
function askedBy(inner) {
  const limit = Error.stackTraceLimit;
  const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  const seen = {};
  Error.stackTraceLimit = 1;
  Object.defineProperty(Error, 'prepareStackTrace', { configurable: true, writable: true, value: (error, frames) => frames });
  Error.captureStackTrace(seen, inner);
  const frames = seen.stack;
  if (prepare) Object.defineProperty(Error, 'prepareStackTrace', prepare);
  else delete Error.prepareStackTrace;
  Error.stackTraceLimit = limit;
  return frames.length ? frames[0].getFileName() : null;
}
