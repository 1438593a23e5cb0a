'use strict';
// A spare: started and walled ahead of time, it becomes an instance when it is assigned (docs/zygote.md).
//
// All of ours is loaded, and nothing of the user's. The first connection is told `p`, and brings the order, a JSON object:
// `env`, variables to set, `without`, names of those to remove, and `cwd`. It is answered by `k`, or by `!` and why not.

/** Calls `become` when the order was carried out. Ends with whoever leaves without having given one. */
exports.wait = function (listener, become) {
  // The first look at them loads what they need.
  void [process.stdout, process.stderr];
  listener.once('connection', (socket) => {
    const parts = [];
    socket.on('error', () => process.exit(1));
    socket.write('p');
    socket.on('data', (part) => parts.push(part));
    socket.on('end', () => {
      if (!parts.length) process.exit(1);
      try {
        take(JSON.parse(Buffer.concat(parts).toString()));
        become();
      } catch (error) {
        socket.end('!' + error.message, () => process.exit(1));
        return;
      }
      socket.removeAllListeners('error');
      socket.on('error', () => {});
      socket.end('k');
    });
  });
};

function take(order) {
  order.without.forEach((name) => { delete process.env[name]; });
  Object.keys(order.env).forEach((name) => { process.env[name] = order.env[name]; });
  process.chdir(order.cwd);
}
