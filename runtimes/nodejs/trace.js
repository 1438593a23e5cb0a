'use strict';
// Takes the start of an instance apart: which modules are loaded, how long each takes, and when our own steps are.
//
// From before user code can be loaded until the first answer was sent; then nothing of it is left (docs/coldstart.md).
// No function of ours runs around user code, since V8 shows ten frames of a stack: Node.js says itself when a module
// begins and ends to be loaded, by looking at `loaded` of it and by setting it to true, and that is where we listen. It
// is made, and set to false, before: for `import` long before. Of ES modules nothing is said (modules.js).

const fs = require('fs');
const Module = require('module');
const isModule = require('./loader').isModule;

const MOST = 5000;
const PROBES = 50;
const ROUNDS = 10;
// The answer goes its way first: whoever passes it on has to look at what is told, too.
const PAUSE_MS = 2;
const HOME = __dirname + '/';
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
  this.made = [];
  this.begun = new Set();
}

/** `module` is about to be run; or somebody looks at it again. */
Loads.prototype.begin = function (module) {
  const at = now();
  if (this.begun.has(module)) return;
  this.begun.add(module);
  if (this.entries.length >= MOST) {
    this.more += 1;
    return;
  }
  if (!this.isImported(module)) this.leave(this.placeOf((it) => last(it.children) === module) + 1, at);
  const parent = last(this.open) || null;
  const entry = { module: module, parent: parent, begin: at, end: 0, failed: false };
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

/** Whether an ES module that was required asks for it: nobody has it as a child, and what is open has not thrown. */
Loads.prototype.isImported = function (module) {
  const inner = last(this.open);
  return inner !== undefined && this.placeOf((it) => last(it.children) === module) < 0 && isModule(inner.module.id);
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
    get: function () {
      loads.begin(this);
      return false;
    },
    set: function (value) {
      if (value === false) loads.made.push(this);
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
  this.made.forEach((module) => {
    if (!Object.prototype.hasOwnProperty.call(module, 'loaded')) own(module, false);
  });
};

/** All but our own as nodes: `file`, `parent` (null: none), `begin`, `end`, `failed`. */
Loads.prototype.nodes = function () {
  this.leave(0, now());
  this.entries.forEach((entry) => { entry.file = String(entry.module.id); });
  return this.entries.filter((entry) => !entry.file.startsWith(HOME));
};

/** Nodes as `imports` of docs/bootstrap-protocol.md, in the order of their beginning. */
function rows(nodes, codeRoot) {
  const sorted = nodes.slice().sort((one, other) => one.begin - other.begin || depthOf(one) - depthOf(other));
  const places = new Map(sorted.map((node, place) => [node, place]));
  return sorted.map((node) => {
    const parent = node.parent ? places.get(node.parent) : -1;
    const file = node.file;
    return [nameOf(file, codeRoot), parent, node.begin, node.end, 0, file, sizeOf(file), node.failed];
  });
}

/** How many are around it: of those that begin at once the outer one comes first. */
function depthOf(node) {
  let depth = 0;
  for (let outer = node.parent; outer; outer = outer.parent) depth += 1;
  return depth;
}

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
      loads.made.push(module);
      loads.begin(module);
      own(module, true);
      loads.end(module);
    }
    best = Math.min(best, (now() - begin) / PROBES);
  }
  return best;
}

/** What records ES modules; null before Node.js 18.19 and 20.6, in which other things came that it takes. */
function modulesOf() {
  if (!Module.register) return null;
  const Modules = require('./modules').Modules;
  const modules = new Modules();
  modules.install();
  return modules;
}

/** `channel` is told once; `began` is when this process began to be an instance. */
function Trace(channel, began) {
  const begin = now();
  this.channel = channel;
  this.codeRoot = channel.settings.codeRoot;
  this.loads = new Loads();
  this.loads.install();
  this.modules = channel.settings.traces === 'modules' ? modulesOf() : null;
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
      if (this.modules) this.modules.remove();
      setTimeout(() => this.tell(), PAUSE_MS);
    }
  };
};

Trace.prototype.tell = function () {
  const modules = this.modules || { nodes: (others) => others, measuring: [], more: 0 };
  const ends = this.phases.filter((it) => it[0] === 'load').map((it) => it[2]);
  const nodes = modules.nodes(this.loads.nodes(), ends);
  const told = {
    event: 'trace', clock: 'monotonic', phases: this.phases.concat(modules.measuring), imports: rows(nodes, this.codeRoot),
    more: this.loads.more + modules.more, record_seconds: costOfARecord(), now: now(),
  };
  this.channel.socket.write(JSON.stringify(told) + '\n');
};

exports.Trace = Trace;
