'use strict';
// The thread of inspect.js: one line of JSON per message, to and from any number of sessions with the main thread.
//
// In: {"session": 1, "message": {…}} a command of the Chrome DevTools Protocol, the first of a session opens it;
// {"session": 1, "close": true}; {"go": true} opens the gate. Out: {"session": 1, "message": {…}}.

const inspector = require('inspector');
const data = require('worker_threads').workerData;

const INSPECTOR_ERROR = /^Inspector error (-?\d+): ([^]*)$/;
const DOMAINS = ['Debugger', 'Profiler', 'HeapProfiler', 'NodeWorker', 'NodeTracing', 'Runtime'];
const sessions = new Map();
const socket = require('./dial').connect(data.where);

function send(message) {
  if (!socket.destroyed) socket.write(JSON.stringify(message) + '\n');
}

function open(number) {
  const session = new inspector.Session();
  session.connectToMainThread();
  session.on('inspectorNotification', (message) => {
    if (sessions.has(number)) send({ session: number, message: message });
  });
  sessions.set(number, session);
  return session;
}

/** The error as it was before the inspector module made an exception of it. */
function original(error) {
  const found = INSPECTOR_ERROR.exec(error.message);
  return found ? { code: Number(found[1]), message: found[2] } : { code: error.code || -32000, message: String(error.message) };
}

function post(number, command) {
  const session = sessions.get(number) || open(number);
  session.post(command.method, command.params, (error, result) => {
    send({
      session: number,
      message: error ? { id: command.id, error: original(error) } : { id: command.id, result: result },
    });
  });
}

function letGo() {
  if (!data.gate) return;
  Atomics.store(data.gate, 0, 1);
  Atomics.notify(data.gate, 0);
}

/** The main thread runs on if it stood at a breakpoint of this session, and forgets its breakpoints. */
function close(number) {
  const session = sessions.get(number);
  sessions.delete(number);
  // Node.js 16 and older abort at `disconnect` of such a session.
  if (session) DOMAINS.forEach((domain) => session.post(domain + '.disable'));
}

function take(line) {
  const order = JSON.parse(line);
  if (order.go) letGo();
  else if (order.close) close(order.session);
  else post(order.session, order.message);
}

/** Nobody is there any more: the thread ends, and with it every session. */
function end() {
  letGo();
  process.exit(0);
}

/** In the main thread, whatever that is doing: nothing else closes the port before its loop is free. */
function closePort() {
  const session = new inspector.Session();
  session.connectToMainThread();
  session.post('Runtime.evaluate', { expression: 'process._debugEnd()' });
}

if (data.closesPort) closePort();
let rest = '';
socket.setEncoding('utf8');
socket.on('error', end);
socket.on('close', end);
socket.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  lines.forEach(take);
});
send({
  hello: data.token, pid: data.pid, lang: 'node', version: process.versions.node, carries: 'cdp', script: data.script,
  home: __dirname, waits: Boolean(data.gate),
});
