'use strict';
// Lets the emulator into a Node.js process that can not be asked: one in a loop, or one that was started without us.
//
// Run inside the walls: `node interrupt.js [PID]`; without PID, every Node.js of this instance. SIGUSR1 makes Node.js open
// its inspector on a loopback port, from a thread of its own; through that inspect.js is started, which needs no port,
// and the port is closed again. It is open for some hundredths of a second.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const SIGUSR1 = 1 << 9;
const LISTENS = '0A';
const PATIENCE_MS = 4000;
const PAUSE_MS = 5;

function read(file) {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch (error) {
    return '';
  }
}

/** Only who catches the signal may get it: it ends every other process. */
function takesSignal(pid) {
  const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(read('/proc/' + pid + '/status'));
  return caught !== null && (parseInt(caught[1].slice(-4), 16) & SIGUSR1) !== 0;
}

function isNode(pid) {
  let program = '';
  try {
    program = path.basename(fs.readlinkSync('/proc/' + pid + '/exe'));
  } catch (error) {
    // Not ours to look at, or gone.
  }
  return program === path.basename(fs.realpathSync(process.execPath)) || program === 'node';
}

/** Processes of this instance: where walls have no pid namespace, this entry of their environment tells. */
function isOurs(pid) {
  return read('/proc/' + pid + '/environ').split('\0').indexOf('FC_INSTANCE_ID=' + process.env.FC_INSTANCE_ID) >= 0;
}

function everyNode() {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((pid) => pid !== process.pid && isNode(pid) && isOurs(pid));
}

function socketsOf(pid) {
  const inodes = new Set();
  fs.readdirSync('/proc/' + pid + '/fd').forEach((fd) => {
    try {
      const found = /^socket:\[(\d+)\]/.exec(fs.readlinkSync('/proc/' + pid + '/fd/' + fd));
      if (found) inodes.add(found[1]);
    } catch (error) {
      // It was just closed.
    }
  });
  return inodes;
}

/** Loopback ports that `pid` listens on. */
function ports(pid) {
  const own = socketsOf(pid);
  return read('/proc/' + pid + '/net/tcp').split('\n').map((line) => line.trim().split(/\s+/))
    .filter((field) => field[3] === LISTENS && field[1].startsWith('0100007F:') && own.has(field[9]))
    .map((field) => parseInt(field[1].split(':')[1], 16));
}

/** The inspector among `candidates`: the one that lists a target of type node. */
function inspectorOf(candidates, then) {
  candidates.forEach((port) => {
    const request = http.get({ host: '127.0.0.1', port: port, path: '/json/list', timeout: PATIENCE_MS }, (response) => {
      let text = '';
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => {
        try {
          const target = JSON.parse(text)[0];
          if (target.type === 'node') then(port, target.id);
        } catch (error) {
          // A server of the function.
        }
      });
    });
    request.on('error', () => {});
  });
}

/** Evaluate `expression` in the target's main thread, which need not be idle. */
function evaluate(port, id, expression) {
  const request = http.request({
    host: '127.0.0.1', port: port, path: '/' + id,
    headers: {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
    },
  });
  request.on('error', () => {});
  request.on('upgrade', (response, socket) => {
    const params = { expression: expression, includeCommandLineAPI: true };
    socket.on('error', () => {});
    socket.once('data', () => socket.end());
    socket.write(frame(Buffer.from(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: params }))));
  });
  request.end();
}

/** One masked text frame (RFC 6455 §5.2) with a mask of zeros. */
function frame(body) {
  const head = Buffer.alloc(8);
  head[0] = 0x81;
  head[1] = 0x80 | 126;
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

function program(link) {
  // The thread closes the port. The loop, which the signal told as well, opens it once more when it comes to it.
  return 'require(' + JSON.stringify(path.join(__dirname, 'inspect.js')) + ').start(' + JSON.stringify(link) +
    ', { closesPort: true }); setImmediate(() => process._debugEnd())';
}

function interrupt(pid, link) {
  if (!takesSignal(pid)) return;
  const before = new Set(ports(pid));
  const deadline = Date.now() + PATIENCE_MS;
  process.kill(pid, 'SIGUSR1');
  (function look() {
    const fresh = ports(pid).filter((port) => !before.has(port));
    if (fresh.length) inspectorOf(fresh, (port, id) => evaluate(port, id, program(link)));
    else if (Date.now() < deadline) setTimeout(look, PAUSE_MS);
  })();
}

const link = require('./settings').take(process.env).debug;
const pids = process.argv[2] ? [Number(process.argv[2])] : everyNode();
pids.forEach((pid) => interrupt(pid, link));
