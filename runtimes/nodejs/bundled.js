'use strict';
// Says how to get a module that FC's runtime ships and this machine lacks. Read only when a module is missing.

const fs = require('fs');
const path = require('path');

/** The `[bundled."<runtime>"]` table of our runtime.toml: module name to what npm installs. */
function table(runtime) {
  const found = Object.create(null);
  let inside = false;
  fs.readFileSync(path.join(__dirname, 'runtime.toml'), 'utf8').split('\n').forEach((line) => {
    if (line[0] === '[') inside = line.startsWith('[bundled."' + runtime + '"]');
    const entry = inside && /^"?([^"\s=]+)"?\s*=\s*"([^"]+)"/.exec(line);
    if (entry) found[entry[1]] = entry[2];
  });
  return found;
}

/** One line for the log, or null if FC does not ship the module that `message` misses. */
exports.explain = function (message, settings) {
  const missing = /Cannot find (?:module|package) '((?:@[^/']+\/)?[^/']+)/.exec(message);
  const install = missing && table(settings.runtime)[missing[1]];
  if (!install) return null;
  return "fclocal: Function Compute's " + settings.runtime + " runtime ships '" + missing[1] +
    "', this machine does not. Run in the function's code folder: npm install --no-save " + install;
};
