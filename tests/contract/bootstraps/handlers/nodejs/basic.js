'use strict';
// Payloads and results, by callback: every runtime has it.

let count = 0;

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
exports.text = (event, context, callback) => callback(null, '函数');
exports.true = (event, context, callback) => callback(null, true);
exports.number = (event, context, callback) => callback(null, 3);
exports.upper = (event, context, callback) => callback(null, event.toString().toUpperCase());
exports.counter = (event, context, callback) => callback(null, String(++count));
exports.directory = (event, context, callback) => callback(null, process.cwd());
exports.fc_context = (event, context, callback) => {
  callback(null, {
    requestId: context.requestId, accountId: context.accountId, region: context.region,
    name: context.function.name, handler: context.function.handler, memory: context.function.memory,
  });
};
exports.environment = (event, context, callback) => {
  const kept = {};
  Object.keys(process.env).forEach((name) => {
    if (/^(FC|_FC|USER_|ALIBABA)/.test(name)) kept[name] = process.env[name];
  });
  callback(null, kept);
};
// What a process that the function starts inherits besides stdin, stdout and stderr; `ls` itself holds 3.
exports.child_descriptors = (event, context, callback) => {
  const listed = require('child_process').execFileSync('ls', ['/proc/self/fd']).toString().trim().split('\n');
  callback(null, JSON.stringify(listed.filter((fd) => Number(fd) > 3)));
};
exports.flags = (event, context, callback) => callback(null, { argv: process.execArgv, gc: typeof gc });
exports.owner = function (event, context, callback) { callback(null, this === exports ? 'exports' : 'other'); };
exports.twice = (event, context, callback) => { callback(null, 'first'); callback(new Error('second')); };
exports.later = (event, context, callback) => { setTimeout(() => callback(null, 'later'), 5); };
exports.never = () => {};
exports.circular = (event, context, callback) => { const ring = {}; ring.self = ring; callback(null, ring); };
exports.search = (event, context, callback) => callback(null, process.env.NODE_PATH || '');
