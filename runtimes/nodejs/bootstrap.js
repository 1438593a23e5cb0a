'use strict';
// The instance of a nodejs* function: listens where the emulator says and runs handlers (docs/bootstrap-protocol.md).

const settings = require('./settings').take(process.env);
const net = require('net');
const wire = require('./wire');
const invoke = require('./invoke');
const context = require('./context');

// As FC's bootstraps do (runtime-contract.md §2.2).
const START_FAILED = 129;
const inFlight = new Set();
const storage = requestStorage();
let latest = null;

const log = require('./logger').install(settings, () => {
  const call = currentCall();
  return call ? call.id : '';
});
const load = require('./loader').create(settings, log);

const event = { handler: 'x-fc-function-handler', isHook: false, work: invoke.runEvent };
// The control paths: which header names the handler, and what calls it.
const ROUTES = new Map([
  ['/invoke', event],
  ['/http-invoke', { handler: event.handler, isHook: false, work: runHttp }],
  ['/initialize', hook('x-fc-function-initializer')],
  ['/pre-freeze', hook('x-fc-instance-lifecycle-pre-freeze-handler')],
  ['/pre-stop', hook('x-fc-instance-lifecycle-pre-stop-handler')],
]);

function hook(header) {
  return { handler: header, isHook: true, work: invoke.runHook };
}

function runHttp(call, fn, request, ctx) {
  require('./http_handler').run(call, fn, request, ctx);
}

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
  const route = ROUTES.get(control);
  if (route) begin(request, connection, route);
  else if (control === '/ready') connection.answer(200, '', wire.EMPTY);
  else connection.answer(400, 'content-type: text/plain\r\n', wire.bytes('unknown control path\n'));
}

/** Load the handler and call it. */
function begin(request, connection, route) {
  const call = new invoke.Call(request, connection, log, route.isHook);
  latest = call;
  inFlight.add(call);
  call.onSettled = finished;
  const start = () => load(request.headers[route.handler] || '', (fault, fn) => {
    if (fault) call.fail(fault);
    else invoke.guard(call, () => route.work(call, fn, request, context.build(request.headers, log.loggerFor(call.id))));
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
  const failed = (error) => {
    process.stderr.write('fclocal: cannot listen on ' + endpoint + ': ' + error.message + '\n');
    process.exit(START_FAILED);
  };
  server.on('error', failed);
  if (kind === 'fd' && /^\d+$/.test(place)) {
    server.listen({ fd: Number(place) });
  } else if (kind === 'unix') {
    // The emulator connects from outside of the walls, often as another user.
    const mask = process.umask(0);
    server.listen(place);
    process.umask(mask);
  } else if (kind === 'tcp' && /^\d+$/.test(place)) {
    server.listen(Number(place), '0.0.0.0');
  } else {
    failed(new Error('FCLOCAL_ENDPOINT is not fd:N, unix:PATH or tcp:PORT'));
  }
}

process.on('uncaughtException', uncaught);
process.on('unhandledRejection', uncaught);
// The first process of a pid namespace has no default action for signals: without this, SIGTERM does nothing there.
if (process.pid === 1) {
  process.on('SIGTERM', () => { if (process.listenerCount('SIGTERM') === 1) process.exit(143); });
}
listen(settings.endpoint);
