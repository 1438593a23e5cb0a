'use strict';
// Which ES modules a start evaluates, and for how long. Only where cold starts are measured: it changes their text.
//
// Node.js says nothing of a single ES module, so each is given two marks: behind the imports at its head, which have
// been evaluated when its body begins, and at its end. A profile of the CPU would change no text, but sees nothing of
// what is awaited at the top level; hooks in a thread of their own (module.register) see all, but that thread's start and
// a round trip for each module could not be taken off. So the text is had in this thread (module_texts.js).

const Module = require('module');
const url = require('url');
const heads = require('./module_heads');
const texts = require('./module_texts');

const MOST = 5000;
const NAME = 'fclocalMark';
const MARK = 'globalThis.' + NAME + '?.';
const PATH = /^(?:\.{0,2}\/|[a-z][a-z\d+.-]*:)/i;

// Modules of Node.js itself: `fs`.
const OWN = new Set(Module.builtinModules);

/** Seconds of CLOCK_MONOTONIC. */
function now() {
  const time = process.hrtime();
  return time[0] + time[1] / 1e9;
}

/** `read` are those that were given marks, in this order; `measuring` is when, and for how long, that was done. */
function Modules() {
  this.read = [];
  this.more = 0;
  this.measuring = [];
  this.since = 0;
  this.spent = 0;
  this.stop = null;
}

/** From now on until `remove`. */
Modules.prototype.install = function () {
  Object.defineProperty(globalThis, NAME, { configurable: true, value: (number, find) => this.mark(number, find) });
  this.stop = texts.change((href, text) => this.add(href, text), (at) => this.took(at, now() - at));
};

Modules.prototype.remove = function () {
  this.stop();
  delete globalThis[NAME];
  this.flush();
};

/** The text of a module with marks; it stays on its lines. */
Modules.prototype.add = function (href, text) {
  if (this.read.length >= MOST) {
    this.more += 1;
    return text;
  }
  const at = now();
  const head = heads.read(text);
  const number = this.read.length;
  this.read.push({
    href: href, file: '', imports: head.imports, at: at, find: null, body: 0, begin: 0, end: 0, parent: null,
    failed: true, twin: null,
  });
  // Who imports a package tells how it is found. Others do without, since some may turn out to be CommonJS.
  const find = head.imports.some(isPackage) ? ',import.meta.resolve' : '';
  const begins = ';' + MARK + '(' + number + find + ');';
  const ends = (head.closes ? '\n;' : ';') + MARK + '(' + ~number + ');';
  const marked = text.slice(0, head.end) + begins + text.slice(head.end) + ends;
  this.took(at, now() - at);
  return marked;
};

/** Measuring took so many `seconds`, not long after `at`. */
Modules.prototype.took = function (at, seconds) {
  this.since = this.since || at;
  this.spent += seconds;
};

/** The body of a module begins, or ends, for which `number` is negative. */
Modules.prototype.mark = function (number, find) {
  const at = now();
  if (number < 0) {
    this.read[~number].end = at;
    this.read[~number].failed = false;
    return;
  }
  this.read[number].body = at;
  this.read[number].find = find;
  this.flush();
};

/** All that is evaluated together was read before: what reading took longer is told as one. */
Modules.prototype.flush = function () {
  if (this.spent) this.measuring.push(['measuring', this.since, this.since + this.spent]);
  this.since = this.spent = 0;
};

/**
 * What was evaluated, and `others`, which were required: nodes as trace.js has them. `ends` are moments at which what
 * was being loaded had come to its end.
 */
Modules.prototype.nodes = function (others, ends) {
  const known = new Map(others.map((node) => [url.pathToFileURL(node.file).href, node]));
  // Some were read to see what they are, and turned out to be CommonJS.
  const read = this.read.filter((module) => module.body || !known.has(module.href));
  read.forEach((module) => {
    module.file = url.fileURLToPath(module.href);
    module.twin = known.get(module.href) || null;
    if (module.body && !module.end) module.end = this.endOf(module, ends);
  });
  read.forEach((module) => known.set(module.href, module));
  const seen = new Set();
  read.forEach((module) => { if (!seen.has(module)) enter(module, known, seen); });
  const found = others.concat(read.filter((module) => module.begin && !module.twin));
  found.forEach((node) => { node.parent = node.parent || around(node, found); });
  return found;
};

/** Of one that has thrown, or waits to this day: as far as is known, when something else goes on. */
Modules.prototype.endOf = function (module, ends) {
  const moments = this.read.map((it) => (it.body > module.body ? it.body : it.end)).concat(ends, now());
  return Math.min.apply(null, moments.filter((moment) => moment > module.body));
};

/** As Node.js goes through the graph: who comes to a module first has asked for it, and begins when that begins. */
function enter(module, known, seen) {
  seen.add(module);
  const inner = [];
  module.imports.forEach((name) => {
    const node = resolved(module, name, known);
    if (!node || seen.has(node) || (node.end && node.end < module.at)) return;
    if (node.imports) enter(node, known, seen);
    else seen.add(node);
    inner.push(node.twin || node);
  });
  const evaluated = inner.filter((node) => node.begin && !node.parent);
  evaluated.forEach((node) => { node.parent = module.twin || module; });
  const begins = evaluated.map((node) => node.begin).concat(module.body || []);
  // One of what it imports has thrown: its own body never began.
  if (!module.body) module.end = Math.max.apply(null, evaluated.map((node) => node.end).concat(0));
  module.begin = begins.length ? Math.min.apply(null, begins) : 0;
}

/** What `module` means by `name`, where it was loaded. */
function resolved(module, name, known) {
  if (OWN.has(name)) return undefined;
  try {
    const near = PATH.test(name) ? new URL(name, module.href).href : '';
    if (known.has(near)) return known.get(near);
    return known.get(module.find ? module.find(name) : url.pathToFileURL(Module.createRequire(module.file).resolve(name)).href);
  } catch (error) {
    return undefined;  // it was looked for in vain
  }
}

/** Who was running when a node began that no import at a head asks for: the innermost, null for none. */
function around(node, nodes) {
  let found = null;
  nodes.forEach((it) => {
    const body = it.body || it.begin;
    if (body < node.begin && node.begin < it.end && (!found || body > (found.body || found.begin))) found = it;
  });
  return found;
}

function isPackage(name) {
  return !PATH.test(name) && !OWN.has(name);
}

exports.Modules = Modules;
