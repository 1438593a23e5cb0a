'use strict';
// One call of user code: it is settled once, by callback, promise, exception or HTTP response.

const errors = require('./errors');
const bytes = require('./wire').bytes;

const RESULT = 'content-type: application/octet-stream\r\n';
const ERROR = 'content-type: application/json\r\nx-fc-status: 404\r\nx-fc-error-type: ';

/** A request that user code works on. */
function Call(request, connection, log, isHook) {
  this.id = request.headers['x-fc-request-id'] || '';
  this.connection = connection;
  this.log = log;
  this.isHook = isHook;
  this.settled = false;
  this.onSettled = null;
}

Call.prototype.settle = function () {
  if (this.settled) return false;
  this.settled = true;
  if (this.onSettled) this.onSettled(this);
  return true;
};

/** Answer with a handler's result. A hook's is ignored (runtime-contract.md §1.3). */
Call.prototype.succeed = function (value) {
  let body;
  if (this.settled) return;
  try {
    body = errors.serialize(this.isHook ? null : value);
    if (typeof body === 'string') body = bytes(body);
  } catch (error) {
    this.fail(errors.unhandled(error, this.log.settings));
    return;
  }
  this.settle();
  this.connection.answer(200, RESULT, body);
};

/** Log FC's error object and answer with it. What fails after the answer is logged only. */
Call.prototype.fail = function (fault) {
  const text = JSON.stringify(fault.body);
  this.log.error(this.id, text);
  if (!this.settle()) return;
  this.connection.answer(404, ERROR + fault.kind + '\r\n', bytes(text));
};

/** Thrown, rejected or uncaught. */
Call.prototype.crash = function (error) {
  this.fail(errors.unhandled(error, this.log.settings));
};

/**
 * Runs `start(callback)`. The promise that it may return counts from nodejs18 on; before, a value returned is ignored
 * and only a rejection is seen (runtime-contract.md §2.3).
 */
function run(call, start) {
  function callback(error, data) {
    if (call.settled) return;
    if (error) call.fail(errors.handled(error));
    else call.succeed(data);
  }
  const settings = call.log.settings;
  const returned = start(callback);
  if (!returned || typeof returned.then !== 'function') return;
  const fulfilled = settings.modern ? (value) => call.succeed(value) : undefined;
  if (settings.debugger) settings.debugger.follow(call, returned, fulfilled);
  else returned.then(fulfilled, (error) => call.crash(error));
}

exports.runEvent = (call, fn, request, context) => run(call, (callback) => fn(request.body, context, callback));
exports.runHook = (call, fn, request, context) => run(call, (callback) => fn(context, callback));

/** Call user code so that whatever it throws settles `call`. */
exports.guard = function (call, body) {
  if (call.log.settings.debugger) {
    call.log.settings.debugger.begin(body);
    return;
  }
  try {
    body();
  } catch (error) {
    call.crash(error);
  }
};

exports.Call = Call;
