'use strict';
// The function's log: FC's line format for console and context.logger, written before the answer leaves.

const util = require('util');

// Lowest first. `silly` is what older documents call the level of console.log.
const OLD_LEVELS = ['silly', 'debug', 'verbose', 'info', 'warn', 'error'];
const NEW_LEVELS = ['debug', 'info', 'warn', 'error'];
const MAX_ERROR = 256 * 1024;

/**
 * Make stdout and stderr of this process write at once.
 *
 * Node.js writes to pipes asynchronously on POSIX ("A note on process I/O" in its documentation): what does not
 * fit the pipe is sent later, after the answer, or never if the process exits. Blocking writes keep a request's log complete.
 */
function writeAtOnce(stream) {
  if (stream._handle && stream._handle.setBlocking) stream._handle.setBlocking(true);
  // Nobody reads any more: the emulator is gone, and this process soon will be. No reason to fail in user code.
  stream.on('error', () => {});
}

/** `currentId()` tells the request that runs now. Returns the log; `console` is redirected to it. */
exports.install = function (settings, currentId) {
  const levels = settings.modern ? NEW_LEVELS : OLD_LEVELS;
  const plain = settings.modern ? 'info' : 'verbose';
  const stdout = process.stdout;
  let threshold = 0;

  writeAtOnce(stdout);
  writeAtOnce(process.stderr);

  function setLogLevel(level) {
    const rank = levels.indexOf(String(level).toLowerCase());
    if (rank >= 0) threshold = rank;
  }

  // runtime-contract.md §2.3, table "Console"
  function line(level, requestId, text) {
    const now = new Date().toISOString();
    if (settings.modern) {
      return now.slice(0, 10) + ' ' + now.slice(11, 23) + ' ' + requestId + ' [' + level + '] ' + text + '\n';
    }
    return now + ' ' + requestId + ' [' + level + '] ' + text.replace(/\n/g, '\r') + '\n';
  }

  function write(level, requestId, args) {
    if (levels.indexOf(level) < threshold) return;
    stdout.write(line(level, requestId, util.format.apply(util, args)));
  }

  function redirect(level) {
    return function () {
      if (settings.debugger) settings.debugger.tell(level, arguments);
      write(level, currentId(), arguments);
    };
  }

  // FC's loggers of one request keep its id, so that requests side by side can be told apart.
  function loggerFor(requestId) {
    return {
      log: function () { write(plain, requestId, arguments); },
      debug: function () { write('debug', requestId, arguments); },
      info: function () { write('info', requestId, arguments); },
      warn: function () { write('warn', requestId, arguments); },
      error: function () { write('error', requestId, arguments); },
      setLogLevel: setLogLevel,
    };
  }

  function error(requestId, text) {
    const cut = text.length > MAX_ERROR ? text.slice(0, MAX_ERROR) + '... Truncated by FunctionCompute' : text;
    stdout.write(line('error', requestId, cut));
  }

  console.log = redirect(plain);
  console.info = redirect('info');
  console.warn = redirect('warn');
  console.error = redirect('error');
  console.debug = redirect('debug');
  console.setLogLevel = setLogLevel;
  if (settings.modern) setLogLevel(settings.logLevel);

  return {
    settings: settings,
    loggerFor: loggerFor,
    error: error,
    /** A line as it is, such as `load code for handler:…`. */
    raw: (text) => { stdout.write(text + '\n'); },
  };
};
