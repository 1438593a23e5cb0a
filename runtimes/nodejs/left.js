'use strict';
// What user code has left running in this process: asked before an instance is frozen, which stops all of it.

// What keeps the loop alive, as Node.js names it -> as people do. Sockets and processes are seen from outside.
const NAMES = {
  Timeout: ['timer of setTimeout or setInterval', 'timers of setTimeout or setInterval'],
  FSReqCallback: ['file operation', 'file operations'],
  FSReqPromise: ['file operation', 'file operations'],
  FSEventWrap: ['file watcher', 'file watchers'],
  StatWatcher: ['file watcher', 'file watchers'],
  GetAddrInfoReqWrap: ['look-up of a host', 'look-ups of hosts'],
  QueryReqWrap: ['look-up of a host', 'look-ups of hosts'],
};

/** `timers`: each as a text; none where this Node.js, older than 17.3, can not tell. */
exports.told = function () {
  if (!process.getActiveResourcesInfo) return {};
  const counts = new Map();
  process.getActiveResourcesInfo().forEach((kind) => {
    const names = Object.prototype.hasOwnProperty.call(NAMES, kind) ? NAMES[kind] : null;
    if (!names) return;
    const found = counts.get(names[0]) || { count: 0, names: names };
    found.count += 1;
    counts.set(names[0], found);
  });
  return { timers: Array.from(counts.values(), (it) => it.count + ' ' + it.names[it.count === 1 ? 0 : 1]) };
};
