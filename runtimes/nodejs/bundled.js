'use strict';
// Says how to get a module that FC's runtime ships and this machine lacks. Loaded only when a module is missing.

/** One line for the log, or null if FC does not ship the module that `message` misses. */
exports.explain = function (message, settings) {
  const missing = /Cannot find (?:module|package) '((?:@[^/']+\/)?[^/']+)/.exec(message);
  const shipped = settings.bundled ? JSON.parse(settings.bundled) : {};
  if (!missing || typeof shipped[missing[1]] !== 'string') return null;
  return "fclocal: module '" + missing[1] + "' ships with Function Compute's " + settings.runtime +
    " and is not installed here. Install it in the function's folder with: npm install --no-save " + shipped[missing[1]];
};
