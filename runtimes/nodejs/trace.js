'use strict';
// Takes the start of an instance apart: which modules are loaded, how long each takes, and when our own steps are.
//
// From before user code can be loaded until the first answer was sent; then nothing of it is left (docs/coldstart.md).
// No function of ours runs around user code, since V8 shows ten frames of a stack: Node.js says itself when a module
// begins and ends to be loaded, by setting `loaded` of it to false and to true, and that is where we listen.

const fs = require('fs');
const Module = require('module');

const MOST = 5000;
const PROBES = 50;
const ROUNDS = 10;
// The answer goes its way first: whoever passes it on has to look at what is told, too.
const PAUSE_MS = 2;
const FIRST_PATHS = ['/invoke', '/http-invoke'];

/** Seconds of CLOCK_MONOTONIC. */
function now() {
  const time = process.hrtime();
  return time[0] + time[1] / 1e9;
}

/** What is loaded, in the order in which it begins: `open` are those that have not ended, each asked for by the last. */
function Loads() {
  this.entries = [];
  this.more = 0;
  this.open = [];
}

Loads.prototype.begin = function (module) {
  const at = now();
  if (this.entries.length >= MOST) {
    this.more += 1;
    return;
  }
  this.leave(this.placeOf((it) => last(it.children) === module) + 1, at);
  const parent = this.open.length ? last(this.open).place : -1;
  const entry = { module: module, place: this.entries.length, parent: parent, begin: at, end: 0, failed: false };
  this.entries.push(entry);
  this.open.push(entry);
};

Loads.prototype.end = function (module) {
  const at = now();
  const place = this.placeOf((it) => it === module);
  if (place < 0) return;
  this.leave(place + 1, at);
  this.open.pop().end = at;
};

/** Of the open one that `fits`, or -1. */
Loads.prototype.placeOf = function (fits) {
  for (let place = this.open.length - 1; place >= 0; place -= 1) {
    if (fits(this.open[place].module)) return place;
  }
  return -1;
};

function last(list) {
  return list && list[list.length - 1];
}

/** Those above have thrown, some time ago: nobody says so, but they are not on the stack any more. */
Loads.prototype.leave = function (height, at) {
  while (this.open.length > height) {
    const entry = this.open.pop();
    entry.end = at;
    entry.failed = true;
  }
};

Loads.prototype.install = function () {
  const loads = this;
  Object.defineProperty(Module.prototype, 'loaded', {
    configurable: true,
    get: function () { return false; },
    set: function (value) {
      if (value === false) loads.begin(this);
      else own(this, value);
      if (value === true) loads.end(this);
    },
  });
};

/** As it is without us. */
function own(module, value) {
  Object.defineProperty(module, 'loaded', { value: value, writable: true, enumerable: true, configurable: true });
}

Loads.prototype.remove = function () {
  delete Module.prototype.loaded;
  this.entries.forEach((entry) => {
    if (!Object.prototype.hasOwnProperty.call(entry.module, 'loaded')) own(entry.module, false);
  });
};

/** As `trace` of docs/bootstrap-protocol.md has them. */
Loads.prototype.rows = function (codeRoot) {
  this.leave(0, now());
  return this.entries.map((entry) => {
    const file = String(entry.module.id);
    return [nameOf(file, codeRoot), entry.parent, entry.begin, entry.end, 0, file, sizeOf(file), entry.failed];
  });
};

/** As the user would say it: below the package or the code folder that it is in. */
function nameOf(file, codeRoot) {
  const inner = file.lastIndexOf('/node_modules/');
  if (inner >= 0) return file.slice(inner + '/node_modules/'.length);
  return file.startsWith(codeRoot + '/') ? file.slice(codeRoot.length + 1) : file;
}

function sizeOf(file) {
  try {
    return fs.statSync(file).size;
  } catch (error) {
    return 0;
  }
}

/** Seconds, measured by records of nothing: the least of some rounds, since others run beside us. */
function costOfARecord() {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const loads = new Loads();
    const begin = now();
    for (let count = 0; count < PROBES; count += 1) {
      const module = {};
      loads.begin(module);
      own(module, true);
      loads.end(module);
    }
    best = Math.min(best, (now() - begin) / PROBES);
  }
  return best;
}

/** `channel` is told once; `began` is when this process began to be an instance. */
function Trace(channel, began) {
  const begin = now();
  this.channel = channel;
  this.codeRoot = channel.settings.codeRoot;
  this.loads = new Loads();
  this.loads.install();
  this.answered = false;
  const serving = now();
  this.phases = [['bootstrap', began, serving], ['measuring', begin, serving]];
}

/** `load` of loader.js, timed; what it is for comes after it. */
Trace.prototype.loading = function (load) {
  return (handler, then) => {
    const begin = now();
    load(handler, (fault, fn) => {
      this.phases.push(['load', begin, now()]);
      then(fault, fn);
    });
  };
};

/** A call begins; returns what is to be told of its end, just before its answer is sent. */
Trace.prototype.calling = function (path, ended) {
  const begin = now();
  const first = FIRST_PATHS.indexOf(path) >= 0;
  return (call) => {
    if (first || path === '/initialize') this.phases.push([first ? 'invoke' : 'initializer', begin, now()]);
    if (first && !this.answered) {
      this.answered = true;
      ended();
      this.loads.remove();
      setTimeout(() => this.tell(), PAUSE_MS);
    }
  };
};

Trace.prototype.tell = function () {
  const told = {
    event: 'trace', clock: 'monotonic', phases: this.phases, imports: this.loads.rows(this.codeRoot), more: this.loads.more,
    record_seconds: costOfARecord(), now: now(),
  };
  this.channel.socket.write(JSON.stringify(told) + '\n');
};

exports.Trace = Trace;
