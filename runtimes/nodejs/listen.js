'use strict';
// Listens where FCLOCAL_ENDPOINT says (docs/bootstrap-protocol.md).

const net = require('net');

// As FC's bootstraps do (runtime-contract.md §2.2).
const START_FAILED = 129;

/** Returns a `net.Server`; ends the process where that fails. */
module.exports = function (endpoint) {
  const server = net.createServer({ allowHalfOpen: true });
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
  return server;
};
