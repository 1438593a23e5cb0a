'use strict';
// The control channel: dials the emulator, then does what it is asked (docs/bootstrap-protocol.md).
//
// Every instance has one and few are ever asked anything: what a command needs is loaded when it comes.

const dial = require('./dial');

// Command -> what does it: takes the command's arguments, and returns what JSON calls an object.
const COMMANDS = {
  attach: (channel) => require('./inspect').attach(channel),
  detach: (channel) => require('./inspect').detach(channel),
  left: () => require('./left').told(),
};

function answer(channel, line) {
  const message = JSON.parse(line);
  const reply = { id: message.id };
  try {
    if (!Object.prototype.hasOwnProperty.call(COMMANDS, message.do)) {
      throw new Error('this bootstrap does not know the command');
    }
    reply.ok = COMMANDS[message.do](channel, message) || {};
  } catch (error) {
    reply.error = String((error && error.message) || error);
  }
  channel.socket.write(JSON.stringify(reply) + '\n');
}

/**
 * Dial where the emulator said, if it did, and listen to what comes. Keeps the process alive no longer than it would.
 * Returns the channel, or null where there is nobody.
 */
exports.start = function (settings) {
  if (!settings.debug.where) return null;
  const socket = dial.connect(settings.debug.where);
  const channel = { socket: socket, settings: settings };
  let rest = '';
  socket.unref();
  socket.setEncoding('utf8');
  socket.on('error', () => {});  // the emulator has just ended
  socket.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    lines.forEach((line) => answer(channel, line));
  });
  socket.write(JSON.stringify({
    hello: settings.debug.token, pid: process.pid, lang: 'node', version: process.versions.node,
    traces: Boolean(settings.traces),
  }) + '\n');
  return channel;
};
