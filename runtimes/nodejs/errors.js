'use strict';
// FC's error objects (runtime-contract.md §2.3, table "Errors").

const HANDLED = 'HandledInvocationError';
const UNHANDLED = 'UnhandledInvocationError';
const HOME = __dirname;
const MARK = /;globalThis\.fclocalMark\?\.\(-?\d+(?:,import\.meta\.resolve)?\);/g;

function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

/** The result of a handler as bytes or text: what the caller gets (runtime-contract.md §2.3, "Serialisation"). */
function serialize(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
  if (typeof value === 'object') {
    const text = JSON.stringify(value);
    return text === undefined ? '' : text;
  }
  return typeof value === 'function' ? value.constructor.toString() : value.toString();
}

// Frames of these files say nothing to the user, nor does what modules.js has added to a line that can not be parsed.
function stackOf(error) {
  const lines = String(error.stack || error).split('\n').filter((line) => line.indexOf(HOME) < 0);
  return lines.map((line) => line.replace(MARK, ''));
}

function describe(value) {
  try {
    return serialize(value).toString();
  } catch (error) {
    return String(error.message);
  }
}

function fault(kind, message, type, stack) {
  const body = { errorMessage: message, errorType: type };
  if (stack) body.stackTrace = stack;
  return { kind: kind, body: body };
}

/** `callback(err)`. */
exports.handled = function (value) {
  if (isError(value)) return fault(HANDLED, String(value.message), String(value.name), stackOf(value));
  return fault(HANDLED, describe(value), 'FunctionHandledError');
};

/** Thrown, rejected or uncaught. */
exports.unhandled = function (value, settings) {
  if (!isError(value)) return fault(UNHANDLED, describe(value), 'FunctionUnhandledError');
  const name = String(value.name);
  const type = settings.modern ? name : 'FunctionUnhandledError: ' + name;
  return fault(UNHANDLED, String(value.message), type, stackOf(value));
};

/** The handler could not be loaded; `cause` is what user code or Node.js threw, where there is one. */
exports.notLoaded = function (type, message, cause) {
  return fault(UNHANDLED, message, type, cause ? stackOf(cause) : [type + ': ' + message]);
};

exports.isError = isError;
exports.serialize = serialize;
