'use strict';
// The instance of a nodejs* function: listens where the emulator says, and serves (docs/bootstrap-protocol.md).

const began = process.hrtime();
const listen = require('./listen');
const server = require('./server');
const settings = require('./settings');

const listener = listen(process.env.FCLOCAL_ENDPOINT || '');
if (process.env.FCLOCAL_PARKED) require('./parked').wait(listener, () => begin(process.hrtime()));
else begin(began);

/** `since` is when this process began to be an instance. */
function begin(since) {
  server.start(settings.take(process.env), listener, since[0] + since[1] / 1e9);
}
