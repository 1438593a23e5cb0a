'use strict';
// Payloads and results, by callback: every runtime has it.

const values = {
  'null': null,
  'undefined': undefined,
  'string': 'text — 函数',
  'buffer': Buffer.alloc ? Buffer.from([0, 1, 254, 255]) : new Buffer([0, 1, 254, 255]),
  'object': { b: 1, a: [1, 'x', null] },
  'number': 1.5,
  'true': true,
  'function': function named() {},
  'error': { toJSON: () => undefined },
};

exports.echo = (event, context, callback) => callback(null, event);
exports.kind = (event, context, callback) => callback(null, { isBuffer: Buffer.isBuffer(event), length: event.length });
exports.value = (event, context, callback) => callback(null, values[event.toString()]);
exports.context = (event, context, callback) => callback(null, context);
exports.environment = (event, context, callback) => callback(null, Object.keys(process.env).sort());
exports.flags = (event, context, callback) => callback(null, { argv: process.execArgv, gc: typeof gc });
exports.owner = function (event, context, callback) { callback(null, this === exports ? 'exports' : 'other'); };
exports.twice = (event, context, callback) => { callback(null, 'first'); callback(new Error('second')); };
exports.later = (event, context, callback) => { setTimeout(() => callback(null, 'later'), 5); };
exports.never = () => {};
exports.circular = (event, context, callback) => { const ring = {}; ring.self = ring; callback(null, ring); };
exports.search = (event, context, callback) => callback(null, process.env.NODE_PATH || '');
