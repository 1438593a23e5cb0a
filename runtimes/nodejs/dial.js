'use strict';
// The way to the emulator: `unix:PATH`, or `tcp:HOST:PORT` from where no socket of its is seen.

const net = require('net');

/** What `connect` takes; null where nothing is said, or nothing that is known. */
exports.where = function (said) {
  if (said.startsWith('unix:')) return { path: said.slice('unix:'.length) };
  const found = /^tcp:(.+):(\d+)$/.exec(said);
  return found ? { host: found[1], port: Number(found[2]), family: 4 } : null;
};

/** A socket that is about to be connected. */
exports.connect = function (where) {
  const socket = net.connect(where);
  if (where.port) socket.setNoDelay(true);
  return socket;
};
