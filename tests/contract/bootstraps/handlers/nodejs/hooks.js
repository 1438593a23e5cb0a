'use strict';
// Lifecycle hooks and what they leave behind.

let initialized = 0;
let seen = '';

exports.initialize = function (context, callback) {
  initialized++;
  seen = arguments.length + ' ' + context.requestId;
  console.log('initializing ' + context.requestId);
  callback(null, 'ignored');
};
exports.handler = (event, context, callback) => callback(null, 'initialized ' + initialized);
exports.arguments = (event, context, callback) => callback(null, seen);
exports.pre_stop = (context, callback) => { console.log('stopping ' + context.function.name); callback(null, ''); };
exports.pre_freeze = (context, callback) => { console.log('freezing'); callback(null, ''); };
exports.pre_stop_fails = (context, callback) => callback(new Error('can not stop'));
exports.failing = (context, callback) => callback(new TypeError('no database'));
exports.throwing = () => { throw new RangeError('out of range'); };
