'use strict';
// The instance of a nodejs* function: listens where the emulator says and runs handlers (docs/bootstrap-protocol.md).

const settings = require('./settings').take(process.env);
const net = require('net');
const wire = require('./wire');
const invoke = require('./invoke');
const context = require('./context');

const inFlight = new Set();
const storage = requestStorage();
let latest = null;

const log = require('./logger').install(settings, () => {
  const call = currentCall();
  return call ? call.id : '';
});
log.settings = settings;
const load = require('./loader').create(settings, log);

// Which header names the handler of each hook.
const HOOKS = {
  '/initialize': 'x-fc-function-initializer',
  '/pre-freeze': 'x-fc-instance-lifecycle-pre-freeze-handler',
  '/pre-stop': 'x-fc-instance-lifecycle-pre-stop-handler',
};

/** Several requests side by side (FC 2) need to be told apart; one at a time does not pay for it. */
function requestStorage() {
  const AsyncLocalStorage = settings.concurrency > 1 && require('async_hooks').AsyncLocalStorage;
  return AsyncLocalStorage ? new AsyncLocalStorage() : null;
}

function currentCall() {
  return (storage && storage.getStore()) || latest;
}

function serve(request, connection) {
  const control = request.headers['x-fc-control-path'] || request.target;
  if (control === '/ready') {
    connection.answer(200, '', wire.EMPTY);
  } else if (control === '/invoke') {
    begin(request, connection, request.headers['x-fc-function-handler'], (call, fn, ctx) => {
      invoke.run(call, fn, [request.body, ctx], settings);
    });
  } else if (control === '/http-invoke') {
    begin(request, connection, request.headers['x-fc-function-handler'], (call, fn, ctx) => {
      require('./http_handler').run(call, fn, request, ctx);
    });
  } else if (HOOKS[control]) {
    begin(request, connection, request.headers[HOOKS[control]], (call, fn, ctx) => {
      invoke.run(call, fn, [ctx], settings);
    });
  } else {
    connection.refuse('unknown control path');
  }
}

/** Load the handler and hand over to `work(call, fn, context)`. */
function begin(request, connection, handler, work) {
  const call = new invoke.Call(request, connection, log);
  latest = call;
  inFlight.add(call);
  call.onSettled = finished;
  const start = () => load(handler || '', (fault, fn) => {
    if (fault) call.fail(fault);
    else invoke.guard(call, () => work(call, fn, context.build(request.headers, log.loggerFor(call.id))));
  });
  if (storage) storage.run(call, start);
  else start();
}

function finished(call) {
  inFlight.delete(call);
}

/** What no handler caught ends the request it belongs to; where that is unknown, all that run. */
function uncaught(error) {
  const owner = storage ? storage.getStore() : latest;
  if (owner) owner.crash(error);
  else if (inFlight.size) inFlight.forEach((call) => call.crash(error));
  else log.error('', String((error && error.stack) || error));
}

function listen(endpoint) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => new wire.Connection(socket, serve));
  const colon = endpoint.indexOf(':');
  const kind = endpoint.slice(0, colon);
  const place = endpoint.slice(colon + 1);
  server.on('error', (error) => {
    process.stderr.write('fclocal: the Node.js bootstrap can not listen on ' + endpoint + ': ' + error.message + '\n');
    process.exit(1);
  });
  if (kind === 'fd') server.listen({ fd: Number(place) });
  else if (kind === 'unix') server.listen(place);
  else server.listen(Number(place), '0.0.0.0');
}

process.on('uncaughtException', uncaught);
process.on('unhandledRejection', uncaught);
// The first process of a pid namespace has no default action for signals: without this, SIGTERM does nothing there.
if (process.pid === 1) {
  process.on('SIGTERM', () => { if (process.listenerCount('SIGTERM') === 1) process.exit(143); });
}
listen(settings.endpoint);
