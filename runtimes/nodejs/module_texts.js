'use strict';
// Changes the text of ES modules between its file and the parser, in the thread that loads them.
//
// From Node.js 22.15 on there are hooks for that. Before, the loader looks up `readFile` of fs.promises for each module,
// and is the only one who finds ours there: no release can change that any more. Where neither holds nothing is changed.

const fs = require('fs');
const Module = require('module');

const LOADER = /\(node:internal\/modules\/esm\/load:/;
const BOM = 0xfeff;
const SUFFIX = /\.m?js$/;

/**
 * `changed(href, text)` gives the text of each module; `looked(begin)` is told of all that takes time beside, with the
 * seconds of CLOCK_MONOTONIC at which it began. Returns what puts an end to it.
 */
exports.change = (changed, looked) => (Module.registerHooks ? hooked(changed) : lookedUp(changed, looked));

function hooked(changed) {
  const hooks = Module.registerHooks({
    load: (href, context, next) => {
      const loaded = next(href, context);
      if (loaded.format !== 'module' || !loaded.source || !href.startsWith('file:')) return loaded;
      return Object.assign({}, loaded, { source: changed(href, decoded(loaded.source)) });
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
    return SUFFIX.test(where.pathname) ? text.then((bytes) => changed(where.href, decoded(bytes))) : text;
  }
  function get() {
    const begin = process.hrtime();
    const found = isForLoader(get) ? forLoader : read;
    looked(begin[0] + begin[1] / 1e9);
    return found;
  }
  Object.defineProperty(promises, 'readFile', {
    configurable: true, enumerable: before.enumerable, get: get, set: (value) => { read = value; },
  });
  return () => Object.defineProperty(promises, 'readFile', Object.assign(before, { value: read }));
}

/** As Node.js does itself, who then need not any more. */
function decoded(source) {
  const text = typeof source === 'string' ? source : (Buffer.isBuffer(source) ? source : Buffer.from(source)).toString();
  return text.charCodeAt(0) === BOM ? text.slice(1) : text;
}

/** Whether the loader called `inner`. */
function isForLoader(inner) {
  const limit = Error.stackTraceLimit;
  const prepare = Error.prepareStackTrace;
  const seen = {};
  Error.stackTraceLimit = 1;
  if (prepare !== undefined) Error.prepareStackTrace = undefined;
  Error.captureStackTrace(seen, inner);
  const found = LOADER.test(seen.stack);
  if (prepare !== undefined) Error.prepareStackTrace = prepare;
  Error.stackTraceLimit = limit;
  return found;
}
