'use strict';
// From a handler string to a function: found, loaded on first use, and kept for the instance's life.

const fs = require('fs');
const path = require('path');
const Module = require('module');
const errors = require('./errors');

function isFile(file) {
  try {
    return fs.statSync(file).isFile();
  } catch (error) {
    return false;
  }
}

/** Node's own rule: the nearest package.json decides what a `.js` file is. */
function packageType(file) {
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    const manifest = path.join(dir, 'package.json');
    if (isFile(manifest)) {
      try {
        return JSON.parse(fs.readFileSync(manifest, 'utf8')).type;
      } catch (error) {
        return undefined;  // Node.js will say it better when it reads the file
      }
    }
    if (dir === path.dirname(dir)) return undefined;
  }
}

/** Whether Node.js takes this file for an ES module, whatever is in it. */
function isModule(file) {
  return file.endsWith('.mjs') || (file.endsWith('.js') && packageType(file) === 'module');
}

function findFile(base, settings) {
  if (isFile(base + '.js')) return base + '.js';
  return settings.modern && isFile(base + '.mjs') ? base + '.mjs' : null;
}

// A newer Node.js may stand in for the one asked: it loads what the right one refuses.
function requireCommonJs(file, settings, log) {
  if (!settings.modern && packageType(file) === 'module') {
    const refused = new Error('Must use import to load ES Module: ' + file);
    refused.code = 'ERR_REQUIRE_ESM';
    throw refused;
  }
  // No parent: the message of a missing module then names the user's files only.
  const loaded = Module._load(file, null, false);
  const types = require('util').types;
  if (types && types.isModuleNamespaceObject && types.isModuleNamespaceObject(loaded)) {
    if (settings.generation < 20) throw new SyntaxError('Cannot use import statement outside a module');
    log.raw(
      "fclocal: '" + file + "' is an ES module by its syntax only. Function Compute takes .js files as CommonJS:" +
      ' name it .mjs, or set "type": "module" in package.json.');
  }
  return loaded;
}

function classify(error, settings, log) {
  if (error instanceof SyntaxError) return errors.notLoaded('UserCodeSyntaxError', error.message, error);
  if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
    const hint = require('./bundled').explain(String(error.message), settings);
    if (hint) log.raw(hint);
    return errors.notLoaded('ImportModuleError', error.message, error);
  }
  return errors.unhandled(error, settings);
}

/** Where walls have no mounts, layers are not at /opt (runtime-contract.md §7.4). */
function moveLayers(layers) {
  process.env.NODE_PATH = (process.env.NODE_PATH || '').split(':').map((entry) => {
    return entry.startsWith('/opt/') ? layers + entry.slice(4) : entry;
  }).join(':');
  Module._initPaths();
}

exports.create = function (settings, log) {
  if (settings.layers !== '/opt') moveLayers(settings.layers);
  const loaded = Object.create(null);

  /** Calls `then(fault)` or `then(null, fn)`; at once for CommonJS, later for an ES module's first load. */
  return function load(handler, then) {
    if (loaded[handler]) return then(null, loaded[handler]);
    const dot = handler.lastIndexOf('.');
    if (dot < 1 || dot === handler.length - 1) {
      return then(errors.notLoaded('InvalidHandlerName', "Invalid handler '" + handler + "'"));
    }
    const name = handler.slice(0, dot);
    const method = handler.slice(dot + 1);
    const base = path.resolve(settings.codeRoot, name);

    function found(exported) {
      const owner = exported && exported[method] === undefined && exported.default ? exported.default : exported;
      if (!owner || typeof owner[method] !== 'function') {
        return then(errors.notLoaded('HandlerNotFound', "Handler '" + method + "' is missing on module '" + name + "'"));
      }
      loaded[handler] = owner[method].bind(owner);
      return then(null, loaded[handler]);
    }
    const failed = (error) => then(classify(error, settings, log));

    log.raw('load code for handler:' + handler);
    const file = findFile(base, settings);
    if (file === null) {
      return then(errors.notLoaded('ImportModuleError', "Module '" + base + ".js' is missing."));
    }
    if (settings.modern && isModule(file)) {
      return require('./esm').load(file).then(found, failed);
    }
    let exported;
    try {
      exported = requireCommonJs(file, settings, log);
    } catch (error) {
      return failed(error);
    }
    return found(exported);
  };
};

exports.isModule = isModule;
