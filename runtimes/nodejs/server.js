'use strict';
// Serves an instance's requests: the handler is loaded by the first one, and called by each.

const wire = require('./wire');
const invoke = require('./invoke');
const context = require('./context');
const control = require('./control');
const loader = require('./loader');
const logger = require('./logger');

const inFlight = new Set();
let latest = null;
// Known from `start` on.
let settings = null;
let storage = null;
let log = null;
let load = null;
// What is called for each request, and at its end: something else as long as a start is measured.
let answering = begin;
let settled = finished;

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
  const path = request.headers['x-fc-control-path'] || request.target;
  const route = ROUTES.get(path);
  if (route) answering(request, connection, route);
  else if (path === '/ready') connection.answer(200, '', wire.EMPTY);
  else connection.answer(400, 'content-type: text/plain\r\n', wire.bytes('unknown control path\n'));
}

/** Load the handler and call it. */
function begin(request, connection, route) {
  const call = new invoke.Call(request, connection, log, route.isHook);
  latest = call;
  inFlight.add(call);
  call.onSettled = settled;
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
function uncaught(error, promise) {
  const owner = (settings.debugger && settings.debugger.owner(promise)) || (storage ? storage.getStore() : latest);
  if (owner) owner.crash(error);
  else if (inFlight.size) inFlight.forEach((call) => call.crash(error));
  else log.error('', String((error && error.stack) || error));
}

/** Until the first answer: how this start is spent is told on the channel. */
function measure(channel, began) {
  const Trace = require('./trace').Trace;
  const trace = new Trace(channel, began);
  const plain = load;
  load = trace.loading(plain);
  answering = (request, connection, route) => {
    const ended = trace.calling(request.headers['x-fc-control-path'] || request.target, () => {
      load = plain;
      answering = begin;
      settled = finished;
    });
    settled = (call) => {
      finished(call);
      ended(call);
    };
    begin(request, connection, route);
  };
}

/**
 * Serve what connects to `server` from now on, as an instance that `told` says everything about (settings.js), and that
 * this process is since `began`.
 */
exports.start = function (told, server, began) {
  settings = told;
  storage = requestStorage();
  log = logger.install(settings, () => {
    const call = currentCall();
    return call ? call.id : '';
  });
  load = loader.create(settings, log);
  process.on('uncaughtException', (error) => uncaught(error));
  process.on('unhandledRejection', uncaught);
  // The first process of a pid namespace has no default action for signals: without this, SIGTERM does nothing there.
  if (process.pid === 1) {
    process.on('SIGTERM', () => { if (process.listenerCount('SIGTERM') === 1) process.exit(143); });
  }
  server.on('connection', (socket) => new wire.Connection(socket, serve));
  const channel = control.start(settings);
  if (channel && settings.traces) measure(channel, began);
};
