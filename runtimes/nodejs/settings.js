'use strict';
// What the emulator tells this process, read once; user code then sees the environment that FC leaves.
//
// Every file here keeps to the syntax of Node.js 4, except esm.js, which old runtimes never load.

const dial = require('./dial');

// runtime-contract.md §7.3: built-ins remove every other FC_* variable.
const KEPT = [
  'FC_FUNC_CODE_PATH', 'FC_FUNCTION_MEMORY_SIZE', 'FC_RUNTIME_VERSION', 'FC_ACCOUNT_ID', 'FC_FUNCTION_HANDLER',
  'FC_FUNCTION_NAME', 'FC_SERVICE_NAME', 'FC_VER_ID', 'FC_FUNCTION_VERSION', 'FC_QUALIFIER', 'FC_REGION',
  'FC_INSTANCE_ID', 'FC_SNAPSHOT_FLAG',
];

// Walls without a pid namespace find processes that left their session by this entry of their environment.
const WALLS_MARK = 'FCLOCAL_RUN';

function isHidden(name) {
  if (name === WALLS_MARK) return false;
  if (name.startsWith('FCLOCAL_') || name.startsWith('_FC_')) return true;
  return name.startsWith('FC_') && KEPT.indexOf(name) < 0;
}

/** Where the emulator waits for this process to dial, and as whom it does. */
function debugLink(env) {
  return { where: dial.where(env.FCLOCAL_DEBUG || ''), token: env.FCLOCAL_DEBUG_TOKEN || '' };
}

/** Take our own variables out of `env` and return what they say. */
exports.take = function (env) {
  const runtime = env.FCLOCAL_RUNTIME || 'nodejs' + process.versions.node.split('.')[0];
  const generation = parseFloat(runtime.replace('nodejs', ''));
  const settings = {
    runtime: runtime,
    generation: generation,
    // runtime-contract.md §2.3: async handlers, ES modules and the new log format came with nodejs18.
    modern: generation >= 18,
    endpoint: env.FCLOCAL_ENDPOINT || '',
    concurrency: parseInt(env.FCLOCAL_CONCURRENCY, 10) || 1,
    codeRoot: env.FC_FUNC_CODE_PATH || process.cwd(),
    layers: env.FCLOCAL_LAYERS || '/opt',
    bundled: env.FCLOCAL_BUNDLED || '',
    debug: debugLink(env),
    traces: env.FCLOCAL_TRACE || '',
    // What user code is run through while a debugger is attached (inspect.js).
    debugger: null,
    logLevel: env.ALIYUN_FC_LOG_LEVEL || '',
  };
  Object.keys(env).filter(isHidden).forEach((name) => { delete env[name]; });
  return settings;
};
