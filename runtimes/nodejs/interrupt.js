'use strict';
// Lets the emulator into a Node.js process that can not be asked: one in a loop, or one that was started without us.
//
// Run inside the walls: `node interrupt.js [PID]`; without PID, every Node.js of this instance. SIGUSR1 makes Node.js open
// its inspector on a loopback port, from a thread of its own; through that inspect.js is started, which needs no port,
// and the port is closed again. It is open for some hundredths of a second. All of a network take the same port: who finds
// it taken is signalled again when it is free. Ends with PORT_TAKEN where it never was.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const SIGUSR1 = 1 << 9;
const LISTENS = '0A';
const LOOPBACK = '0100007F';
const INSPECTOR_PORT = 9229;
// Known to emulator/debug/cdp_debuggee.py.
const PORT_TAKEN = 3;
const PATIENCE_MS = 4000;
const PAUSE_MS = 5;
// An inspector that has not opened after this long has lost the port to another one, which may be gone again already.
const AGAIN_MS = 250;

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

/** Whatever listens in the network of `pid`; `own` is what it listens to itself. */
function listeners(pid) {
  const own = socketsOf(pid);
  return (read('/proc/' + pid + '/net/tcp') + read('/proc/' + pid + '/net/tcp6')).split('\n')
    .map((line) => line.trim().split(/\s+/)).filter((field) => field[3] === LISTENS)
    .map((field) => {
      const at = field[1].split(':');
      return { address: at[0], port: parseInt(at[1], 16), own: own.has(field[9]) };
    });
}

function ports(found) {
  return found.filter((it) => it.own && it.address === LOOPBACK).map((it) => it.port);
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
  const deadline = Date.now() + PATIENCE_MS;
  let before = null;
  let signalled = 0;

  function look() {
    const found = listeners(pid);
    if (before === null) before = new Set(ports(found));
    const fresh = ports(found).filter((port) => !before.has(port));
    if (fresh.length) {
      inspectorOf(fresh, (port, id) => evaluate(port, id, program(link)));
      return;
    }
    const taken = found.some((it) => it.port === INSPECTOR_PORT && !it.own);
    if (Date.now() >= deadline) {
      if (taken) process.exitCode = PORT_TAKEN;
      return;
    }
    if (taken) {
      signalled = 0;
    } else if (Date.now() - signalled >= AGAIN_MS) {
      signalled = Date.now();
      process.kill(pid, 'SIGUSR1');
    }
    setTimeout(lookAgain, PAUSE_MS);
  }

  function lookAgain() {
    try {
      look();
    } catch (error) {
      // It has just ended.
    }
  }

  lookAgain();
}

const link = require('./settings').take(process.env).debug;
const pids = process.argv[2] ? [Number(process.argv[2])] : everyNode();
pids.forEach((pid) => interrupt(pid, link));
